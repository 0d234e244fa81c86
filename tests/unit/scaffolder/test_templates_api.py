"""The routes about templates and actions, through a real plugin edge."""

import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from tests.store.scaffolder_bench import Permissions
from tests.unit.scaffolder.road import ANNA, build, template

from understage.identity.audit import Auditor
from understage.identity.credentials import Credentials
from understage.identity.permissions import Conditional, Not, Rule
from understage.platform.plugin import create_plugin
from understage.scaffolder.api.dry_run import create_dry_run_router
from understage.scaffolder.api.templates import create_template_router

SAY = {"id": "say", "action": "test:say", "input": {"message": "hello ${{ parameters.name }}"}}
PAGE = {"title": "About", "required": ["name"], "properties": {"name": {"type": "string", "pattern": "^[a-z]+$"}}}
SECRET_PAGE = {"properties": {"x": {"type": "string"}}, "backstage:permissions": {"tags": ["secret"]}}


@asynccontextmanager
async def client(
    folder: Path,
    *templates: dict[str, Any],
    permissions: Permissions | None = None,
    settings: Mapping[str, Any] | None = None,
) -> AsyncIterator[httpx.AsyncClient]:
    assembly = build(folder, *templates, permissions=permissions, settings=settings)
    auditor = Auditor("scaffolder")

    async def authenticate(_request: Any) -> Credentials:
        return ANNA

    routers = [create_template_router(assembly, auditor), create_dry_run_router(assembly.dry_run, auditor)]
    app = create_plugin("scaffolder", routers, authenticate=authenticate)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as http:
        yield http


async def test_the_form_is_described_page_by_page(tmp_path: Path) -> None:
    page = {**PAGE, "description": "Who", "ui:order": ["name"]}
    spec = {"parameters": [page, SECRET_PAGE], "presentation": {"buttonLabels": {"createButtonText": "Go"}}}
    decorators = [{"id": "addAuthor"}]
    entity = template(SAY, **spec, EXPERIMENTAL_formDecorators=decorators)
    async with client(tmp_path, entity) as http:
        answer = await http.get("/v2/templates/default/Template/demo/parameter-schema")
    assert answer.status_code == 200
    assert answer.json() == {
        "title": "Demo",
        "presentation": {"buttonLabels": {"createButtonText": "Go"}},
        "description": "For tests",
        "steps": [
            {"title": "About", "description": "Who", "schema": page},
            {"title": "Please enter the following information", "schema": SECRET_PAGE},
        ],
        "formDecorators": decorators,
    }


async def test_a_template_without_parameters_has_no_pages(tmp_path: Path) -> None:
    async with client(tmp_path, template(SAY)) as http:
        answer = await http.get("/v2/templates/default/template/demo/parameter-schema")
    assert answer.json()["steps"] == []


async def test_what_is_no_template_is_refused(tmp_path: Path) -> None:
    old = {**template(SAY, name="old"), "apiVersion": "scaffolder.backstage.io/v1beta2"}
    async with client(tmp_path, old) as http:
        for path, status, message in (
            ("default/component/demo", 400, "Invalid kind, only 'Template' kind is supported"),
            ("default/template/missing", 404, "Template template:default/missing not found"),
            (
                "default/template/old",
                400,
                "Unsupported apiVersion field in schema entity, scaffolder.backstage.io/v1beta2",
            ),
        ):
            answer = await http.get(f"/v2/templates/{path}/parameter-schema")
            assert (answer.status_code, answer.json()["error"]["message"]) == (status, message)
        answer = await http.get("/v2/templates/default/template/old/parameter-schema?foo=1")
        assert answer.json()["error"]["message"] == "Unknown query parameter 'foo'"


