"""What a command line names: files, folders, globs and URLs, made into the roots of a walk."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from understage.catalog.processors.entity_file import read_entities
from understage.catalog.processors.file_reader import find_files
from understage.catalog.providers.config_locations import configured_ref
from understage.catalog.validation.walk import Root
from understage.config.catalog_settings import CatalogSettings
from understage.errors import InputError
from understage.model.ref import LocationRef
from understage.sdk.processor import ProcessingContext, Processor

STANDARD_INPUT = "-"
STANDARD_INPUT_NAME = "<stdin>"
ENTITY_FILES = ("catalog-info.yaml", "catalog-info.yml")
SKIPPED_FOLDERS = frozenset(("node_modules", "__pycache__"))


def find_roots(arguments: Sequence[str], settings: CatalogSettings, folder: Path) -> list[Root]:
    """The files and URLs that the arguments name, each once, in their order; relative paths start at `folder`.

    Raises InputError for an argument that leads to nothing.
    """
    configured = _Configured(settings, folder)
    locations = dict.fromkeys(location for text in arguments for location in _locations(text, settings, folder))
    return [Root(location, configured.origin_of(location)) for location in locations]


def standard_input(folder: Path) -> LocationRef:
    """Where a text without a file is taken to stand, so that it may name files beside it."""
    return LocationRef("file", str(folder / STANDARD_INPUT_NAME))


def given_texts(contents: Mapping[LocationRef, bytes]) -> type[Processor]:
    """A processor that reads these places from memory."""

    class GivenTexts(Processor):
        """Emits the entities of texts that were given with their places."""

        priority = -1.0

        async def read_location(self, location: LocationRef, *, optional: bool, context: ProcessingContext) -> bool:
            """Read the text, if it is one of these places."""
            if location not in contents:
                return False
            await read_entities(contents[location], location, context.emit, self.setup.parse)
            return True

    return GivenTexts


def _locations(text: str, settings: CatalogSettings, folder: Path) -> Iterator[LocationRef]:
    if text == STANDARD_INPUT:
        yield standard_input(folder)
        return
    if "://" in text:
        yield LocationRef.parse(f"url:{text}")
        return
    if not text or "\0" in text:
        raise InputError("an empty path names nothing; . is this folder" if not text else "a path holds no zero bytes")
    path = os.path.normpath(folder / text)
    if os.path.isdir(path):  # noqa: PTH112 - as in find_files
        found = list(_entity_files(path, {settings.import_.entity_filename, *ENTITY_FILES}))
        if not found:
            raise InputError(f"there is no {settings.import_.entity_filename} below {text}; name the files")
    else:
        found = [str(file) for file in find_files(path)]
        if not found:
            raise InputError(f"{text} does not exist, and is no glob that matches a file")
    for file in found:
        yield LocationRef("file", file)


def _entity_files(folder: str, names: set[str]) -> Iterator[str]:
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in SKIPPED_FOLDERS and not name.startswith("."))
        yield from (os.path.join(here, name) for name in sorted(files) if name in names)  # noqa: PTH118 - as it was written


class _Configured:
    """The file locations of the configuration: what they lead to comes from them, to the rules."""

    def __init__(self, settings: CatalogSettings, folder: Path) -> None:
        refs = [configured_ref(location, folder) for location in settings.locations if location.type == "file"]
        self._origins = {str(file): ref for ref in reversed(refs) for file in find_files(ref.target)}

    def origin_of(self, location: LocationRef) -> LocationRef:
        return self._origins.get(location.target, location) if location.type == "file" else location
