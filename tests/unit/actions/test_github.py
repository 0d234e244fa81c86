"""The GitHub actions, by the real client over scripted answers: what is sent, as what a plan tells; once; and no token shown."""

import base64
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from nacl.public import PrivateKey, SealedBox
from tests.unit.actions.plans import PUSHED, comparable, planned

from understage.config.integration_settings import GithubIntegration, IntegrationSettings
from understage.errors import ConflictError, InputError, NotAllowedError, NotFoundError, UnderstageError
from understage.integrations.forge_apis import create_forge_apis
from understage.platform.http import HttpClient
from understage.scaffolder.actions import ActionRegistry
from understage.sdk import Action, Ports
from understage.sdk.testing import Checkpoints, FakeCatalog, FakeGit, fake_ports, run_action

API = "https://api.github.com"
TOKEN = "ghp_configured-token"
KEY = PrivateKey.generate()
WEB = "/repos/acme/web"
ACTIONS = [action for action in ActionRegistry.from_entry_points().all() if "github" in action.id]
REPOSITORY = {
    "clone_url": "https://github.com/acme/web.git",
    "html_url": "https://github.com/acme/web",
    "default_branch": "main",
    "permissions": {"push": True},
    "id": 1,
}


@dataclass
class Github:
    """Answers as GitHub does; `exists` says whether acme/web is there. `refusals` come first, by method and path."""

    exists: bool = True
    refusals: dict[str, tuple[int, Any]] = field(default_factory=dict)
    writes: list[tuple[str, str, Any]] = field(default_factory=list)
    headers: list[httpx.Headers] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.headers.append(request.headers)
        path = request.url.path
        asked = f"{request.method} {path}"
        if request.method != "GET":
            body = json.loads(request.content) if request.content else None
            self.writes.append((request.method, f"{API}{path}", body))
        if asked in self.refusals:
            status, answer = self.refusals[asked]
            return httpx.Response(status, json=answer)
        found = self._find(request.method, path)
        return httpx.Response(404, json={"message": "Not Found"}) if found is None else httpx.Response(200, json=found)

    def _find(self, method: str, path: str) -> Any:
        if method == "GET":
            return self._read(path)
        if method == "POST" and path.endswith("/repos"):
            self.exists = True
            return REPOSITORY
        if "/git/" in path:
            return {"sha": "5" * 40}
        if path == f"{WEB}/pulls":
            return {"base": {"ref": "main"}, "html_url": "https://github.com/acme/web/pull/43", "number": 43}
        if path == f"{WEB}/issues":
            return {"html_url": "https://github.com/acme/web/issues/42", "number": 42}
        if path.endswith("/dispatches"):
            return {"workflow_run_id": 5, "run_url": "https://api", "html_url": "https://run"}
        return {}

    def _read(self, path: str) -> Any:
        if path.startswith("/users/"):
            return {"type": "Organization" if path == "/users/acme" else "User", "id": 8}
        if "/teams/" in path:
            return {"id": 9}
        if path.startswith(WEB) and not self.exists:
            return None
        if path == WEB:
            return REPOSITORY
        if path.endswith("/public-key"):
            return {"key": base64.b64encode(bytes(KEY.public_key)).decode(), "key_id": "k1"}
        if path == f"{WEB}/commits":
            return [{"sha": "1" * 40, "commit": {"tree": {"sha": "2" * 40}}}]
        if "/git/trees/" in path:
            return {
                "truncated": False,
                "tree": [{"path": "deploy/old.yaml", "mode": "100644", "type": "blob", "sha": "3"}],
            }
        return (
            [] if path in (f"{WEB}/pulls", f"{WEB}/hooks", f"{WEB}/keys", f"{WEB}/autolinks", f"{WEB}/issues") else None
        )


@dataclass
class Bench:
    """A workspace, GitHub, and git."""

    github: Github
    git: FakeGit
    workspace: Path
    token: str | None = TOKEN

    @property
    def ports(self) -> Ports:
        http = HttpClient(transport=httpx.MockTransport(self.github))
        settings = IntegrationSettings(github=(GithubIntegration(token=self.token),))
        people = [
            {"kind": "Group", "metadata": {"name": "team-a"}},
            {"kind": "User", "metadata": {"name": "ada"}},
        ]
        return fake_ports(apis=create_forge_apis(settings, http), git=self.git, catalog=FakeCatalog(people))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    workspace = tmp_path / "workspace"
    for name, content in {
        "README.md": b"# hi", "service/main.py": b"x", "values/new.yaml": b"a: 1", "values/logo.png": b"\0\1",
    }.items():  # fmt: skip
        (workspace / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace / name).write_bytes(content)
    return Bench(Github(), FakeGit(takes_any=True), workspace)


