"""A secret of a service that is adopted, through tasks that are stored: it stays in the service's own repository.

What is encrypted before it is stored is looked at as it was, and workspaces file by file.
"""

import base64
import io
import json
from pathlib import Path
from typing import Any

import pytest
from tests.store.service_bench import EndedTask, ServiceBench, running_service, template
from tests.unit.adoption.test_secrets import HELD, MOUNT, VOLUME, config_map, deployment, env
from tests.unit.skeletons.golden_path import SKELETONS

from understage.integrations.git.command import GitCommand
from understage.integrations.git.remotes import GitRemotes
from understage.integrations.local.forge import LocalForge
from understage.integrations.local.repositories import LocalRepositories
from understage.model.yaml import dump
from understage.scaffolder.cipher import Cipher
from understage.scaffolder.tasks import snapshots
from understage.sdk import GitAuthor

CANARY = "c4n4ry-Xq7ZpL2vT9"
HOST = "localhost:7007"
# Under the path of a file that the proposal writes, which an undo has to put back.
OWN_VALUES = f"database:\n  password: {CANARY}\n"
REPOSITORIES: dict[str, dict[str, str]] = {
    "web": {"k8s/all.yaml": dump(deployment({"env": env(DB_PASSWORD=CANARY)})), "deploy/values.yaml": OWN_VALUES},
    "held": {
        "k8s/all.yaml": "---\n".join(
            map(dump, [deployment(MOUNT, VOLUME), config_map(**{"app.yaml": f"password: {CANARY}"})])
        )
    },
    "broken": {"k8s/all.yaml": f"kind: Secret\nstringData: {{password: {CANARY}\n"},
    "odd": {"k8s/all.yaml": dump({**HELD["arguments"][0][0], "spec": CANARY})},
}
WHERE = {"host": HOST, "owner": "shop", "name": "${{ parameters.name }}"}
ADOPTING = template(
    "adopting",
    [
        {
            "id": "adopt",
            "name": "Adopt",
            "action": "service:adopt",
            "input": {
                "repository": WHERE,
                "path": "k8s",
                "owner": "group:default/shop",
                "environment": "production",
                "namespace": "shop",
            },
        },
        {
            "id": "commit",
            "name": "Commit",
            "action": "gitops:commit",
            "input": {
                "sourcePath": "adoption",
                "message": "Adopt\n\n${{ steps.adopt.output.summary }}",
                "repository": WHERE,
            },
        },
        {
            "id": "say",
            "name": "Say",
            "action": "debug:log",
            "input": {"message": "${{ steps.adopt.output | dump }}", "listWorkspace": True},
        },
    ],
    parameters={"properties": {"name": {"type": "string"}}},
    output={"text": [{"title": "Report", "content": "${{ steps.adopt.output.report }}"}]},
)


async def publish(folder: Path) -> None:
    """The repositories, where the service's own git server keeps them."""
    repositories = LocalRepositories(folder / "data" / "git", f"http://{HOST}")
    forge = LocalForge(repositories, GitCommand())
    git = GitRemotes(folder / "git-state", locate=repositories.locate)
    for name, files in REPOSITORIES.items():
        made = await forge.create_repository("shop", name, description="")
        source = folder / "source" / name
        for path, text in files.items():
            (source / path).parent.mkdir(parents=True, exist_ok=True)
            (source / path).write_text(text)
        author = GitAuthor("Ada", "ada@example.com")
        await git.publish(source, made.clone_url, branch=made.default_branch, message="Begin", author=author)


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What was encrypted, and the files of workspaces that were kept, as plain text."""
    seen: dict[str, str] = {}
    encrypt, pack = Cipher.encrypt, snapshots.pack

    def encrypting(self: Cipher, value: bytes, place: str) -> bytes:
        seen[f"{place} {len(seen)}"] = value.decode("latin-1")
        return encrypt(self, value, place)

    def packing(folder: Path) -> bytes:
        for file in folder.rglob("*"):
            if file.is_file():
                seen[f"workspace {file.relative_to(folder)} {len(seen)}"] = file.read_bytes().decode("latin-1")
        return pack(folder)

    monkeypatch.setattr(Cipher, "encrypt", encrypting)
    monkeypatch.setattr(snapshots, "pack", packing)
    return seen


async def undo(bench: ServiceBench, task: EndedTask) -> tuple[str, EndedTask]:
    """What the undo would do, and the undo at its end."""
    path = f"/api/scaffolder/v2/tasks/{task.row['id']}/undo"
    planned = await bench.post(path, {"dryRun": True})
    asked = await bench.post(path, {})
    assert asked.status_code == 201, asked.text
    return planned.text, await bench.ended(asked.json()["id"])


@pytest.mark.timeout(120)
async def test_a_secret_of_an_adopted_service_is_in_nothing_that_is_stored_or_told(
    helm_binary: Path, tmp_path: Path, stored: dict[str, str], logged: io.StringIO
) -> None:
    await publish(tmp_path)
    overlay: dict[str, Any] = {
        "understage": {
            "helm": {"binary": str(helm_binary), "charts": str(SKELETONS / "charts")},
            "policies": {"rules": str(SKELETONS / "policies" / "rules.yaml")},
        }
    }
    seen: dict[str, str] = {}
    async with running_service(tmp_path, [ADOPTING], overlay=overlay) as bench:
        for name in REPOSITORIES:
            task = await bench.run("adopting", {"name": name})
            seen[f"task {name}"] = task.stream + json.dumps(task.row)
            assert task.status == ("completed" if name == "web" else "failed"), (name, task.messages)
            assert "DB_PASSWORD" in task.messages if name == "web" else task.error["message"]
            if name == "web":
                planned, undone = await undo(bench, task)
                assert "undo:commit" in planned
                assert undone.status == "completed", undone.messages
                assert "Took back" in undone.messages
                seen["undo"] = planned + undone.stream + json.dumps(undone.row)
        seen["list"] = (await bench.get("/api/scaffolder/v2/tasks")).text
        seen["rows"] = await bench.dump()
        git = GitRemotes(
            tmp_path / "git-state", locate=LocalRepositories(tmp_path / "data/git", f"http://{HOST}").locate
        )
        clone = tmp_path / "clone"
        clone.mkdir()
        await git.clone(f"http://{HOST}/git/shop/web.git", clone)
    seen["log"] = logged.getvalue()
    # The undo put the repository's own file back, from the repository's own history.
    assert (clone / "deploy/values.yaml").read_text() == OWN_VALUES
    assert not (clone / "deploy/Chart.yaml").exists()

    assert any(place.startswith("workspace adoption/deploy/values.yaml") for place in stored)
    assert any("undo:commit" in text for text in stored.values())
    shapes = (CANARY, CANARY[::-1], base64.b64encode(CANARY.encode()).decode().rstrip("="))
    assert [place for place, text in {**seen, **stored}.items() if any(shape in text for shape in shapes)] == []
