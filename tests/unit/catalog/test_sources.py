"""Looking up positions is bounded, whatever entities and places are like."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.store.catalog_bench import PagesReader, component

from understage.catalog.processing import sources as module
from understage.catalog.processing.sources import Sources
from understage.errors import InputError, Place, Position
from understage.model.ref import LocationRef
from understage.model.yaml import parse_document
from understage.sdk.reader import SearchResult

URL = LocationRef("url", "https://example.com/a.yaml")


def entity(name: str) -> dict[str, Any]:
    return {**parse_document(component(name)).value}


class CountingReader(PagesReader):
    """Counts what it is asked; `broken` raises what no reader should."""

    def __init__(self, *, broken: bool = False) -> None:
        super().__init__()
        self.asked = 0
        self._broken = broken

    async def search(self, url: str, *, etag: str | None = None) -> SearchResult:
        self.asked += 1
        if self._broken:
            raise RuntimeError("unexpected")
        return await super().search(url, etag=etag)


async def test_many_entities_of_one_place_ask_it_once() -> None:
    reader = CountingReader()
    reader.pages[URL.target] = "\n---\n".join(component(f"c{number}") for number in range(100))
    sources = Sources(reader)
    found = await asyncio.gather(
        *(sources.position(entity(f"c{number}"), URL, Place(("spec", "type"))) for number in range(100))
    )
    assert [position.line for position in found if position] == [6 + 9 * number for number in range(100)]
    assert reader.asked == 1


@pytest.mark.parametrize("broken", [False, True])
async def test_a_place_that_does_not_know_the_entities_is_not_asked_for_each(broken: bool) -> None:
    """Entities of providers name places that hold no entity file."""
    reader = CountingReader(broken=broken)
    sources = Sources(reader)
    errors = [InputError(f"wrong {number}") for number in range(50)]
    for number, error in enumerate(errors):
        await sources.locate(entity(f"c{number}"), URL, [error])
    assert [error.position for error in errors] == [None] * 50
    assert reader.asked == 1


async def test_a_place_is_asked_again_when_its_time_has_come(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(module, "monotonic", lambda: now)
    reader = CountingReader()
    sources = Sources(reader)
    assert await sources.position(entity("a"), URL, Place()) is None
    reader.pages[URL.target] = "# new\n" + component("a")
    assert await sources.position(entity("a"), URL, Place()) is None
    now += module.AGAIN_SECONDS
    assert await sources.position(entity("a"), URL, Place()) == Position(
        str(URL), 2, 1, "apiVersion: backstage.io/v1alpha1"
    )
    now += module.FRESH_SECONDS - 1
    await sources.position(entity("a"), URL, Place())
    assert reader.asked == 2
    now += 1
    await sources.position(entity("a"), URL, Place())
    assert (reader.asked, reader.sent) == (3, [URL.target])


async def test_the_texts_that_are_kept_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT_BYTES", 2_000)
    monkeypatch.setattr(module, "MOST_BYTES", 10_000)
    now = 1000.0
    monkeypatch.setattr(module, "monotonic", lambda: now)
    sources = Sources(PagesReader())
    found = []
    for number in range(20):
        path = tmp_path / f"{number}.yaml"
        path.write_text(component(f"c{number}") + "\n#" + "x" * 900)
        found.append(await sources.position(entity(f"c{number}"), LocationRef("file", str(path)), Place()))
    # A flood of large files with errors goes without positions from a point on …
    assert [position is not None for position in found] == [True] * 10 + [False] * 10
    now += module.AGAIN_SECONDS + 1
    # … and when it is over there is room again.
    path = tmp_path / "19.yaml"
    assert await sources.position(entity("c19"), LocationRef("file", str(path)), Place()) is not None
    assert sources._kept_bytes() <= 3_000


async def test_what_is_no_file_has_no_position() -> None:
    sources = Sources(PagesReader())
    for location in (
        LocationRef("ldap", "ou=people"),
        LocationRef("file", "/nowhere/a.yaml"),
        LocationRef("file", "a\0b"),
    ):
        assert await sources.position(entity("a"), location, Place()) is None
