"""Configuration from the environment: `APP_CONFIG_backend_listen_port=7007`; called by `sources`."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from understage.errors import InputError

PREFIX = "APP_CONFIG_"
_KEY = re.compile(r"[a-z][a-z0-9]*(?:[-:][a-z0-9]+)*", re.IGNORECASE)

Lookup = Callable[[str], str | None]
"""The value of an environment variable, None where it is not set."""


def lookup_in(environ: Mapping[str, str]) -> Lookup:
    """A lookup that trims, as Backstage does for every variable it substitutes."""

    def look_up(name: str) -> str | None:
        value = environ.get(name)
        return None if value is None else value.strip()

    return look_up


def read_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """The configuration in `APP_CONFIG_*` variables; `_` nests, a value is JSON or else plain text.

    Raises InputError for a name that is no key path, for null, and where one variable contradicts another.
    """
    data: dict[str, Any] = {}
    for name, value in environ.items():
        if name.startswith(PREFIX) and value:
            _set(data, name.removeprefix(PREFIX), value)
    return data


def _set(data: dict[str, Any], key: str, text: str) -> None:
    *parents, last = parts = key.split("_")
    if not all(map(_KEY.fullmatch, parts)):
        raise InputError(
            f"Invalid env config key '{key}'; the variable {PREFIX}{key} must name a key, parts joined by _"
        )
    place = data
    for index, part in enumerate(parents):
        place = place.setdefault(part, {})
        if not isinstance(place, dict):
            outer = "_".join(parts[: index + 1])
            raise InputError(f"Could not nest config for key '{key}' under existing value '{outer}'")
    if last in place:
        raise InputError(f"Refusing to override existing config at key '{key}'; unset one of the {PREFIX} variables")
    value = _parse(text)
    if value is None:
        raise InputError(f"Failed to parse JSON-serialized config value for key '{key}', value may not be null")
    place[last] = value


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
