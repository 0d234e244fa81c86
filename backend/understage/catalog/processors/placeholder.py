"""Fills placeholders: `{$text: ./openapi.yaml}` in an entity becomes the content of the file.

The name after `$` says how: `$text`, `$json`, `$yaml`. An object with other keys beside it is no placeholder.
"""

from collections.abc import Callable
from typing import Any

from understage.catalog.failure import error_message
from understage.catalog.processors.placeholder_source import PlaceholderSource
from understage.errors import InputError, SourceError
from understage.model.entity import Entity
from understage.model.yaml import parse_document
from understage.platform.json import loads, normalize_numbers
from understage.sdk.processor import ProcessingContext, Processor, ProcessorSetup

Resolver = Callable[[str, bytes, str], Any]
"""Takes the placeholder's name, the content and where it was read."""


def _text(name: str, content: bytes, place: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"Placeholder ${name} read something at {place} that is no UTF-8 text: {error.reason}"
        ) from error


def _json(name: str, content: bytes, place: str) -> Any:
    try:
        return normalize_numbers(loads(content.removeprefix(b"\xef\xbb\xbf")))
    except ValueError as error:
        raise InputError(f"Placeholder ${name} failed to parse JSON data at {place}, {error}") from error


def _yaml(name: str, content: bytes, place: str) -> Any:
    try:
        return parse_document(content, place).value
    except SourceError as error:
        raise InputError(f"Placeholder ${name} failed to parse YAML data at {error}") from error


RESOLVERS: dict[str, Resolver] = {"text": _text, "json": _json, "yaml": _yaml}


class PlaceholderProcessor(Processor):
    """Replaces placeholders anywhere in an entity; what was read is not searched for further ones."""

    def __init__(self, setup: ProcessorSetup) -> None:
        super().__init__(setup)
        self._source = PlaceholderSource(setup.reader)

    async def pre_process(self, entity: Entity, context: ProcessingContext) -> Entity:
        """Replace all."""
        if not _has_placeholder(entity):
            return entity
        filled: Entity = await self._fill(entity, (), context)
        return filled

    async def _fill(self, value: Any, path: tuple[str | int, ...], context: ProcessingContext) -> Any:
        if isinstance(value, list):
            return [await self._fill(item, (*path, index), context) for index, item in enumerate(value)]
        if not isinstance(value, dict):
            return value
        name = _placeholder_name(value)
        if name is None:
            return {key: await self._fill(item, (*path, key), context) for key, item in value.items()}
        try:
            return await self._resolve(name, value[f"${name}"], context)
        except InputError as error:
            error.at(*path)
            raise

    async def _resolve(self, name: str, target: Any, context: ProcessingContext) -> Any:
        if not isinstance(target, str):
            raise InputError(
                f"Placeholder ${name} expected a string value parameter, in the form of an absolute URL or a relative path"
            )
        place = self._source.locate(name, target, context)
        context.emit.refresh_key(str(place))
        try:
            content = await self._source.read(place)
        except Exception as error:
            raise InputError(f"Placeholder ${name} could not read location {target}, {error_message(error)}") from error
        return RESOLVERS[name](name, content, place.target)


def _has_placeholder(value: Any) -> bool:
    if isinstance(value, dict):
        return _placeholder_name(value) is not None or any(
            _has_placeholder(item) for item in value.values() if isinstance(item, (dict, list))
        )
    if isinstance(value, list):
        return any(_has_placeholder(item) for item in value if isinstance(item, (dict, list)))
    return False


def _placeholder_name(value: dict[str, Any]) -> str | None:
    if len(value) != 1:
        return None
    key = next(iter(value))
    return key[1:] if key.startswith("$") and key[1:] in RESOLVERS else None
