"""The API entity of the installation's plugins: what is merged, what may be overridden, what a failure leaves."""

import json
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.unit.catalog.discovery_bench import Recorder

from understage.catalog.providers.openapi_merge import merge_documents
from understage.catalog.providers.registry import installed_providers
from understage.config.settings import read_settings
from understage.config.sources import Configuration
from understage.errors import ForeignError, InputError
from understage.model.entity import check_envelope, check_policies
from understage.model.kinds import find_kind
from understage.model.yaml import parse_document
from understage.platform.http import HttpClient
from understage.sdk import ProviderSetup, Schedule
from understage.sdk.testing import FakeReader, FakeScheduler

NAME = "InternalOpenApiDocumentationProvider"
REF = "api:default/internal_backstage_openapi_doc"


def document(path: str, schema: Any = None, **more: Any) -> dict[str, Any]:
    reference = {"$ref": "#/components/schemas/Thing"}
    answer = {"200": {"content": {"application/json": {"schema": reference}}}}
    found: dict[str, Any] = {
        "openapi": "3.1.0",
        "paths": {path: {"get": {"responses": answer}, "summary": "x"}},
        **more,
    }
    return found if schema is None else {**found, "components": {"schemas": {"Thing": schema}}}


class FakePlugins:
    """Documents by plugin id; any other plugin answers 404."""

    def __init__(self, **documents: Any) -> None:
        self.documents = documents

    async def get(self, plugin_id: str, path: str) -> tuple[int, Any]:
        assert path == "/openapi.json"
        found = self.documents.get(plugin_id, (404, None))
        return found if isinstance(found, tuple) else (200, found)


async def connected(plugins: FakePlugins, **settings: Any) -> tuple[FakeScheduler, Recorder]:
    scheduler, connection = FakeScheduler(), Recorder()
    config = {
        "backend": {"baseUrl": "https://portal.example.com"},
        "catalog": {"providers": {"backstageOpenapi": {"plugins": list(plugins.documents), **settings}}},
    }
    [provider] = installed_providers(ProviderSetup(FakeReader(), HttpClient(), scheduler, config, plugins))
    assert provider.name == NAME
    await provider.connect(connection)
    return scheduler, connection


async def test_the_documents_of_all_plugins_become_one_api() -> None:
    plugins = FakePlugins(
        catalog=document("/api/catalog/a", {}), search=document("/api/search/b", {}), absent=(404, None)
    )
    scheduler, connection = await connected(plugins)
    assert {name: schedule for name, (schedule, _) in scheduler.tasks.items()} == {
        f"{NAME}:refresh": Schedule(timedelta(minutes=1), timedelta(minutes=1))
    }
    with capture_logs() as logs:
        await scheduler.run_all()
    entity = connection.entity(REF)
    place = "internal-package:@backstage/plugin-catalog-backend-module-backstage-openapi"
    assert connection.given[REF].location_key == "internal-api-doc"
    assert entity["apiVersion"] == "backstage.io/v1beta1"
    assert entity["metadata"] == {
        "name": "internal_backstage_openapi_doc",
        "title": "Backstage API",
        "annotations": {
            "backstage.io/managed-by-location": place,
            "backstage.io/managed-by-origin-location": place,
        },
    }
    definition = json.loads(entity["spec"].pop("definition"))
    assert entity["spec"] == {"lifecycle": "production", "owner": "backstage", "type": "openapi"}
    assert definition["servers"] == [{"url": "https://portal.example.com"}]
    assert list(definition["paths"]) == ["/api/catalog/a", "/api/search/b"]
    assert [line["plugin"] for line in logs if "has no OpenAPI document" in line["event"]] == ["absent"]


async def test_the_entity_may_be_overridden_but_for_its_definition() -> None:
    overrides = {
        "metadata": {"name": "our-api", "tags": ["internal"]},
        "spec": {"owner": "platform", "definition": "none", "type": "x"},
    }
    scheduler, connection = await connected(
        FakePlugins(catalog=document("/a", {})), entityOverrides=overrides, definitionFormat="yaml"
    )
    await scheduler.run_all()
    entity = connection.entity("api:default/our-api")
    assert (entity["metadata"]["tags"], entity["metadata"]["title"]) == (["internal"], "Backstage API")
    assert (entity["spec"]["owner"], entity["spec"]["type"]) == ("platform", "openapi")
    assert list(parse_document(entity["spec"]["definition"], "definition").value["paths"]) == ["/a"]
    checked = check_policies(check_envelope(entity))
    kind = find_kind(checked)
    assert kind is not None
    assert list(kind.schema.violations(checked)) == []


@pytest.mark.parametrize("trouble", [(500, None), (401, {}), (200, None), (200, []), (200, {"openapi": "3.0.0"})])
async def test_a_failure_leaves_what_was_there(trouble: tuple[int, Any]) -> None:
    plugins = FakePlugins(catalog=document("/a", {}))
    scheduler, connection = await connected(plugins)
    await scheduler.run_all()
    plugins.documents["catalog"] = trouble
    with pytest.raises(ForeignError, match="the plugin catalog answered"):
        await scheduler.run_all()
    assert (list(connection.given), connection.full) == ([REF], 1)


def test_components_of_one_name_are_kept_apart_unless_they_are_the_same() -> None:
    merged = merge_documents(
        "x",
        [
            ("one", document("/1", {"type": "string"})),
            ("two", document("/2", {"type": "object", "properties": {"self": {"$ref": "#/components/schemas/Thing"}}})),
            ("three", document("/3", {"type": "string"})),
        ],
    )
    schemas = merged["components"]["schemas"]
    assert schemas == {
        "Thing": {"type": "string"},
        "Thing1": {"type": "object", "properties": {"self": {"$ref": "#/components/schemas/Thing1"}}},
    }
    references = [
        item["get"]["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        for item in merged["paths"].values()
    ]
    assert references == ["Thing", "Thing1", "Thing"]


def test_operations_are_tagged_and_say_who_may_call_them() -> None:
    first = document("/1", security=[{"bearer": []}])
    first["paths"]["/1"]["post"] = {"tags": ["own"], "security": []}
    merged = merge_documents("x", [("one", first)])
    item = merged["paths"]["/1"]
    assert (item["get"]["tags"], item["get"]["security"]) == (["one"], [{"bearer": []}])
    assert (item["post"]["tags"], item["post"]["security"]) == (["own", "one"], [])
    assert item["summary"] == "x"
    assert "tags" not in first["paths"]["/1"]["get"]


def test_a_path_that_two_plugins_claim_is_refused() -> None:
    with pytest.raises(ForeignError, match="claim the path /1 twice, at last two"):
        merge_documents("x", [("one", document("/1")), ("two", document("/1"))])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, r"backstageOpenapi\.plugins' in .*it is required"),
        ({"plugins": [], "definitionFormat": "x"}, "'json' or 'yaml'"),
    ],
)
def test_wrong_configuration_stops_the_start(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_settings(Configuration({"catalog": {"providers": {"backstageOpenapi": settings}}}))
