"""A placeholder resolver: what `{$name: value}` in an entity becomes.

    async def upper(placeholder: Placeholder) -> Any:
        '''`{$upper: ./note.txt}` is the text of the file, shouted.'''
        return (await placeholder.read()).content.decode().upper()

The entry point group `understage.placeholders` names the function; the entry point's name is the name after the `$`. Built-in
ones (`text`, `json`, `yaml`, `openapi`, `asyncapi`) register the same way.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class PlaceholderFile:
    """A file that was read. `place` is the URL, or the path in the file system, that it was read from."""

    place: str
    content: bytes


class Placeholder(Protocol):
    """One placeholder of one entity: its name without the `$`, and its value, which may be any JSON."""

    @property
    def name(self) -> str:
        """The name."""

    @property
    def value(self) -> Any:
        """The value."""

    async def read(self, target: str | None = None, *, base: PlaceholderFile | None = None) -> PlaceholderFile:
        """Read a file: an absolute URL, or relative to `base`; without arguments the one that the value names.

        Only files that the entity may name are read: of its own repository, or beside its own file. When one of them is
        changed, the entity is processed anew. Raises InputError, with a message for the owner of the entity.
        """


PlaceholderResolver = Callable[[Placeholder], Awaitable[Any]]
"""Gives the JSON value that stands in place of the placeholder; what it raises becomes the entity's error."""
