"""The examples shown under /create/actions: each is accepted by its action, and runs."""

from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from understage.integrations.templating import FileTemplating
from understage.sdk import Action, HttpResponse, TemplateInfo
from understage.sdk.testing import FakeCatalog, FakeForge, FakeForges, FakeHttp, FakeReader, fake_ports, run_action
from understage_actions.catalog_fetch import fetch
from understage_actions.catalog_register import register
from understage_actions.catalog_write import write
from understage_actions.debug_log import debug_log
from understage_actions.debug_wait import debug_wait
from understage_actions.fetch_plain import fetch_plain, fetch_plain_file
from understage_actions.fetch_template import fetch_template, fetch_template_file
from understage_actions.fs_delete import delete
from understage_actions.fs_readdir import readdir
from understage_actions.fs_rename import rename
from understage_actions.http_request import backstage_request, request
from understage_actions.notification_send import send
from understage_actions.publish_gitea import publish_gitea
from understage_actions.publish_gitea_pull_request import publish_gitea_pull_request
from understage_actions.publish_repository import publish_repository
from understage_actions.utils_fs_parse import parse
from understage_actions.utils_fs_replace import replace
from understage_actions.utils_fs_write import append
from understage_actions.utils_fs_write import write as write_file
from understage_actions.utils_jsonata import jsonata, transform_json, transform_yaml
from understage_actions.utils_merge import json_merge, merge
from understage_actions.utils_serialize import serialize_json, serialize_yaml
from understage_actions.utils_sleep import sleep
from understage_actions.utils_zip import unzip, zip

ACTIONS: list[Action[Any, Any]] = [
    fetch, register, write, debug_log, debug_wait, fetch_plain, fetch_plain_file, fetch_template, fetch_template_file,
    delete, readdir, rename, publish_gitea, publish_gitea_pull_request, publish_repository,
    request, backstage_request, send, parse, replace, append, write_file, jsonata, transform_json, transform_yaml,
    json_merge, merge, serialize_json, serialize_yaml, sleep, unzip, zip,
]  # fmt: skip
FILES = {
    "https://github.com/acme/skeletons/tree/main/docs/index.md": "# hi",
    "https://github.com/acme/skeletons/blob/main/Dockerfile": "FROM scratch",
}
TEXTS = {
    "settings.yaml": "image: {tag: 1.0.0}\n",
    "several.yaml": "kind: Service\n---\nkind: Deployment # the one\nspec: {replicas: 1}\n",
    "package.json": '{"name": "web"}',
}
PROJECTS = "https://api.example.com/v1/projects"
ANSWER = HttpResponse(200, {"content-type": "application/json"}, b'{"id": 1}')
ANSWERS = {
    ("GET", f"{PROJECTS}?q=ledger"): ANSWER,
    ("POST", PROJECTS): ANSWER,
    ("GET", "proxy/sonar/api/projects"): ANSWER,
    ("POST", "proxy/tickets/api/issues"): ANSWER,
    ("POST", "notifications"): ANSWER,
}
WEB = {"apiVersion": "backstage.io/v1alpha1", "kind": "Component", "metadata": {"name": "web"}, "spec": {}}


@pytest.mark.parametrize(
    ("action", "index"),
    [(action, index) for action in ACTIONS for index in range(len(action.examples))],
    ids=lambda value: value.id if isinstance(value, Action) else str(value),
)
async def test_example_runs(action: Action[Any, Any], index: int, tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    for name in (
        "file1.txt",
        "file2.txt",
        "file3.txt",
        "docs/a.md",
        "service/main.py",
        "values/x.yaml",
        "old.bak",
        *TEXTS,
    ):
        (workspace / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace / name).write_text(TEXTS.get(name, name))
    with ZipFile(workspace / "archive.zip", "w") as archive:
        archive.writestr("a.txt", "a")
    skeleton = tmp_path / "template" / "skeleton"
    skeleton.mkdir(parents=True)
    (skeleton / "README.md").write_text("${{ values.name }}")
    forge = FakeForge(host="gitea.com")
    if action is publish_gitea_pull_request:
        await forge.create_repository("team-a", "web")
        forge.repositories["team-a/web"].branches["main"] = {"deploy/old.yaml": b"x"}
    location = "https://github.com/acme/web/blob/main/catalog-info.yaml"
    catalog = FakeCatalog([WEB], reachable={location: [WEB], "https://github.com/catalog-info.yaml": [WEB]})
    ports = fake_ports(
        reader=FakeReader(FILES),
        forges=FakeForges([forge]),
        catalog=catalog,
        templating=FileTemplating(),
        http=FakeHttp(ANSWERS),
        backstage=FakeHttp(ANSWERS),
    )
    template = TemplateInfo("template:default/x", base_url=(tmp_path / "template" / "template.yaml").as_uri())
    result = await run_action(action, action.examples[index].input, workspace=workspace, ports=ports, template=template)
    declared = (action.output_schema() or {}).get("properties", {})
    assert set(result.output) <= set(declared)


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.id)
def test_every_action_is_described(action: Action[Any, Any]) -> None:
    assert action.examples
    schema = action.input_schema()
    assert schema["additionalProperties"] is False
    assert all("description" in member or member.get("type") == "boolean" for member in schema["properties"].values())
    assert "$ref" not in str(schema)
