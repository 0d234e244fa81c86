"""Analysis of a location by an analyzer: what its files would register, and whether they are registered."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.store.catalog_bench import PagesReader, component, running

from understage.errors import InputError
from understage.platform.database import Database
from understage.sdk import ExistingFile, Trial

ROOT = "https://example.com/repo"


class Search:
    """Finds two files."""

    def supports(self, url: str) -> bool:
        return url == ROOT

    async def analyze(self, url: str, trial: Trial) -> Sequence[ExistingFile]:
        return [*await trial.register(f"{url}/a.yaml"), *await trial.register(f"{url}/b.yaml")]


async def test_found_files_are_tried_and_not_stored(database: Database, tmp_path: Path) -> None:
    reader = PagesReader()
    reader.pages = {f"{ROOT}/a.yaml": component("a"), f"{ROOT}/b.yaml": component("b")}
    async with running(database, tmp_path, reader=reader, analyzers=[Search()]) as bench:
        await bench.service.create_location("url", f"{ROOT}/a.yaml")
        await bench.settle()
        before = await bench.names()
        body = await bench.service.analyze_location("url", ROOT)
        found = {
            (
                file["location"]["target"],
                file["isRegistered"],
                file["entity"]["kind"],
                file["entity"]["metadata"]["name"],
            )
            for file in body["existingEntityFiles"]
            if file["entity"]["kind"] != "Location"
        }
        assert found == {
            (f"{ROOT}/a.yaml", True, "Component", "a"),
            (f"{ROOT}/b.yaml", False, "Component", "b"),
        }
        assert body["generateEntities"] == []
        await bench.settle()
        assert await bench.names() == before == ["component:default/a"]
        assert (await bench.service.analyze_location("url", "https://github.com/o/r"))["existingEntityFiles"] == []
        reader.pages[f"{ROOT}/b.yaml"] = "kind: ["
        with pytest.raises(InputError, match=r"b\.yaml"):
            await bench.service.analyze_location("url", ROOT)


async def test_a_read_only_catalog_is_analyzed_all_the_same(database: Database, tmp_path: Path) -> None:
    reader = PagesReader()
    reader.pages = {f"{ROOT}/a.yaml": component("a"), f"{ROOT}/b.yaml": component("b")}
    async with running(database, tmp_path, reader=reader, analyzers=[Search()], readonly=True) as bench:
        body = await bench.service.analyze_location("url", ROOT)
        assert {file["isRegistered"] for file in body["existingEntityFiles"]} == {False}