EXAMPLES = [(action, index) for action in ACTIONS for index in range(len(action.examples))]
Id: Callable[[Any], str] = lambda value: value.id if isinstance(value, Action) else str(value)  # noqa: E731


@pytest.mark.parametrize(("action", "index"), EXAMPLES, ids=Id)
async def test_a_plan_is_what_a_run_does(action: Action[Any, Any], index: int, bench: Bench) -> None:
    bench.github.exists = action.id not in ("publish:github", "github:repo:create")
    input = action.examples[index].input
    plan = await run_action(action, input, workspace=bench.workspace, ports=bench.ports, dry_run=True)
    assert (bench.github.writes, bench.git.commits) == ([], [])
    run = await run_action(action, input, workspace=bench.workspace, ports=bench.ports)
    told, sent = planned(plan.log), bench.github.writes
    # Blobs are asked for in the plan by git's id, which the answers here are not.
    assert [(method, url) for method, url, _ in told] == [(method, url) for method, url, _ in sent]
    for (_, _, expected), (_, _, body) in zip(told, sent, strict=True):
        body = json.loads(json.dumps(body).replace('"' + "5" * 40 + '"', '"(assigned by GitHub)"'))
        expected = json.loads(re.sub(r'"sha": "[0-9a-f]{40}"', '"sha": "(assigned by GitHub)"', json.dumps(expected)))
        body = json.loads(re.sub(r'"sha": "[0-9a-f]{40}"', '"sha": "(assigned by GitHub)"', json.dumps(body)))
        assert comparable(expected, body) == expected
    pushes = [match.groups()[1:] for line in plan.log if (match := PUSHED.fullmatch(line))]
    assert pushes == [(commit.branch, commit.remote_url) for commit in bench.git.commits]
    assert plan.output.keys() == run.output.keys() or action.id == "github:actions:dispatch"


@pytest.mark.parametrize(("action", "index"), EXAMPLES, ids=Id)
async def test_a_step_that_runs_again_sends_nothing_again(action: Action[Any, Any], index: int, bench: Bench) -> None:
    bench.github.exists = action.id not in ("publish:github", "github:repo:create")
    checkpoints = Checkpoints()
    input = action.examples[index].input
    first = await run_action(action, input, workspace=bench.workspace, ports=bench.ports, checkpoints=checkpoints)
    lasting = [write for write in bench.github.writes if "/git/blobs" not in write[1] and "/git/trees" not in write[1]]
    bench.github.writes.clear()
    again = await run_action(action, input, workspace=bench.workspace, ports=bench.ports, checkpoints=checkpoints)
    assert lasting or bench.git.commits
    assert [
        write for write in bench.github.writes if "/git/blobs" not in write[1] and "/git/trees" not in write[1]
    ] == []
    assert again.output == first.output
    assert len(bench.git.commits) <= 1


@pytest.mark.parametrize("action", ACTIONS, ids=Id)
async def test_refusals_say_what_to_do_and_never_the_token(action: Action[Any, Any], bench: Bench) -> None:
    bench.github.exists = action.id not in ("publish:github", "github:repo:create")
    said = {"message": f"Bad credentials for {TOKEN}"}

    def refuse(request: httpx.Request) -> httpx.Response:
        return httpx.Response(401, json=said)

    http = HttpClient(transport=httpx.MockTransport(refuse))
    settings = IntegrationSettings(github=(GithubIntegration(token=TOKEN),))
    ports = fake_ports(apis=create_forge_apis(settings, http), git=bench.git)
    texts: list[str] = []
    try:
        result = await run_action(action, action.examples[0].input, workspace=bench.workspace, ports=ports)
        texts = [line.text for line in result.lines if line.level in ("warn", "error")]
    except UnderstageError as error:
        texts = [error.message]
    assert texts
    assert "Bad credentials" in texts[0]
    assert "Check the credentials under integrations.github" in texts[0]
    assert not any(TOKEN in text for text in texts)


async def test_requests_are_signed_and_secrets_sealed(bench: Bench) -> None:
    action = next(action for action in ACTIONS if action.id == "github:deployKey:create")
    input = {**action.examples[0].input, "privateKey": "-----BEGIN KEY-----", "token": "users-token"}
    result = await run_action(action, input, workspace=bench.workspace, ports=bench.ports)
    assert {headers["authorization"] for headers in bench.github.headers} == {"Bearer users-token"}
    assert bench.github.headers[0]["accept"] == "application/vnd.github+json"
    (_, _, key), (_, url, secret) = bench.github.writes
    assert key == {"title": "push tags", "key": "ssh-ed25519 AAAA… deploy"}
    assert url == f"{API}{WEB}/actions/secrets/PUSH_TAGS_PRIVATE_KEY"
    assert SealedBox(KEY).decrypt(base64.b64decode(secret["encrypted_value"])) == b"-----BEGIN KEY-----"
    assert result.output == {"privateKeySecretName": "PUSH_TAGS_PRIVATE_KEY"}


