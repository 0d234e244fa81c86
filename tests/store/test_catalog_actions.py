"""The catalog's actions over a running engine: permissions are the caller's, and changes are audited."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.store.catalog_bench import Bench, PagesReader, component, running
from tests.store.catalog_web import Policy

from understage.catalog.access import Access
from understage.catalog.api.actions import create_catalog_actions
from understage.config.backend_settings import BackendActions
from understage.errors import ConflictError, InputError, NotAllowedError, NotFoundError
from understage.identity.actions import ActionsRegistry
from understage.identity.audit import Auditor
from understage.identity.credentials import Credentials
from understage.identity.permissions import Conditional, parse_criteria
from understage.platform.database import Database

TARGET = "https://example.com/repo/Shop.yaml"
VALID = component("fine")


@dataclass
class Actions:
    bench: Bench
    registry: ActionsRegistry
    policy: Policy

    async def __call__(self, name: str, input: Any) -> Any:
        caller = Credentials.user("user:default/ada", "token")
        return await self.registry.invoke(f"catalog:{name}", input, None, caller)


@pytest.fixture
async def actions(database: Database, tmp_path: Path) -> AsyncIterator[Actions]:
    documents = [
        component("one"),
        component("two").replace("name: two", "name: two\n  namespace: other"),
        component("two"),
    ]
    (tmp_path / "all.yaml").write_text("\n---\n".join(documents))
    policy, reader = Policy(), PagesReader()
    reader.pages[TARGET] = component("bought")
    locations = [{"type": "file", "target": "all.yaml"}]
    async with running(database, tmp_path, locations=locations, reader=reader) as bench:
        registry = ActionsRegistry("catalog", BackendActions(), policy)
        registry.register(*create_catalog_actions(database, Access(policy), bench.service, Auditor("catalog")))
        yield Actions(bench, registry, policy)


async def test_an_entity_is_found_by_its_name(actions: Actions) -> None:
    entity = await actions("get-catalog-entity", {"name": "ONE"})
    assert entity["metadata"]["name"] == "one"
    assert entity["relations"][0]["type"] == "ownedBy"
    other = await actions("get-catalog-entity", {"name": "two", "namespace": "Other"})
    assert other["metadata"]["namespace"] == "other"
    with pytest.raises(ConflictError) as caught:
        await actions("get-catalog-entity", {"name": "two"})
    assert caught.value.message.startswith(
        'Multiple entities found with name "two", please provide more specific filters. Entities found: "component:'
    )


async def test_pages_follow_each_other(actions: Actions) -> None:
    asked = {"query": {"kind": "component"}, "orderFields": {"field": "metadata.name", "order": "asc"}, "limit": "2"}
    first = await actions("query-catalog-entities", {**asked, "fields": ["metadata.name"]})
    assert first["items"] == [{"metadata": {"name": "one"}}, {"metadata": {"name": "two"}}]
    assert (first["totalItems"], first["hasMoreEntities"]) == (3, True)
    second = await actions("query-catalog-entities", {"cursor": first["nextPageCursor"], "fields": ["metadata.name"]})
    assert second == {"items": [{"metadata": {"name": "two"}}], "totalItems": 3, "hasMoreEntities": False}


async def test_a_file_is_registered_and_unregistered(actions: Actions) -> None:
    with capture_logs() as logs:
        location_id = (await actions("register-entity", {"locationUrl": TARGET}))["locationId"]
        await actions.bench.settle()
        assert "component:default/bought" in await actions.bench.names()
        assert await actions("unregister-entity", {"type": {"locationId": location_id}}) == {}
    assert "component:default/bought" not in await actions.bench.names()
    audited = [(line["status"], line["meta"]["actionType"]) for line in logs if line.get("isAuditEvent")]
    assert audited == [
        ("initiated", "create"),
        ("succeeded", "create"),
        ("initiated", "delete"),
        ("succeeded", "delete"),
    ]


async def test_a_refresh_reads_again(actions: Actions) -> None:
    actions.bench.write("all.yaml", component("one", type="changed"))
    ref = await actions("refresh-catalog-entity", {"name": "one"})
    assert ref == {"entityRef": "component:default/one"}
    await actions.bench.settle()
    assert (await actions.bench.entity("component:default/one"))["spec"]["type"] == "changed"


async def test_validation_never_fails(actions: Actions) -> None:
    good = await actions("validate-entity", {"entity": VALID})
    assert (good["isValid"], good["isValidYaml"], good["errors"]) == (True, True, [])
    assert good["entity"]["metadata"] == {"name": "fine"}
    assert (await actions("validate-entity", {"entity": "a: ["}))["isValidYaml"] is False
    actions.policy.decision = "DENY"
    denied = await actions("validate-entity", {"entity": VALID})
    assert denied == {"isValid": False, "isValidYaml": False, "errors": ["Validation error: "]}


async def test_the_model_is_described(actions: Actions) -> None:
    text = (await actions("get-catalog-model-description", {}))["description"]
    for part in (
        "## Kind Component",
        "`spec.owner`: string, required, makes the relation `ownedBy`",
        "backstage.io/orphan",
    ):
        assert part in text


async def test_who_may_read_nothing_finds_and_changes_nothing(actions: Actions) -> None:
    actions.policy.decision = "DENY"
    with pytest.raises(InputError, match="No entity found"):
        await actions("get-catalog-entity", {"name": "one"})
    with pytest.raises(InputError, match="No entity found"):
        await actions("refresh-catalog-entity", {"name": "one"})
    page = await actions("query-catalog-entities", {})
    assert page == {"items": [], "totalItems": 0, "hasMoreEntities": False}
    with pytest.raises(NotAllowedError):
        await actions("register-entity", {"locationUrl": TARGET})
    with pytest.raises(NotAllowedError):
        await actions("unregister-entity", {"type": {"locationId": "11111111-2222-4333-8444-555555555555"}})
    with pytest.raises(NotFoundError, match="not found"):
        await actions("unregister-entity", {"type": {"locationUrl": TARGET}})
    assert "component:default/one" in await actions.bench.names()


async def test_conditions_hold_for_actions_too(actions: Actions) -> None:
    rule = {"rule": "HAS_METADATA", "resourceType": "catalog-entity", "params": {"key": "namespace", "value": "other"}}
    actions.policy.decision = Conditional("catalog", "catalog-entity", parse_criteria(rule))
    assert (await actions("get-catalog-entity", {"name": "two"}))["metadata"]["namespace"] == "other"
    with pytest.raises(InputError, match="No entity found"):
        await actions("get-catalog-entity", {"name": "one"})
    assert (await actions("query-catalog-entities", {"limit": 10}))["totalItems"] == 1
