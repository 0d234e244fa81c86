"""Reads locations of type `file`: a path, or a glob."""

import asyncio
import glob
import re
from pathlib import Path

from understage.catalog.processors.entity_file import read_entities
from understage.errors import NotFoundError, UnderstageError
from understage.model.ref import LocationRef
from understage.sdk.processor import ProcessingContext, Processor

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
                content = await asyncio.to_thread(path.read_bytes)
            except OSError as error:
                context.emit.error(UnderstageError(f"file {path} could not be read, {error.strerror or error}"))
                continue
            await read_entities(content, place, context.emit)
        return True


def find_files(target: str) -> list[Path]:
    """The files that a path or glob (`*`, `?`, `[…]`, `**`, `{a,b}`) stands for, in the order of their names."""
    # A file whose name looks like a glob is meant itself.
    if Path(target).is_file():
        return [Path(target)]
    found: set[Path] = set()
    for pattern in expand_braces(target):
        names = glob.glob(pattern, recursive=True)  # noqa: PTH207 - Path.glob takes no absolute pattern
        found.update(path for name in names if (path := Path(name)).is_file())
    return sorted(found)


def expand_braces(pattern: str) -> list[str]:
    """`a/{b,c}` is `a/b` and `a/c`; braces without a comma are ordinary characters."""
    match = _BRACES.search(pattern)
    if match is None:
        return [pattern]
    before, after = pattern[: match.start()], pattern[match.end() :]
    return [whole for part in match[1].split(",") for whole in expand_braces(before + part + after)]
