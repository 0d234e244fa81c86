"""The reference page of configuration keys: types and defaults from the settings tree, sentences from configuration.yaml."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from understage.config.redaction import is_secret_name
from understage.config.settings import Settings
from understage.model.yaml import parse_document

NOTES = Path(__file__).parents[2] / "docs/reference/configuration.yaml"

HEAD = """\
# Configuration

Keys of `app-config.yaml` that Understage acts on. They mean what they mean to a stock Backstage backend; those of Understage
alone are below `understage`. Other keys are left alone, so that one file can start either backend.

`understage config print` shows the configuration as it is read, secrets masked. A known key with a wrong type stops the start
with its name, file and line.

## How a file is read

| | |
|---|---|
| files | those of `--config`, later ones win; without any: `app-config.yaml`, then `app-config.local.yaml` beside it |
| `BACKSTAGE_ENV=production` | also reads `app-config.production.yaml` and `app-config.production.local.yaml`, where they exist |
| merging | objects key by key; lists and texts replace what was there; null removes the key |
| `${NAME}`, `${NAME:-default}` | a variable of the environment; `$${x}` stands for `${x}` |
| `$env: NAME` | the same for a whole value |
| `$file: path` | the text of a file |
| `$include: file.yaml#a.b` | a part of another file |
| `APP_CONFIG_backend_listen_port=7008` | sets one key, whatever the files say; the value is JSON, or else text |

A duration is `{minutes: 5}`, `5m` or `PT5M`. A list of texts may also be one text, its parts separated by commas or blanks.
"""
IGNORED = """\
## Accepted, without effect

These keys may stand in a file, because a stock backend or a later release reads them. Nothing here depends on them.
"""


@dataclass(frozen=True)
class Key:
    """A leaf of the settings: its dotted path, its type and default in words, and its attribute in the code."""

    path: str
    type: str
    default: str
    attribute: str


def setting_keys(model: type[BaseModel] = Settings, prefix: str = "") -> Iterator[Key]:
    """All leaves of the tree, in the order of the code; `[]` marks an item of a list, `*` a value of a map."""
    for name, field in model.model_fields.items():
        path = f"{prefix}{field.alias or name}"
        inner, mark = _section(field.annotation)
        if inner is None:
            yield Key(path, _type(field.annotation, path), _default(field), name)
        else:
            yield from setting_keys(inner, f"{path}{mark}.")


def read_notes() -> dict[str, Mapping[str, str]]:
    """`configuration.yaml`: the halves `sections`, `keys` and `without_effect`."""
    notes: dict[str, Mapping[str, str]] = parse_document(NOTES.read_text("utf-8"), NOTES.name).value
    return notes


def is_covered(path: str, prefixes: Mapping[str, str]) -> bool:
    """Whether the path, or something above it, is among the prefixes."""
    return any(path == prefix or path.startswith((f"{prefix}.", f"{prefix}[")) for prefix in prefixes)


def describe_configuration() -> str:
    """The whole page."""
    notes = read_notes()
    keys = [key for key in setting_keys() if not is_covered(key.path, notes["without_effect"])]
    parts = [HEAD]
    for section, text in notes["sections"].items():
        rows = [_row(key, notes["keys"].get(key.path, "")) for key in keys if key.path.startswith(f"{section}.")]
        parts += [f"## {section}\n", f"{text}\n", "| key | type | default | |\n|---|---|---|---|", *rows, ""]
    ignored = [f"| `{path}` | {' '.join(reason.split())} |" for path, reason in notes["without_effect"].items()]
    return "\n".join([*parts, IGNORED, "| key | instead |\n|---|---|", *ignored]) + "\n"


def _row(key: Key, text: str) -> str:
    return f"| `{key.path}` | {key.type} | {key.default} | {' '.join(text.split())} |"


def _section(annotation: Any) -> tuple[type[BaseModel] | None, str]:
    """The section that a field holds, alone, in a list or in a map."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, ""
    arguments = [argument for argument in get_args(annotation) if argument not in (type(None), ...)]
    origin = get_origin(annotation)
    if origin in (Union, UnionType) and len(arguments) == 1:
        return _section(arguments[0])
    if origin is tuple:
        return _section(_plain(arguments[0]))[0], "[]"
    if origin is dict:
        return _section(arguments[1])[0], ".*"
    return None, ""


def _plain(annotation: Any) -> Any:
    return get_args(annotation)[0] if hasattr(annotation, "__metadata__") else annotation


_NAMES: Mapping[Any, str] = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "boolean",
    timedelta: "duration",
    Any: "any",
    dict: "map",
}


def _type(annotation: Any, path: str) -> str:
    annotation = _plain(annotation)
    if annotation is str and is_secret_name(path.rpartition(".")[2]):
        return "secret"
    if annotation in _NAMES:
        return _NAMES[annotation]
    arguments = [argument for argument in get_args(annotation) if argument not in (type(None), ...)]
    origin = get_origin(annotation)
    if origin is Literal:
        return " or ".join(f"`{json.dumps(value)}`" if value is False else f"`{value}`" for value in arguments)
    if origin is tuple:
        return "list" if arguments[0] is Any else f"list of {_type(arguments[0], path)}s"
    if origin is dict:
        return "map"
    return " or ".join(dict.fromkeys(_type(argument, path) for argument in arguments))


def _default(field: FieldInfo) -> str:
    value = field.default
    if value is PydanticUndefined:
        return "required" if field.is_required() else ""
    if value is None or value in ("", ()):
        return ""
    if isinstance(value, timedelta):
        return f"`{_duration(value)}`"
    return f"`{value}`" if isinstance(value, str) else f"`{json.dumps(value)}`"


def _duration(value: timedelta) -> str:
    seconds = int(value.total_seconds())
    for unit, size in (("h", 3600), ("m", 60)):
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