async def test_pages_that_the_caller_may_not_see_are_left_out(tmp_path: Path) -> None:
    entity = template(SAY, parameters=[PAGE, SECRET_PAGE])
    rule = Rule("HAS_TAG", "scaffolder-template", {"tag": "secret"})
    only_open = Conditional("scaffolder", "scaffolder-template", Not(rule))
    for decision, count in ((only_open, 1), ("DENY", 0), ("ALLOW", 2)):
        permissions = Permissions({"scaffolder.template.parameter.read": decision})  # type: ignore[dict-item] # literals
        async with client(tmp_path, entity, permissions=permissions) as http:
            answer = await http.get("/v2/templates/default/template/demo/parameter-schema")
        assert (answer.status_code, len(answer.json()["steps"])) == (200, count)


async def test_actions_are_listed_with_schemas(tmp_path: Path) -> None:
    async with client(tmp_path) as http:
        actions = (await http.get("/v2/actions")).json()
    assert [action["id"] for action in actions] == sorted(action["id"] for action in actions)
    say = next(action for action in actions if action["id"] == "test:say")
    assert say["description"] == "Says something"
    assert say["schema"]["input"]["required"] == ["message"]
    assert say["schema"]["input"]["additionalProperties"] is False
    assert say["schema"]["output"]["properties"] == {"said": {"type": "string"}}


async def test_the_four_filters_of_backstage_are_listed(tmp_path: Path) -> None:
    async with client(tmp_path) as http:
        listed = (await http.get("/v2/templating-extensions")).json()
    assert list(listed["filters"]) == ["parseRepoUrl", "parseEntityRef", "pick", "projectSlug"]
    assert listed["globals"] == {"functions": {}, "values": {}}


async def test_autocomplete_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    async with client(tmp_path) as http:
        for body, message in (
            ({"token": "t", "context": {}}, "Unsupported provider: github"),
            ({"token": "", "context": {}}, "Missing token query parameter"),
        ):
            answer = await http.post("/v2/autocomplete/github/owners", json=body)
            assert (answer.status_code, answer.json()["error"]["message"]) == (400, message)


def dry(entity: Any, **body: Any) -> dict[str, Any]:
    return {"template": entity, "values": {}, "directoryContents": [], **body}


async def test_a_dry_run_shows_log_files_and_output(tmp_path: Path) -> None:
    hidden = {"id": "tell", "name": "Tell", "action": "test:secret"}
    entity = template({"action": "test:say", "input": SAY["input"]}, hidden, output={"x": "${{ steps.tell.output }}"})
    async with client(tmp_path) as http:
        answer = await http.post("/v2/dry-run", json=dry(entity, values={"name": "ada"}))
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["log"] == [
        {"body": {"message": "Starting up task with 3 steps"}},
        {"body": {"message": "Beginning step test:say", "stepId": "step-1", "status": "processing"}},
        {
            "body": {
                "message": "\x1b[32minfo\x1b[39m: Running test:say in dry-run mode with inputs (secrets redacted): "
                '{\n  "message": "hello ada"\n}',
                "stepId": "step-1",
            }
        },
        {"body": {"message": "\x1b[32minfo\x1b[39m: hello ada", "stepId": "step-1"}},
        {"body": {"message": "Finished step test:say", "stepId": "step-1", "status": "completed"}},
        {"body": {"message": "Beginning step Tell", "stepId": "tell", "status": "processing"}},
        {
            "body": {
                "message": "\x1b[32minfo\x1b[39m: Running test:secret in dry-run mode with inputs (secrets redacted): {}",
                "stepId": "tell",
            }
        },
        {
            "body": {
                "message": "Skipping because test:secret does not support dry-run",
                "stepId": "tell",
                "status": "skipped",
            }
        },
    ]
    content = base64.b64encode(b"hello ada").decode()
    assert body["directoryContents"] == [{"path": "said.txt", "executable": False, "base64Content": content}]
    assert body["output"] == {"x": {"said": "<example>"}}
    assert [step["id"] for step in body["steps"]] == ["step-1", "tell"]
    assert list((tmp_path / "scaffolder" / "dry-runs").iterdir()) == []


