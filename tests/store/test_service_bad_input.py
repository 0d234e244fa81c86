"""Bad input to a whole service: each gets a clear error in the protocol's form, and the service goes on."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.store.service_bench import Entity, ServiceBench, running_service, template

from understage.platform.database import Database

BROKEN = "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: half\n   bad: indent\n"
GADGET = "apiVersion: backstage.io/v1alpha1\nkind: Gadget\nmetadata:\n  name: odd\nspec: {}\n"
START = b'{"templateRef":"template:default/good","values":{"name":"'
NAMESPACE = {"namespace": "shop-dev", "team": "group:default/platform", "environment": "development"}


def step(action: str, **input: Any) -> Entity:
    return {"id": "only", "name": "Only", "action": action, "input": input}


def component(name: str) -> Entity:
    spec = {"type": "service", "lifecycle": "production", "owner": "group:default/platform"}
    return {"apiVersion": "backstage.io/v1alpha1", "kind": "Component", "metadata": {"name": name}, "spec": spec}


FAILING = {
    "unknown-action": (step("no:such"), ["Template action with ID 'no:such' is not registered"]),
    "broken-expression": (step("debug:log", message="${{ foo( }}"), ["input.message", "line 1, column", "${{ foo( }}"]),
    "unknown-filter": (step("debug:log", message="${{ 1 | nosuch }}"), ["input.message", "line 1", '"nosuch"']),
    "wrong-input": (step("debug:wait", seconds="abc"), ["debug:wait", "seconds", "number"]),
    "escape": (step("fetch:plain:file", url="./x", targetPath="../../../etc/x"), ["outside"]),
    "read-out": (step("fetch:plain:file", url="../../../../etc/passwd", targetPath="x"), ["outside"]),
    "delete-out": (step("fs:delete", files=["../../etc/passwd"]), ["outside"]),
    "no-cluster": (
        step("kubernetes:create-namespace", **NAMESPACE, cluster="away"),
        ["Cluster 'away' at https://127.0.0.1:", "does not answer", "Check that it runs", "kubernetes.clusterLocatorMeth"],
    ),
    "no-argocd": (
        step("argocd:sync", name="shop", team="platform"),
        ["Argo CD 'away' at http://127.0.0.1:", "does not answer", "Check that it runs", "argocd.appLocatorMethods"],
    ),
    "no-forge": (
        step("publish:repository", owner="platform", name="shop"),
        ["The forge 127.0.0.1:", "does not answer", "Check that it runs", "integrations.gitea"],
    ),
}  # fmt: skip


@pytest.fixture
async def bench(database: Database, tmp_path: Path) -> AsyncIterator[ServiceBench]:
    """On both databases, with bad files beside the good one."""
    more, public = tmp_path / "more", tmp_path / "public"
    more.mkdir()
    public.mkdir()
    (more / "broken.yaml").write_text(BROKEN)
    (more / "gadget.yaml").write_text(GADGET)
    wrong = template("wrong", [])
    wrong["spec"]["steps"] = "none"
    (more / "wrong.yaml").write_text(yaml.safe_dump_all([component("beside"), wrong]))
    (public / "broken.yaml").write_text(BROKEN)
    (public / "gadget.yaml").write_text(GADGET)
    (public / "wrong.yaml").write_text(yaml.safe_dump(wrong))
    (public / "deep.yaml").write_text("a: " + "[" * 20_000)
    templates = [template(name, [wanted]) for name, (wanted, _) in FAILING.items()]
    async with running_service(tmp_path, [component("fine"), *templates], database=database) as running:
        yield running
        await running.assert_works()


def assert_error(answer: Any, status: int, name: str, *parts: str) -> None:
    """The stock envelope with a message that has these parts."""
    body = answer.json()
    assert answer.status_code == status, body
    assert body["response"] == {"statusCode": status}
    assert set(body["request"]) == {"method", "url"}
    assert body["error"]["name"] == name
    for part in parts:
        assert part in body["error"]["message"]


async def problems_of(bench: ServiceBench, file: str) -> str:
    """What the status of the location of a file says."""
    for entity in (await bench.get("/api/catalog/entities", params={"filter": "kind=location"})).json():
        if str(entity["spec"].get("target", "")).endswith(file):
            return "\n".join(item["message"] for item in entity.get("status", {}).get("items", []))
    raise AssertionError(f"no location for {file}")


async def test_bad_files_are_told_with_their_place_and_leave_good_ones(bench: ServiceBench) -> None:
    assert {"component:fine", "component:beside", "template:good"} <= set(await bench.names())
    assert "more/broken.yaml:5:7: mapping values are not allowed" in await problems_of(bench, "broken.yaml")
    assert "gadget:default/odd" in await problems_of(bench, "gadget.yaml")

    (bench.folder / "entities" / "all.yaml").write_text(BROKEN)
    for entity in (await bench.get("/api/catalog/entities?filter=kind=location")).json():
        await bench.post("/api/catalog/refresh", {"entityRef": f"location:default/{entity['metadata']['name']}"})
    await bench.settle()
    assert "all.yaml:5:7" in await problems_of(bench, "all.yaml")
    assert {"component:fine", "component:beside", "template:good"} <= set(await bench.names())


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("broken.yaml", "broken.yaml:5:7: mapping values"),
        ("gadget.yaml", "gadget:default/odd"),
        ("missing.yaml", "missing.yaml"),
        ("deep.yaml", "deep.yaml"),
    ],
)
async def test_the_import_page_is_told_what_is_wrong(bench: ServiceBench, file: str, said: str) -> None:
    target = {"type": "url", "target": f"{bench.files}/{file}"}
    assert_error(await bench.post("/api/catalog/locations?dryRun=true", target), 400, "InputError", said)

    assert (await bench.post("/api/catalog/locations", target)).status_code == 201
    await bench.settle()
    assert said in await problems_of(bench, file)


async def test_zero_bytes_in_a_file_hold_up_nothing_else(bench: ServiceBench) -> None:
    """PostgreSQL has no zero bytes in texts."""
    zero = component("zero")
    zero["metadata"] |= {"title": "a\0b", "description": "a\0b", "annotations": {"example.com/zero": "a\0b"}}
    zero["spec"]["owner"] = "a\0b"
    (bench.folder / "public" / "zero.yaml").write_text(yaml.safe_dump_all([zero, component("neighbour")]))
    target = {"type": "url", "target": f"{bench.files}/zero.yaml"}
    assert (await bench.post("/api/catalog/locations", target)).status_code == 201
    await bench.settle()

    assert "component:neighbour" in await bench.names()


async def test_locations_reach_neither_local_files_nor_other_hosts(bench: ServiceBench) -> None:
    local = {"type": "file", "target": "/etc/passwd"}
    assert_error(await bench.post("/api/catalog/locations", local), 400, "InputError", "allowed type")
    for target in ("http://127.0.0.1:1/x.yaml", "http://169.254.169.254/latest/", "file:///etc/passwd", "::", "\0"):
        answer = await bench.post("/api/catalog/locations?dryRun=true", {"type": "url", "target": target})
        assert answer.status_code == 400, answer.text
        assert "root:" not in answer.text


@pytest.mark.parametrize("name", FAILING)
async def test_a_template_that_fails_says_why(bench: ServiceBench, name: str) -> None:
    task = await bench.run(name)

    assert task.status == "failed"
    for part in FAILING[name][1]:
        assert part in task.error["message"]
    assert "Traceback" not in task.messages


async def test_templates_that_are_wrong_or_missing(bench: ServiceBench) -> None:
    assert_error(await bench.create("none"), 404, "NotFoundError", "template:default/none")
    assert_error(await bench.create("wrong"), 404, "NotFoundError", "template:default/wrong")
    for ref in ("template:../../etc", "component:default/fine", "::", "template:default/a\0b", "x" * 100_000):
        answer = await bench.post("/api/scaffolder/v2/tasks", {"templateRef": ref, "values": {}})
        assert answer.status_code in (400, 404), answer.text
        assert answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("values", "path", "message"),
    [
        ({}, [], 'requires property "name"'),
        ({"name": 3}, ["name"], "is not of a type(s) string"),
        ({"name": "x" * 1_000_000}, ["name"], "does not meet maximum length of 40"),
        ({"name": [[]] * 1000}, ["name"], "is not of a type(s) string"),
    ],
)
async def test_wrong_form_values(bench: ServiceBench, values: Any, path: list[str], message: str) -> None:
    answer = await bench.create("good", values)

    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert (error["path"], error["message"]) == (path, message)


@pytest.mark.parametrize("name", ["\0", "a\0b", "${{ secrets }}", "../../etc", "\u202e", "'; DROP TABLE tasks; --"])
async def test_hostile_values_stay_values(bench: ServiceBench, name: str) -> None:
    task = await bench.run("good", {"name": name})

    assert task.status == "completed"
    assert "Beginning step Say" in task.messages


@pytest.mark.parametrize(
    ("body", "status", "name"),
    [
        (b"{nope", 400, "InputError"),
        (b"[" * 20_000, 400, "InputError"),
        (START + b"x" + b'","a":' + b"[" * 300 + b"]" * 300 + b"}}", 400, "InputError"),
        (b'{"templateRef":"\xff"}', 400, "InputError"),
        (b'"text"', 400, "InputError"),
        (b"", 400, "InputError"),
        (START + b"x" * (11 << 20) + b'"}}', 413, "PayloadTooLargeError"),
    ],
    ids=["syntax", "open", "deep", "utf-8", "text", "empty", "large"],
)  # fmt: skip
async def test_bad_bodies(bench: ServiceBench, body: bytes, status: int, name: str) -> None:
    headers = {"content-type": "application/json"}
    for path in ("/api/scaffolder/v2/tasks", "/api/catalog/locations"):
        answer = await bench.post(path, content=body, headers=headers)
        if path.endswith("tasks"):
            assert_error(answer, status, name)
        else:
            assert answer.status_code in (400, 413), answer.text
            assert answer.json()["error"]["message"]


async def test_deep_values_are_stored_and_answered_up_to_the_limit(bench: ServiceBench) -> None:
    value: Any = "x"
    for _ in range(195):
        value = [value]
    task = await bench.run("good", {"name": "deep", "more": value})
    assert task.status == "completed"
    assert json.dumps(value) in json.dumps(task.row)


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/api/catalog/entities/by-query?nope=1", 400, "Unknown query parameter 'nope'"),
        ("/api/scaffolder/v2/tasks?nope=1", 400, "Unknown query parameter 'nope'"),
        ("/api/catalog/entities/by-query?cursor=zzz", 400, "cursor"),
        ("/api/catalog/entities/by-query?limit=x", 400, "limit"),
        ("/api/scaffolder/v2/tasks/nope", 404, "nope"),
        ("/api/scaffolder/v2/tasks/nope/eventstream", 404, "nope"),
    ],
)
async def test_bad_addresses(bench: ServiceBench, path: str, status: int, said: str) -> None:
    answer = await bench.get(path)
    assert answer.status_code == status, answer.text
    assert said in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "query",
    [
        "/api/scaffolder/v2/tasks/a%00b",
        "/api/catalog/entities/by-name/component/default/a%00b",
        "/api/catalog/entities/by-uid/%00",
        "/api/catalog/locations/%00",
        "/api/catalog/entities?filter=kind%3Da%00b",
        "/api/catalog/entities?filter=%00",
        "/api/catalog/entities/by-query?fullTextFilterTerm=%00",
        "/api/catalog/entities/by-query?orderField=metadata.%00,asc",
        "/api/catalog/entity-facets?facet=%00",
        "/api/scaffolder/v2/tasks?createdBy=%00",
        "/api/scaffolder/v2/tasks?status=%00",
    ],
)
async def test_zero_bytes_in_requests_find_nothing(bench: ServiceBench, query: str) -> None:
    answer = await bench.get(query)
    assert answer.status_code in (200, 400, 404), answer.text


async def test_tokens_that_are_not_ours(bench: ServiceBench) -> None:
    good = bench.client.headers["authorization"]
    expired = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ1c2VyOmRlZmF1bHQvZ3Vlc3QiLCJleHAiOjF9."
    for header in (
        "Bearer x",
        "Bearer a.b.c",
        f"{good[:-6]}AAAAAA",
        "Basic eDp5",
        f"Bearer {expired}",
        "",
        "Bearer \xff",
    ):
        for path in ("/api/catalog/entities", "/api/scaffolder/v2/tasks"):
            answer = await bench.get(path, headers={"authorization": header.encode("latin-1")})
            assert_error(answer, 401, "AuthenticationError")
            assert good[7:] not in answer.text


async def test_a_template_that_fails_validation_is_not_imported(bench: ServiceBench) -> None:
    target = {"type": "url", "target": f"{bench.files}/wrong.yaml"}

    answer = await bench.post("/api/catalog/locations?dryRun=true", target)

    assert_error(answer, 400, "InputError", "steps")
