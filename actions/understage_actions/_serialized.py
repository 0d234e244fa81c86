"""Values as text, and files as values, as the actions `utils:*` write and read them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Literal

from understage.sdk import ActionContext, InputError, NotFoundError, Workspace
from understage.sdk.yaml import dump, parse_document, parse_documents

MAX_FILE_BYTES = 10 * 1024 * 1024
MAX_INDENT = 10  # as JSON.stringify has it

Format = Literal["json", "yaml"]


def json_text(value: Any, replacer: Sequence[str] | None = None, space: str | int | None = None) -> str:
    """As JSON.stringify(value, replacer, space): `replacer` are the keys that are kept, `space` is the indentation."""
    kept = _keep(value, frozenset(replacer)) if replacer else value
    indent = (space if isinstance(space, int) else space[:MAX_INDENT]) if space else None
    separators = (",", ": ") if indent else (",", ":")
    return json.dumps(kept, ensure_ascii=False, indent=indent, separators=separators)


def yaml_text(value: Any, replacer: Sequence[str] | None = None) -> str:
    """One YAML document; `replacer` are the keys that are kept."""
    return dump(_keep(value, frozenset(replacer)) if replacer else value)


def read_existing(ctx: ActionContext, relative: str) -> bytes:
    """A file of the workspace. Raises NotFoundError when it is not there, InputError above the size that is read."""
    if not ctx.workspace.resolve(relative).is_file():
        raise NotFoundError(f"The file {relative} does not exist in the workspace")
    return read_limited(ctx.workspace, relative)


def read_limited(workspace: Workspace, relative: str | PurePosixPath) -> bytes:
    """A file. Raises InputError above the size that is read, and as `Workspace.open`."""
    with workspace.open(relative) as file:
        content = file.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise InputError(f"The file {relative} is larger than the {MAX_FILE_BYTES} bytes that are read")
    return content


def parse_json(text: str | bytes, what: str) -> Any:
    """Raises InputError that names `what`, line and column."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise InputError(f"{what} is nested too deeply") from None
    except ValueError as error:
        raise InputError(f"{what} is not JSON: {error}") from error


def parse_text(text: str | bytes, what: str, format: Format) -> Any:
    """One document of either format."""
    return parse_json(text, what) if format == "json" else parse_document(text, what).value


def parse_all(text: str | bytes, what: str) -> list[Any]:
    """All documents of a YAML text."""
    return [document.value for document in parse_documents(text, what)]


def format_of(relative: str) -> Format:
    """By the extension. Raises InputError for another one than json, yaml and yml."""
    suffix = PurePosixPath(relative).suffix.lower()
    if suffix == ".json":
        return "json"
    if suffix in (".yaml", ".yml"):
        return "yaml"
    raise InputError(f"{relative} is neither .json nor .yaml nor .yml")


def merged(base: Any, content: Any, *, merge_arrays: bool) -> Any:
    """`content` over `base`: maps merge, arrays are put together when asked, anything else replaces."""
    if isinstance(base, Mapping) and isinstance(content, Mapping):
        result = dict(base)
        for key, value in content.items():
            result[key] = merged(base[key], value, merge_arrays=merge_arrays) if key in base else value
        return result
    if merge_arrays and isinstance(base, list) and isinstance(content, list):
        return [*base, *content]
    return content


def _keep(value: Any, keys: frozenset[str]) -> Any:
    if isinstance(value, Mapping):
        return {key: _keep(member, keys) for key, member in value.items() if key in keys}
    return [_keep(member, keys) for member in value] if isinstance(value, list) else value


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")