async def test_inputs_of_a_dry_run_hide_secrets(tmp_path: Path) -> None:
    entity = template({"action": "test:fail", "input": {"message": "a ${{ secrets.password }}"}})
    async with client(tmp_path) as http:
        answer = await http.post("/v2/dry-run", json=dry(entity, secrets={"password": "hunter22"}))
    assert "hunter22" not in answer.text
    assert '\\"message\\": \\"a ***\\"' in answer.text


async def test_a_dry_run_sees_no_secret_of_the_server(tmp_path: Path) -> None:
    environment = {"parameters": {"region": "north"}, "secrets": {"token": "environment-9"}}
    message = "${{ environment.parameters.region }}, ${{ environment.secrets.token | default('nothing') }}"
    entity = template({**SAY, "input": {"message": message}}, output={"it": "${{ steps.say.output.said }}"})
    async with client(tmp_path, settings={"defaultEnvironment": environment}) as http:
        answer = await http.post("/v2/dry-run", json=dry(entity))
    assert answer.status_code == 200, answer.text
    assert "environment-9" not in answer.text.lower()
    [file] = answer.json()["directoryContents"]
    assert base64.b64decode(file["base64Content"]) == b"north, nothing"


async def test_a_dry_run_that_fails_answers_with_the_status_of_the_error(tmp_path: Path) -> None:
    async with client(tmp_path) as http:
        answer = await http.post("/v2/dry-run", json=dry(template({"action": "acme:nothing"})))
        assert (answer.status_code, answer.json()["error"]["name"]) == (404, "NotFoundError")
        answer = await http.post("/v2/dry-run", json=dry(template({**SAY, "input": {}})))
        assert (answer.status_code, answer.json()["error"]["name"]) == (400, "InputError")
        answer = await http.post("/v2/dry-run", json=dry(template({**SAY, "input": {"message": "${{ 1 +"}})))
        assert answer.status_code == 400


async def test_a_dry_run_checks_template_values_secrets_and_files(tmp_path: Path) -> None:
    schema = {"type": "object", "required": ["tok"], "properties": {"tok": {"type": "string", "minLength": 3}}}
    entity = template(SAY, parameters=PAGE, secrets={"schema": schema})
    async with client(tmp_path) as http:
        answer = await http.post("/v2/dry-run", json=dry(entity, values={"name": "BIG"}))
        assert answer.status_code == 400
        assert answer.json() == {
            "errors": [
                {
                    "path": ["name"],
                    "property": "instance.name",
                    "message": 'does not match pattern "^[a-z]+$"',
                    "schema": {"type": "string", "pattern": "^[a-z]+$"},
                    "instance": "BIG",
                    "name": "pattern",
                    "argument": "^[a-z]+$",
                    "stack": 'instance.name does not match pattern "^[a-z]+$"',
                }
            ]
        }
        answer = await http.post("/v2/dry-run", json=dry(entity, values={"name": "ada"}, secrets={"tok": "zz"}))
        (error,) = answer.json()["errors"]
        assert error["message"] == "secrets.tok does not meet minimum length of 3"
        assert '"zz"' not in answer.text
        files = [{"path": "../../evil", "base64Content": ""}]
        answer = await http.post("/v2/dry-run", json=dry(template(SAY), directoryContents=files))
        assert (answer.status_code, answer.json()["error"]["name"]) == (403, "NotAllowedError")
        answer = await http.post("/v2/dry-run", json=dry({"kind": "Template"}))
        assert (answer.status_code, answer.json()["error"]["message"]) == (400, "Input template is not a template")
        answer = await http.post("/v2/dry-run", json={"values": {}, "directoryContents": []})
        assert answer.json()["error"]["message"] == "request/body must have required property 'template'"


async def test_a_dry_run_needs_its_permission(tmp_path: Path) -> None:
    permissions = Permissions({"scaffolder.template.dry-run": "DENY"})
    async with client(tmp_path, permissions=permissions) as http:
        answer = await http.post("/v2/dry-run", json=dry(template(SAY)))
    assert (answer.status_code, answer.json()["error"]) == (403, {"name": "NotAllowedError", "message": ""})
