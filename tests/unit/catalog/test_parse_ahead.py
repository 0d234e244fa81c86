"""Which files are parsed while a service starts: the large ones that its configuration leads to by plain names."""

import os
from pathlib import Path

import pytest

from understage.catalog import parse_ahead as module
from understage.catalog.parse_ahead import parse_ahead
from understage.config.catalog_settings import ConfiguredLocation
from understage.model.yaml import Document, parse_each
from understage.platform.document_processes import LARGE, DocumentProcesses

LARGE_TEXT = b"kind: Component\n---\n" * (LARGE // 18)
LOCATION = """\
kind: Component
---
kind: Location
spec: {targets: [./parts/one.yaml, %s, ./parts/one.yaml, ./gone.yaml, ./parts, 7, "./bad\\0name.yaml"]}
---
kind: Location
spec: {type: url, target: ./parts/three.yaml}
---
kind: Location
spec: {target: ./nested.yaml}
---
kind: Location
spec: {targets: no list}
--- [
"""


class Noted(DocumentProcesses):
    """Notes what it is given, and parses nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: dict[str, bytes] = {}

    def parse_ahead(self, content: bytes, file: str) -> None:
        self.texts[file] = content


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    """A folder with a location that leads to files of all sorts."""
    (tmp_path / "parts").mkdir()
    for name in ("one", "two", "three", "four"):
        (tmp_path / "parts" / f"{name}.yaml").write_bytes(LARGE_TEXT + name.encode())
    (tmp_path / "all.yaml").write_text(LOCATION % (tmp_path / "parts/two.yaml"))
    (tmp_path / "nested.yaml").write_text("kind: Location\nspec: {targets: [./parts/four.yaml, ./all.yaml]}\n")
    os.mkfifo(tmp_path / "pipe.yaml")
    return tmp_path


def configured(*targets: str, type: str = "file") -> list[ConfiguredLocation]:
    return [ConfiguredLocation(type=type, target=target) for target in targets]


async def test_large_files_that_locations_lead_to_are_given_away(catalog: Path) -> None:
    documents = Noted()
    await parse_ahead(
        [*configured("all.yaml", "pipe.yaml", "*.yaml", "gone.yaml"), *configured("parts/three.yaml", type="url")],
        catalog,
        documents,
    )
    assert documents.texts == {
        f"file:{catalog}/parts/{name}.yaml": LARGE_TEXT + name.encode() for name in ("one", "two", "four")
    }


async def test_a_location_that_leads_to_itself_ends(catalog: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []
    read_file = module.read_file
    monkeypatch.setattr(module, "read_file", lambda path: read.append(path) or read_file(path))
    (catalog / "self.yaml").write_text("kind: Location\nspec: {targets: [./self.yaml, ./self.yaml]}\n")
    await parse_ahead(configured("self.yaml"), catalog, Noted())
    assert len(read) == module.MOST_FILES


async def test_no_more_text_is_taken_than_is_good(catalog: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", len(LARGE_TEXT))
    documents = Noted()
    await parse_ahead(configured("all.yaml"), catalog, documents)
    assert len(documents.texts) == 1


async def test_the_processors_get_what_was_parsed(catalog: Path) -> None:
    documents = DocumentProcesses()
    try:
        await parse_ahead(configured("all.yaml"), catalog, documents)
        text = LARGE_TEXT + b"one"
        found = await documents.parse(text, f"file:{catalog}/parts/one.yaml")
        expected = parse_each(text, "file:one.yaml")
        values = [item.value for item in found if isinstance(item, Document)]
        assert values == [item.value for item in expected if isinstance(item, Document)]
    finally:
        await documents.close()
