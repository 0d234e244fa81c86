"""What third-party processors can do, and what they cannot break."""

import asyncio
from pathlib import Path

import pytest
from tests.store.catalog_bench import PagesReader, component, location, running

from understage.catalog.processors.registry import create_processors, installed_processors
from understage.config.catalog_settings import ProcessorOptions
from understage.platform.database import Database
from understage.sdk import Entity, LocationRef, ProcessingContext, Processor, ProcessorSetup
from understage.sdk.reader import SearchResult

ALL = {"type": "file", "target": "*.yaml"}


class Labelling(Processor):
    """Adds a label before the rules, and remembers how often it saw an entity."""

    async def pre_process(self, entity: Entity, context: ProcessingContext) -> Entity:
        seen = (context.cache.get("seen") or 0) + 1
        context.cache.set("seen", seen)
        labels = {**entity["metadata"].get("labels", {}), "seen": str(seen)}
        return {**entity, "metadata": {**entity["metadata"], "labels": labels}}


class Failing(Processor):
    """Breaks on one entity."""

    async def post_process(self, entity: Entity, context: ProcessingContext) -> Entity:
        if entity["metadata"]["name"] == "unlucky":
            raise KeyError("missing")
        return entity


class Inventing(Processor):
    """Reads a location type of its own."""

    async def read_location(self, location: LocationRef, *, optional: bool, context: ProcessingContext) -> bool:
        if location.type != "invent":
            return False
        entity = {
            "apiVersion": "backstage.io/v1alpha1",
            "kind": "Component",
            "metadata": {"name": location.target},
            "spec": {"type": "service", "lifecycle": "x", "owner": "o"},
        }
        context.emit.entity(entity, location)
        context.emit.entity({"kind": "Nothing"}, location)
        return True


