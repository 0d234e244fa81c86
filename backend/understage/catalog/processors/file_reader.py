"""Reads locations of type `file`: a path, or a glob."""

import asyncio
import glob
import os
import re
from pathlib import Path

from understage.catalog.processors.entity_file import read_entities
from understage.errors import InputError, NotFoundError, UnderstageError
from understage.model.ref import LocationRef
from understage.model.yaml import MAX_BYTES
from understage.sdk.processor import ProcessingContext, Processor

MOST_PATTERNS = 1000
_BRACES = re.compile(r"\{([^{}]*,[^{}]*)\}")


class FileReaderProcessor(Processor):
    """Emits the entities of files on this machine."""

    async def read_location(self, location: LocationRef, *, optional: bool, context: ProcessingContext) -> bool:
        """Read all files that the target matches."""
        if location.type != "file":
            return False
        paths = await asyncio.to_thread(find_files, location.target)
        if not paths and not optional:
            context.emit.error(NotFoundError(f"file {location.target} does not exist"))
        for path in paths:
            place = LocationRef("file", str(path))
            context.emit.refresh_key(str(place))
            try:
                content = await asyncio.to_thread(read_file, path)
            except OSError as error:
                context.emit.error(UnderstageError(f"file {path} could not be read, {error.strerror or error}"))
                continue
            await read_entities(content, place, context.emit, self.setup.parse)
        return True


def read_file(path: Path) -> bytes:
    """The file, or as much of it as shows that it is too long."""
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


def find_files(target: str) -> list[Path]:
    """The files that a path or glob (`*`, `?`, `[…]`, `**`, `{a,b}`) stands for, in the order of their names.

    Raises InputError for a name that is not UTF-8, which no location can tell, and for too many braces.
    """
    # A file whose name looks like a glob is meant itself.
    # Unlike Path.is_file, this takes a name that is too long for one that is not there.
    if os.path.isfile(target):  # noqa: PTH113
        return [_told(Path(target))]
    found: set[Path] = set()
    for pattern in expand_braces(target):
        names = glob.glob(pattern, recursive=True)  # noqa: PTH207 - Path.glob takes no absolute pattern
        found.update(path for name in names if (path := Path(name)).is_file())
    return [_told(path) for path in sorted(found)]


def _told(path: Path) -> Path:
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        name = str(path).encode(errors="backslashreplace").decode()
        raise InputError(f"the name of the file {name} is not UTF-8; rename it") from error
    return path


def expand_braces(pattern: str) -> list[str]:
    """`a/{b,c}` is `a/b` and `a/c`; braces without a comma are ordinary characters. Raises InputError for more than 1 000."""
    patterns = [pattern]
    while match := next(filter(None, map(_BRACES.search, patterns)), None):
        patterns = [whole for pattern in patterns for whole in _expand_first(pattern)]
        if len(patterns) > MOST_PATTERNS:
            raise InputError(f"the braces of {match.string[:100]} stand for more than {MOST_PATTERNS} patterns")
    return patterns


def _expand_first(pattern: str) -> list[str]:
    match = _BRACES.search(pattern)
    if match is None:
        return [pattern]
    before, after = pattern[: match.start()], pattern[match.end() :]
    return [before + part + after for part in match[1].split(",")]
