"""Large files of configured locations are parsed while the service starts, when nothing else needs a second core.

Called by `cli.server`. The processors read each file when its turn comes, and get from `DocumentProcesses` what was parsed here
if the text is still the same. Only plain names are followed, those of `catalog.locations` and those that Location entities in
such files have: what is not found here is parsed later, as everything is.
"""

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

from understage.catalog.processing.location_stage import absolute_file, targets_of
from understage.catalog.processors.file_reader import read_file
from understage.catalog.providers.config_locations import configured_ref
from understage.config.catalog_settings import ConfiguredLocation
from understage.model.ref import LocationRef
from understage.model.yaml import Document, parse_each
from understage.platform.document_processes import LARGE, DocumentProcesses

MOST_FILES = 200
"""So many are looked at: reading them takes time as well."""
MOST_BYTES = 32 << 20
"""So much text is parsed ahead."""


async def parse_ahead(locations: Sequence[ConfiguredLocation], folder: Path, documents: DocumentProcesses) -> None:
    """Begin with the files of `catalog.locations`; relative ones start at `folder`. Whatever cannot be read is left out."""
    refs = [configured_ref(location, folder) for location in locations]
    for path, content in await asyncio.to_thread(_large_files, [ref.target for ref in refs if ref.type == "file"]):
        documents.parse_ahead(content, str(LocationRef("file", path)))


def _large_files(paths: Sequence[str]) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    waiting = deque(paths)
    looked_at = size = 0
    while waiting and looked_at < MOST_FILES and size < MOST_BYTES:
        looked_at += 1
        path = waiting.popleft()
        try:
            content = read_file(Path(path)) if Path(path).is_file() else b""
        except (OSError, ValueError):
            continue
        if len(content) >= LARGE:
            size += len(content)
            found.append((path, content))
        elif b"Location" in content:
            waiting.extend(_files_named_in(content, path))
    return found


def _files_named_in(content: bytes, path: str) -> Iterator[str]:
    for document in parse_each(content, path):
        entity = document.value if isinstance(document, Document) else None
        spec = entity.get("spec") if isinstance(entity, dict) and entity.get("kind") == "Location" else None
        if isinstance(spec, dict) and spec.get("type", "file") == "file" and isinstance(spec.get("targets", []), list):
            yield from (absolute_file(path, target) for _, target in targets_of(spec) if isinstance(target, str))
