"""Whole lists as the database puts them together: page by page, with conditions, and of nothing."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.store.catalog_bench import component, running
from tests.store.catalog_web import serving

from understage.catalog.api import entities as entities_api
from understage.catalog.predicate import EVERYTHING, NOTHING, Predicate, both, equals
from understage.catalog.store.select_dump import select_dump
from understage.platform.database import Database

LOCATIONS = [{"type": "file", "target": "all.yaml"}]
NAMES = [f"c{number}" for number in range(7)]
EVEN = equals("spec.type", "even")


def page() -> str:
    """Seven components; titles hold what joins JSON texts, and what PostgreSQL escapes."""
    documents = [component(name, type="odd" if number % 2 else "even") for number, name in enumerate(NAMES)]
    return "\n---\n".join(
        document.replace("spec:", '  title: "a,\\"],[\\\\ \\u00e4"\nspec:', 1) for document in documents
    )


async def walked(database: Database, predicate: Predicate, limit: int) -> tuple[list[dict[str, Any]], list[int]]:
    """All entities in the order of their pages, and how many each page had."""
    found: list[dict[str, Any]] = []
    sizes: list[int] = []
    after = ""
    while True:
        async with database.read() as connection:
            dump = await select_dump(connection, predicate, after=after, limit=limit)
        sizes.append(dump.entities)
        if not dump.entities:
            assert (dump.json, dump.last_uid) == ("", after)
            return found, sizes
        part = json.loads(f"[{dump.json}]")
        assert len(part) == dump.entities
        assert part[-1]["metadata"]["uid"] == dump.last_uid
        found += part
        after = dump.last_uid


async def test_pages_follow_each_other_by_uid(database: Database, tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text(page())
    async with running(database, tmp_path, locations=LOCATIONS) as bench:
        kept = await bench.entities()
        kinds = equals("kind", "component")
        for limit, expected in ((3, [3, 3, 1, 0]), (7, [7, 0]), (100, [7, 0])):
            found, sizes = await walked(database, kinds, limit)
            assert sizes == expected
            uids = [entity["metadata"]["uid"] for entity in found]
            assert uids == sorted(uids)
            assert {entity["metadata"]["name"]: entity for entity in found} == {
                entity["metadata"]["name"]: entity for entity in kept.values() if entity["kind"] == "Component"
            }
        found, sizes = await walked(database, both(kinds, EVEN), 3)
        assert sizes == [3, 1, 0]
        assert sorted(entity["metadata"]["name"] for entity in found) == NAMES[::2]
        assert {entity["metadata"]["title"] for entity in found} == {'a,"],[\\ ä'}


@pytest.mark.parametrize("predicate", [EVERYTHING, EVEN, NOTHING])
async def test_nothing_is_an_empty_text(database: Database, predicate: Predicate) -> None:
    assert await walked(database, predicate, 3) == ([], [0])


@pytest.mark.parametrize("limit", [1, 2, 4, 100])
async def test_the_list_is_the_same_in_however_many_pages(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    (tmp_path / "all.yaml").write_text(page())
    async with running(database, tmp_path, locations=LOCATIONS) as bench, serving(bench) as catalog:
        whole, even = await catalog.get("/entities"), await catalog.get("/entities?filter=spec.type=even")
        monkeypatch.setattr(entities_api, "STREAM_PAGE", limit)
        assert await catalog.get("/entities") == whole
        assert await catalog.get("/entities?filter=spec.type=even") == even
        assert await catalog.get("/entities?filter=spec.type=none") == []
        assert sorted(one["metadata"]["name"] for one in even) == NAMES[::2]
