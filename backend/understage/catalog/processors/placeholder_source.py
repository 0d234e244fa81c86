"""Where a placeholder may read: files of the entity's own repository, or beside its own file.

Backstage refuses relative placeholders of `file:` locations; here they are read, from inside the tree of files that the
entity's location stands in.
"""

import asyncio
import re
from pathlib import Path
from posixpath import normpath
from urllib.parse import urlsplit

from understage.errors import InputError, UnderstageError
from understage.model.ref import LocationRef
from understage.model.url import is_absolute_url
from understage.sdk.processor import ProcessingContext
from understage.sdk.reader import UrlReader

# Of the pages of all forges that are read, the part that names the repository.
_IN_REPOSITORY = re.compile(
    r"^(?:/a(?=/.+/\+/))?(?:"
    r"(/(?:.+/)?_git/[^/]+)"
    r"|(.*/(?:projects|users)/[^/]+/repos/[^/]+)/(?:browse|raw|src)(?:/|$)"
    r"|(.*/repos/[^/]+)/(?:files|edit)/."
    r"|(/.+?)/(?:-/)?(?:blob|tree|raw|src|edit|\+|jobs/artifacts)/."
    r")"
)
_GLOB = re.compile(r"[*?\[{]")


class PlaceholderSource:
    """Finds and reads what placeholders name."""

    def __init__(self, reader: UrlReader) -> None:
        self._reader = reader

    def locate(self, name: str, target: str, context: ProcessingContext, *, base: str | None = None) -> LocationRef:
        """The place that `target` means in an entity read at the context's location. Raises InputError.

        `base` is the place of the file that it stands in, where that is not the entity's own.
        """
        base = base or context.location.target
        is_file = not is_absolute_url(base) if context.location.type == "file" else False
        if is_file and not is_absolute_url(target):
            return LocationRef("file", self._locate_file(name, target, context, base))
        try:
            url = self._reader.resolve_url(target, base)
        except (UnderstageError, ValueError) as error:
            raise InputError(f"Placeholder ${name} could not form a URL out of {base} and {target}, {error}") from error
        own, found = _repository(context.location.target), _repository(url)
        if own is not None and found is not None and own != found:
            raise InputError("Placeholder may only reference files from the same repository as the entity")
        return LocationRef("url", url)

    async def read(self, place: LocationRef) -> bytes:
        """The content of a place that `locate` gave. Raises what the reader raises, or OSError."""
        if place.type == "file":
            return await asyncio.to_thread(Path(place.target).read_bytes)
        return (await self._reader.read_url(place.target)).content

    def _locate_file(self, name: str, target: str, context: ProcessingContext, base: str) -> str:
        own = Path(context.location.target).parent
        path = Path(normpath(Path(base).parent / target))
        tree = _tree(own, context.origin)
        # Links are followed before it is decided: a link must not lead out either.
        if not path.resolve().is_relative_to(tree.resolve()):
            raise InputError(
                f"Placeholder ${name} may only reference files inside of {tree}, and {target} of "
                f"{base} is outside; move the file, or the location that reads it"
            )
        return str(path)


def _tree(own: Path, origin: LocationRef) -> Path:
    """The folder of the origin's file (up to its glob), when the entity's file is below it; else the entity's own."""
    if origin.type != "file":
        return own
    fixed = _GLOB.split(origin.target)[0]
    top = Path(fixed) if fixed.endswith("/") else Path(fixed).parent
    return top if own.is_relative_to(top) else own


def _repository(url: str) -> tuple[str, str] | None:
    parts = urlsplit(url)
    match = _IN_REPOSITORY.match(parts.path)
    if match is None:
        return None
    return parts.netloc.lower(), next(part for part in match.groups() if part is not None).lower()