async def test_a_processor_changes_entities_and_keeps_a_cache(database: Database, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(component("one"))
    processors = [*installed_processors(), Labelling]
    async with running(database, tmp_path, locations=[ALL], processors=processors) as bench:
        assert (await bench.entity("component:default/one"))["metadata"]["labels"] == {"seen": "1"}
        await bench.refresh_all()
        assert (await bench.entity("component:default/one"))["metadata"]["labels"] == {"seen": "2"}


async def test_an_unexpected_failure_stays_with_its_entity(database: Database, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(component("unlucky") + "\n---\n" + component("fine"))
    async with running(database, tmp_path, locations=[ALL]) as bench:
        before = await bench.entity("component:default/unlucky")
    processors = [*installed_processors(), Failing]
    async with running(database, tmp_path, locations=[ALL], processors=processors) as bench:
        await bench.refresh_all()
        assert await bench.errors("component:default/unlucky") == [
            "InputError: Processor Failing threw an error while postprocessing; caused by KeyError: 'missing', "
            f"at file:{tmp_path}/a.yaml:1:1"
        ]
        assert (await bench.entity("component:default/unlucky"))["spec"] == before["spec"]
        assert await bench.errors("component:default/fine") == []


async def test_a_processor_may_read_places_of_its_own_type(database: Database, tmp_path: Path) -> None:
    processors = [*installed_processors(), Inventing]
    here = {"type": "invent", "target": "gadget"}
    async with running(database, tmp_path, locations=[here], processors=processors) as bench:
        # One bad child is an error of the location, and holds up its siblings.
        [(ref, entity)] = (await bench.entities()).items()
        assert ref.startswith("location:default/generated-")
        assert entity["status"]["items"][0]["message"].startswith("TypeError: <root> must have required property")


async def test_a_place_that_nobody_can_read_is_named(sqlite_database: Database, tmp_path: Path) -> None:
    async with running(sqlite_database, tmp_path, locations=[{"type": "unheard", "target": "x"}]) as bench:
        [ref] = await bench.entities()
        assert await bench.errors(ref) == ["InputError: No processor was able to handle reading of unheard:x"]


async def test_relative_targets_are_read_beside_the_file_that_names_them(database: Database, tmp_path: Path) -> None:
    async with running(database, tmp_path) as bench:
        bench.reader.pages["https://example.com/repo/a.yaml"] = location("top", "./deep/b.yaml", "../other.yaml")
        bench.reader.pages["https://example.com/repo/deep/b.yaml"] = location("deep", "c.yaml")
        bench.reader.pages["https://example.com/repo/deep/c.yaml"] = component("far")
        bench.reader.pages["https://example.com/other.yaml"] = component("near")
        await bench.service.create_location("url", "https://example.com/repo/a.yaml")
        await bench.settle()
        read = {
            name: (await bench.entity(f"component:default/{name}"))["metadata"]["annotations"][
                "backstage.io/managed-by-location"
            ]
            for name in ("far", "near")
        }
        assert read == {
            "far": "url:https://example.com/repo/deep/c.yaml",
            "near": "url:https://example.com/other.yaml",
        }


async def test_a_url_location_cannot_name_files(database: Database, tmp_path: Path) -> None:
    async with running(database, tmp_path) as bench:
        bench.reader.pages["https://example.com/a.yaml"] = location("top", "/etc/passwd", type="file")
        await bench.service.create_location("url", "https://example.com/a.yaml")
        await bench.settle()
        assert await bench.errors("location:default/top") == [
            'InputError: Registered locations must be of an allowed type ["url"], at url:https://example.com/a.yaml:7:9'
        ]


class SlowReader(PagesReader):
    """Answers for one page only when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.answer = asyncio.Event()

    async def search(self, url: str, *, etag: str | None = None) -> SearchResult:
        if url.endswith("slow.yaml"):
            await self.answer.wait()
        return await super().search(url, etag=etag)


async def test_a_slow_place_does_not_hold_up_the_others(database: Database, tmp_path: Path) -> None:
    reader = SlowReader()
    reader.pages["https://example.com/slow.yaml"] = component("slow")
    reader.pages["https://example.com/fast.yaml"] = component("fast")
    async with running(database, tmp_path, reader=reader) as bench:
        await bench.service.create_location("url", "https://example.com/slow.yaml")
        await bench.service.create_location("url", "https://example.com/fast.yaml")
        async with asyncio.timeout(5):
            while await bench.names() != ["component:default/fast"]:
                await asyncio.sleep(0.05)
        assert not await bench.engine.is_idle()
        reader.answer.set()
        await bench.settle()
        assert await bench.names() == ["component:default/fast", "component:default/slow"]


def test_processors_run_in_the_stock_order_unless_configured() -> None:
    setup = ProcessorSetup(PagesReader())
    classes = [Labelling, *installed_processors()]
    names = [processor.registered_name() for processor in create_processors(classes, setup)]
    assert names == [
        "PlaceholderProcessor",
        "BuiltinKindsEntityProcessor",
        "FileReaderProcessor",
        "url-reader",
        "AnnotateLocationEntityProcessor",
        "CostAnnotationProcessor",
        "Labelling",
        "ScaffolderEntitiesProcessor",
    ]
    options = {
        "Labelling": ProcessorOptions(priority=1),
        "PlaceholderProcessor": ProcessorOptions(disabled=True),
    }
    names = [item.registered_name() for item in create_processors(classes, setup, options=options)]
    assert names[0] == "Labelling"
    assert "PlaceholderProcessor" not in names
    names = [item.registered_name() for item in create_processors(classes, setup, disable_defaults=True)]
    assert names == [
        "PlaceholderProcessor",
        "BuiltinKindsEntityProcessor",
        "CostAnnotationProcessor",
        "Labelling",
        "ScaffolderEntitiesProcessor",
    ]


@pytest.mark.parametrize(
    "target", ["sub/**/*.yml", "sub/[ab].yml", "sub/?.yml", "sub/{a,b}.yml", "{sub/{a,b},nowhere}.yml"]
)
async def test_globs_name_many_files(sqlite_database: Database, tmp_path: Path, target: str) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.yml").write_text(component("a"))
    (tmp_path / "sub" / "b.yml").write_text(component("b"))
    (tmp_path / "other.yml").write_text(component("other"))
    async with running(sqlite_database, tmp_path, locations=[{"type": "file", "target": target}]) as bench:
        assert await bench.names() == ["component:default/a", "component:default/b"]
        annotations = (await bench.entity("component:default/a"))["metadata"]["annotations"]
        assert annotations["backstage.io/managed-by-location"] == f"file:{tmp_path}/sub/a.yml"
        assert annotations["backstage.io/managed-by-origin-location"] == f"file:{tmp_path}/{target}"