@pytest.mark.parametrize(
    ("input", "token", "error", "text"),
    [
        ({"repoUrl": "github.com?repo=web"}, TOKEN, InputError, "Invalid repository owner provided in repoUrl"),
        ({"repoUrl": "gitlab.com?repo=web&owner=acme"}, TOKEN, InputError, "No integration for host gitlab.com"),
        ({"repoUrl": "github.com?repo=web&owner=acme"}, None, InputError, "No token available for host: github.com"),
        (
            {"repoUrl": "github.com?repo=web&owner=acme", "sourcePath": ".."},
            TOKEN,
            NotAllowedError,
            "outside its parent",
        ),
    ],
)
async def test_publish_refuses(
    input: dict[str, Any], token: str | None, error: type[Exception], text: str, bench: Bench
) -> None:
    action = next(action for action in ACTIONS if action.id == "publish:github")
    bench.token = token
    with pytest.raises(error, match=text):
        await run_action(action, input, workspace=bench.workspace, ports=bench.ports)
    assert bench.github.writes == []


async def test_a_repository_of_somebody_else_is_never_taken_over(bench: Bench) -> None:
    action = next(action for action in ACTIONS if action.id == "publish:github")
    checkpoints = Checkpoints()
    for _ in range(2):
        with pytest.raises(ConflictError, match="Failed to create the Organization repository acme/web, it exists"):
            await run_action(
                action, action.examples[0].input, workspace=bench.workspace, ports=bench.ports, checkpoints=checkpoints
            )
    assert (bench.github.writes, bench.git.commits) == ([], [])


async def test_a_missing_team_and_a_branch_unknown_for_good_are_told(bench: Bench) -> None:
    publish = next(action for action in ACTIONS if action.id == "publish:github")
    bench.github.exists = False
    bench.github.refusals["GET /orgs/acme/teams/nobody"] = (404, {"message": "Not Found"})
    with pytest.raises(NotFoundError, match="team: nobody was not found"):
        await run_action(
            publish,
            {**publish.examples[0].input, "access": "acme/nobody"},
            workspace=bench.workspace,
            ports=bench.ports,
        )
    bench.github.refusals[f"PUT {WEB}/branches/main/protection"] = (404, {"message": "Branch not found"})
    result = await run_action(publish, publish.examples[0].input, workspace=bench.workspace, ports=bench.ports)
    assert any("Skipping: default branch protection on 'web', Branch not found" in line for line in result.log)


async def test_an_open_pull_request_is_updated_only_when_asked(bench: Bench) -> None:
    action = next(action for action in ACTIONS if action.id == "publish:github:pull-request")
    bench.github.refusals[f"GET {WEB}/pulls"] = (200, [{"number": 7, "html_url": "https://github.com/acme/web/pull/7"}])
    with pytest.raises(ConflictError, match=r"already exists: https://github\.com/acme/web/pull/7"):
        await run_action(action, action.examples[0].input, workspace=bench.workspace, ports=bench.ports)
    bench.github.refusals[f"PATCH {WEB}/pulls/7"] = (
        200, {"base": {"ref": "main"}, "html_url": "https://github.com/acme/web/pull/7", "number": 7},
    )  # fmt: skip
    input = {**action.examples[0].input, "update": True}
    result = await run_action(action, input, workspace=bench.workspace, ports=bench.ports)
    assert result.output["pullRequestNumber"] == 7


async def test_a_fork_that_has_another_name_takes_the_branch(bench: Bench) -> None:
    action = next(action for action in ACTIONS if action.id == "publish:github:pull-request")
    bench.github.refusals["GET /user"] = (200, {"login": "ada"})
    bench.github.refusals[f"GET {WEB}/forks"] = (200, [{"name": "web-1", "owner": {"login": "ada"}}])
    input = {**action.examples[0].input, "forceFork": True}
    await run_action(action, input, workspace=bench.workspace, ports=bench.ports)
    urls = [url for _, url, _ in bench.github.writes]
    assert f"{API}/repos/ada/web-1/git/refs" in urls
    assert urls[-1] == f"{API}{WEB}/pulls"
    assert bench.github.writes[-1][2]["head"] == "ada:add-docs"


async def test_a_push_that_fails_is_told_and_nothing_else_is_tried(bench: Bench) -> None:
    action = next(action for action in ACTIONS if action.id == "github:repo:push")
    bench.git.takes_any = False
    with pytest.raises(NotFoundError, match=r"git could not read https://github\.com/acme/web\.git"):
        await run_action(action, action.examples[0].input, workspace=bench.workspace, ports=bench.ports)
    assert bench.github.writes == []
