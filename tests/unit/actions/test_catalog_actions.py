"""catalog:register, catalog:write, catalog:fetch."""

from pathlib import Path
from typing import Any

import pytest

from understage.errors import ConflictError, InputError, NotFoundError
from understage.sdk import Ports, TemplateInfo
from understage.sdk.testing import Checkpoints, FakeCatalog, fake_ports, run_action
from understage.sdk.yaml import parse_document
from understage_actions.catalog_fetch import fetch
from understage_actions.catalog_register import register
from understage_actions.catalog_write import write

URL = "https://git.org/team/web/src/branch/main/catalog-info.yaml"


def entity(kind: str, name: str) -> dict[str, Any]:
    return {"apiVersion": "backstage.io/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": {}}


def ports(catalog: FakeCatalog) -> Ports:
    return fake_ports(catalog=catalog)


@pytest.mark.parametrize(
    ("found", "ref"),
    [
        ([entity("Location", "generated-1"), entity("API", "a"), entity("Component", "Web")], "component:default/web"),
        ([entity("Location", "generated-1"), entity("API", "a")], "api:default/a"),
        ([entity("Location", "generated-1")], "location:default/generated-1"),
    ],
)
async def test_register_tells_the_entity(tmp_path: Path, found: list[dict[str, Any]], ref: str) -> None:
    catalog = FakeCatalog(reachable={URL: found})
    result = await run_action(register, {"catalogInfoUrl": URL}, workspace=tmp_path, ports=ports(catalog))
    assert result.output == {"catalogInfoUrl": URL, "entityRef": ref}
    assert result.log == [f"Registering {URL} in the catalog"]
    assert catalog.locations == [URL]


async def test_register_by_repository(tmp_path: Path) -> None:
    catalog = FakeCatalog(reachable={"https://git.org/info.yaml": [entity("Component", "web")]})
    result = await run_action(
        register,
        {"repoContentsUrl": "https://git.org/team/web", "catalogInfoPath": "/info.yaml"},
        workspace=tmp_path,
        ports=ports(catalog),
    )
    assert result.output["catalogInfoUrl"] == "https://git.org/info.yaml"


async def test_register_twice_is_a_conflict_but_a_resumed_step_is_not(tmp_path: Path) -> None:
    catalog = FakeCatalog(reachable={URL: [entity("Component", "web")]})
    checkpoints = Checkpoints()
    for _ in range(2):
        await run_action(
            register, {"catalogInfoUrl": URL}, workspace=tmp_path, ports=ports(catalog), checkpoints=checkpoints
        )
    del checkpoints.values["register"]  # the service died between the effect and its checkpoint
    await run_action(
        register, {"catalogInfoUrl": URL}, workspace=tmp_path, ports=ports(catalog), checkpoints=checkpoints
    )
    with pytest.raises(ConflictError, match="already exists"):
        await run_action(register, {"catalogInfoUrl": URL}, workspace=tmp_path, ports=ports(catalog))
    assert catalog.locations == [URL]


async def test_optional_swallows_failures(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no matching files"):
        await run_action(register, {"catalogInfoUrl": URL}, workspace=tmp_path, ports=ports(FakeCatalog()))
    result = await run_action(
        register, {"catalogInfoUrl": URL, "optional": True}, workspace=tmp_path, ports=ports(FakeCatalog())
    )
    assert result.output == {"catalogInfoUrl": URL}
    assert [line.level for line in result.lines] == ["info", "warn"]


async def test_register_needs_a_url(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="catalogInfoUrl or repoContentsUrl is needed"):
        await run_action(register, {}, workspace=tmp_path)
    assert register.input_schema()["anyOf"] == [{"required": ["catalogInfoUrl"]}, {"required": ["repoContentsUrl"]}]


async def test_write(tmp_path: Path) -> None:
    given = {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Component",
        "metadata": {"name": "on", "annotations": {"a": "b"}},
    }
    template = TemplateInfo("template:default/service")
    result = await run_action(
        write, {"entity": given, "filePath": "a/info.yaml"}, workspace=tmp_path, template=template, dry_run=True
    )
    written = parse_document((tmp_path / "a" / "info.yaml").read_bytes(), "info.yaml").value
    assert written["metadata"] == {
        "name": "on", "annotations": {"a": "b", "backstage.io/source-template": "template:default/service"}
    }  # fmt: skip
    assert result.log == ["Writing a/info.yaml"]
    await run_action(write, {"entity": given}, workspace=tmp_path)
    assert "source-template" not in (tmp_path / "catalog-info.yaml").read_text()


async def test_written_text_stays_one_scalar(tmp_path: Path) -> None:
    hostile = "x\nspec:\n  owner: me # {{ x }}"
    await run_action(write, {"entity": {"kind": "X", "description": hostile, "012": "yes"}}, workspace=tmp_path)
    written = parse_document((tmp_path / "catalog-info.yaml").read_bytes(), "catalog-info.yaml").value
    assert written == {"kind": "X", "description": hostile, "012": "yes"}


async def test_fetch(tmp_path: Path) -> None:
    web = entity("Component", "web")
    catalog = ports(FakeCatalog([web]))
    one = await run_action(fetch, {"entityRef": "component:default/Web"}, workspace=tmp_path, ports=catalog)
    assert one.output == {"entity": web}
    several = {"entityRefs": ["web", "absent"], "defaultKind": "Component", "optional": True}
    assert (await run_action(fetch, several, workspace=tmp_path, ports=catalog)).output == {"entities": [web, None]}
    absent = {"entityRef": "component:default/absent"}
    assert (await run_action(fetch, {**absent, "optional": True}, workspace=tmp_path, ports=catalog)).output == {
        "entity": None
    }
    with pytest.raises(NotFoundError, match="Entity component:default/absent not found"):
        await run_action(fetch, absent, workspace=tmp_path, ports=catalog)
    with pytest.raises(InputError, match="Missing entity reference or references"):
        await run_action(fetch, {}, workspace=tmp_path, ports=catalog)
    with pytest.raises(InputError, match="kind"):
        await run_action(fetch, {"entityRef": "web"}, workspace=tmp_path, ports=catalog)


async def test_a_dry_run_registers_nothing_and_tells_the_entity_if_there_is_one(tmp_path: Path) -> None:
    catalog = FakeCatalog(reachable={URL: [{"kind": "Component", "metadata": {"name": "web"}}]})
    result = await run_action(register, {"catalogInfoUrl": URL}, workspace=tmp_path, ports=ports(catalog), dry_run=True)
    assert result.output == {"catalogInfoUrl": URL, "entityRef": "component:default/web"}
    assert (result.log, catalog.locations) == ([f"Would register {URL} in the catalog"], [])
    # The file of a repository that the same task would publish.
    result = await run_action(
        register, {"catalogInfoUrl": URL}, workspace=tmp_path, ports=ports(FakeCatalog()), dry_run=True
    )
    assert result.output["catalogInfoUrl"] == URL
    assert result.log[1].startswith("It cannot be read yet: ")
