"""Fills placeholders: `{$text: ./openapi.yaml}` in an entity becomes the content of the file.

The name after `$` says how; resolvers register under the entry point group `understage.placeholders`. An object with other keys
beside it is no placeholder, and one whose name nobody knows is left as it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from understage.catalog.failure import error_message
from understage.catalog.processors.placeholder_source import PlaceholderSource
from understage.errors import InputError
from understage.model.entity import Entity
from understage.platform.extensions import installed
from understage.platform.json import dumps
from understage.sdk.placeholder import PlaceholderFile, PlaceholderResolver
from understage.sdk.processor import ProcessingContext, Processor, ProcessorSetup

GROUP = "understage.placeholders"


def installed_resolvers() -> dict[str, PlaceholderResolver]:
    """The resolvers by name. Raises InputError for one that cannot be loaded, or a name that two packages have."""
    found: dict[str, PlaceholderResolver] = {}
    for entry in installed(GROUP):
        package = entry.dist.name if entry.dist else "unknown"
        if entry.name in found:
            raise InputError(
                f"Two packages register the placeholder ${entry.name}, one of them is {package}: remove one"
            )
        try:
            found[entry.name] = entry.load()
        except Exception as error:
            raise InputError(
                f"the placeholder ${entry.name} of package {package} cannot be loaded: {error}; repair or remove the package"
            ) from error
    return found


class PlaceholderProcessor(Processor):
    """Replaces placeholders anywhere in an entity; what was read is not searched for further ones."""

    def __init__(self, setup: ProcessorSetup) -> None:
        super().__init__(setup)
        self._source = PlaceholderSource(setup.reader)
        self._resolvers: Mapping[str, PlaceholderResolver] = installed_resolvers()

    async def pre_process(self, entity: Entity, context: ProcessingContext) -> Entity:
        """Replace all."""
        if not _may_hold_one(entity):
            return entity
        failed: list[InputError] = []
        filled: Entity = await self._fill(entity, (), context, failed)
        if failed:
            failed[0].also = failed[1:]
            raise failed[0]
        return filled

    async def _fill(
        self, value: Any, path: tuple[str | int, ...], context: ProcessingContext, failed: list[InputError]
    ) -> Any:
        """Goes on after a placeholder that fails, so that all of them are named at once."""
        if isinstance(value, list):
            return [await self._fill(item, (*path, index), context, failed) for index, item in enumerate(value)]
        if not isinstance(value, dict):
            return value
        name = self._name_of(value)
        if name is None:
            return {key: await self._fill(item, (*path, key), context, failed) for key, item in value.items()}
        try:
            return await self._resolvers[name](_Placeholder(name, value[f"${name}"], self._source, context))
        except InputError as error:
            failed.append(error.at(*path))
            return value

    def _name_of(self, value: dict[str, Any]) -> str | None:
        if len(value) != 1:
            return None
        key = next(iter(value))
        return key[1:] if key.startswith("$") and key[1:] in self._resolvers else None


def _may_hold_one(entity: Entity) -> bool:
    """Nearly no entity does, and its JSON tells ten times faster than a walk through it."""
    try:
        return b'"$' in dumps(entity)
    except TypeError:
        return True


@dataclass(frozen=True)
class _Placeholder:
    """Implements `understage.sdk.Placeholder`."""

    name: str
    value: Any
    source: PlaceholderSource
    context: ProcessingContext

    async def read(self, target: str | None = None, *, base: PlaceholderFile | None = None) -> PlaceholderFile:
        target = self.value if target is None else target
        if not isinstance(target, str):
            raise InputError(
                f"Placeholder ${self.name} expected a string value parameter, in the form of an absolute URL or a relative path"
            )
        place = self.source.locate(self.name, target, self.context, base=None if base is None else base.place)
        self.context.emit.refresh_key(str(place))
        try:
            return PlaceholderFile(place.target, await self.source.read(place))
        except Exception as error:
            raise InputError(
                f"Placeholder ${self.name} could not read location {target}, {error_message(error)}"
            ) from error
