"""Validation and ingestion agree about every file: what is wrong, in which words, and where.

`make test` looks at some hundred made-up files, `make test-validate-5000` at five thousand, in the same way.
"""

import asyncio
import json
import os
import re
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from tests.store.catalog_bench import PagesReader
from tests.store.catalog_files import FileMaker

from understage.catalog.engine import CatalogEngine
from understage.catalog.processing.assembly import create_orchestrator
from understage.catalog.processing.sources import Sources
from understage.catalog.validation.problems import find_problems
from understage.catalog.validation.walk import Root, Walk
from understage.config.catalog_settings import CatalogSettings
from understage.model.ref import LocationRef
from understage.platform.database import Database

FILES = int(os.environ.get("UNDERSTAGE_VALIDATION_FILES", "300"))
SEED = int(os.environ.get("UNDERSTAGE_VALIDATION_SEED", "1"))
PATIENCE = 600.0
RULES = [{"allow": ["Component", "API", "Location", "Resource", "System", "Group", "User", "Template"]}]

Errors = dict[str, list[str]]
"""For each folder, what is wrong in it: JSON texts, sorted."""


@pytest.mark.timeout(PATIENCE * 2)
async def test_validation_says_what_ingestion_says(sqlite_database: Database, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    maker = FileMaker(folder, SEED)
    paths = [maker.make(number) for number in range(FILES)]
    locations = [{"type": "file", "target": str(path)} for path in paths]
    settings = CatalogSettings.model_validate({"locations": locations, "rules": RULES})
    began = time.monotonic()
    ingested, good = await _ingest(sqlite_database, settings, folder)
    between = time.monotonic()
    validated, further, accepted = await _validate(paths, settings, folder)
    print(f"\ningestion {between - began:.1f} s, validation {time.monotonic() - between:.1f} s")
    different = {name for name in ingested.keys() | validated.keys() if ingested.get(name) != validated.get(name)}
    assert not different, _show(sorted(different)[0], folder, ingested, validated)
    assert accepted == good
    # Nothing is wrong for the validation alone, and nothing for the ingestion alone.
    assert further.keys() <= ingested.keys()
    _check_that_it_was_worth_it(paths, ingested)


async def _ingest(database: Database, settings: CatalogSettings, folder: Path) -> tuple[Errors, set[str]]:
    engine = CatalogEngine(database, settings, PagesReader(), folder=folder, interval=(36_000, 36_000))
    await engine.start()
    try:
        deadline = time.monotonic() + PATIENCE
        while not await engine.is_idle():
            assert time.monotonic() < deadline, await engine.pending()
            await asyncio.sleep(0.05)
    finally:
        await engine.stop()
    async with database.read() as connection:
        rows = (
            await connection.execute(
                text("SELECT entity_ref, location_key, errors, processed_entity FROM refresh_state")
            )
        ).all()
    found: defaultdict[str, list[str]] = defaultdict(list)
    for row in rows:
        for error in json.loads(row.errors):
            found[_folder_of(row.location_key)].append(_comparable(error, row.location_key))
    good = {row.entity_ref for row in rows if row.processed_entity is not None and row.errors == "[]"}
    return {name: sorted(errors) for name, errors in found.items()}, good


async def _validate(paths: Sequence[Path], settings: CatalogSettings, folder: Path) -> tuple[Errors, Errors, set[str]]:
    reader = PagesReader()
    sources = Sources(reader)
    walk = Walk(create_orchestrator(settings, reader, {}, folder, sources=sources), sources)
    places = [LocationRef("file", str(path)) for path in paths]
    await walk.run([Root(place, place) for place in places])
    by_origin: dict[str, defaultdict[str, list[str]]] = {"ingestion": defaultdict(list), "further": defaultdict(list)}
    for finding in await find_problems(walk):
        if finding.origin in by_origin:
            error = finding.to_json()
            assert finding.level == "error"
            by_origin[finding.origin][_folder_of(str(finding.file))].append(_comparable(error, str(finding.file)))
    accepted = {checked.ref for checked in walk.checked if checked.is_reached and checked.result.ok}
    errors, further = ({name: sorted(found) for name, found in part.items()} for part in by_origin.values())
    return errors, further, accepted


def _comparable(error: dict[str, Any], location: str) -> str:
    members = ("name", "message", "line", "column", "text")
    return json.dumps({"file": error.get("file", location), **{name: error.get(name) for name in members}})


def _folder_of(location: str) -> str:
    match = re.search(r"/files/(\d+)/", location)
    assert match, location
    return match[1]


def _show(name: str, folder: Path, ingested: Errors, validated: Errors) -> str:
    files = "\n".join(
        f"--- {path.name}\n{path.read_bytes().decode(errors='replace')}" for path in (folder / name).iterdir()
    )
    sides = json.dumps({"ingestion": ingested.get(name), "validation": validated.get(name)}, indent=1)
    return f"{name}: {sides}\n{files}"


def _check_that_it_was_worth_it(paths: Sequence[Path], ingested: Errors) -> None:
    """Both verdicts are common, errors are of many kinds, and nearly all have a position."""
    errors = [json.loads(error) for found in ingested.values() for error in found]
    placed = [error for error in errors if error["line"] is not None]
    print(f"{len(paths)} files: {len(ingested)} broken, {len(errors)} errors, {len(placed)} with line and column")
    kinds = Counter(re.sub(r"[\"'/:].*", "", error["message"].split("caused by")[-1]) for error in errors)
    print(kinds.most_common(12))
    assert 0.2 < len(ingested) / len(paths) < 0.8
    assert len(kinds) > 10
    # What has none: the target of a configured location, and texts that are no text.
    assert len(placed) > 0.95 * len(errors)
