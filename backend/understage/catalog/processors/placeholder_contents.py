"""The placeholders that stand for the content of one file: `$text`, `$json`, `$yaml`."""

from typing import Any

from understage.errors import InputError, SourceError
from understage.model.yaml import parse_document
from understage.platform.json import loads, normalize_numbers
from understage.sdk.placeholder import Placeholder


async def resolve_text(placeholder: Placeholder) -> str:
    """The file as it is."""
    file = await placeholder.read()
    try:
        return file.content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"Placeholder ${placeholder.name} read something at {file.place} that is no UTF-8 text: {error.reason}"
        ) from error


async def resolve_json(placeholder: Placeholder) -> Any:
    """The file parsed as JSON."""
    file = await placeholder.read()
    try:
        return normalize_numbers(loads(file.content.removeprefix(b"\xef\xbb\xbf")))
    except ValueError as error:
        raise InputError(
            f"Placeholder ${placeholder.name} failed to parse JSON data at {file.place}, {error}"
        ) from error


async def resolve_yaml(placeholder: Placeholder) -> Any:
    """The file parsed as YAML, of one document."""
    file = await placeholder.read()
    try:
        return parse_document(file.content, file.place).value
    except SourceError as error:
        raise InputError(f"Placeholder ${placeholder.name} failed to parse YAML data at {error}") from error
