"""`${VAR}`, `$env`, `$file` and `$include` in a configuration file; called by `sources` for each file."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from understage.config.environment import Lookup
from understage.errors import InputError

_PLACEHOLDER = re.compile(r"(\$?\$\{[^{}]*\})")
_INCLUDE_KEYS = ("$file", "$env", "$include")
_MAX_DEPTH = 100


class _Undefined:
    """JavaScript's undefined: the key disappears."""


UNDEFINED: Final = _Undefined()


def substitute(text: str, look_up: Lookup) -> str | None:
    """Replace `${VAR}` and `${VAR:-default}`; `$${x}` stands for `${x}`.

    None when a variable without default is not set: one undefined part makes the whole text undefined. An empty
    variable counts as unset where there is a default.
    """
    parts = _PLACEHOLDER.split(text)
    for index in range(1, len(parts), 2):
        part = parts[index]
        if part.startswith("$$"):
            parts[index] = part[1:]
            continue
        name, separator, default = part[2:-1].partition(":-")
        value = look_up(name.strip())
        if separator:
            value = value or default.strip() or None
        if value is None:
            return None
        parts[index] = value
    return "".join(parts)


@dataclass(frozen=True)
class Expander:
    """Expands the placeholders and includes of one file.

    `parse` reads the text of an included file (`text, file name -> value`).
    """

    look_up: Lookup
    parse: Callable[[str, str], Any]

    def expand(self, value: Any, directory: Path) -> Any:
        """The value with everything substituted; paths are relative to `directory`. Raises InputError with the key."""
        return self._expand(value, directory, "", 0)

    def _expand(self, value: Any, directory: Path, path: str, depth: int) -> Any:
        if depth > _MAX_DEPTH:
            raise InputError(f"error at {path}, nested too deep; does a file include itself?")
        if isinstance(value, str):
            text = substitute(value, self.look_up)
            return UNDEFINED if text is None else text
        if isinstance(value, Mapping):
            try:
                value, directory = self._include(value, directory)
            except InputError as error:
                raise InputError(f"error at {path or 'root'}, {error.message}") from error
        return self._expand_children(value, directory, path, depth)

    def _expand_children(self, value: Any, directory: Path, path: str, depth: int) -> Any:
        if isinstance(value, list):
            items = [self._expand(item, directory, f"{path}[{index}]", depth + 1) for index, item in enumerate(value)]
            return [item for item in items if item is not UNDEFINED]
        if isinstance(value, Mapping):
            children = {key: self._expand(child, directory, f"{path}.{key}", depth + 1) for key, child in value.items()}
            return {key: child for key, child in children.items() if child is not UNDEFINED}
        return value

    def _include(self, value: Mapping[str, Any], directory: Path) -> tuple[Any, Path]:
        key = next((key for key in value if key in _INCLUDE_KEYS), None)
        if key is None:
            return value, directory
        if len(value) != 1:
            raise InputError(f"include key {key} should not have adjacent keys")
        argument = value[key]
        if not isinstance(argument, str):
            raise InputError(f"{key} include value is not a string")
        argument = substitute(argument, self.look_up)
        if argument is None:
            raise InputError(f"{key} substitution value was undefined")
        if key == "$env":
            text = self.look_up(argument)
            return (UNDEFINED if text is None else text), directory
        if key == "$file":
            return _read(directory / argument).rstrip(), directory
        return self._include_data(argument, directory)

    def _include_data(self, argument: str, directory: Path) -> tuple[Any, Path]:
        file, _, data_path = argument.partition("#")
        path = directory / file
        if path.suffix not in (".json", ".yaml", ".yml"):
            raise InputError(f"no configuration parser available for included file {file}")
        try:
            included = self.parse(_read(path), str(path))
        except InputError as error:
            raise InputError(f"failed to parse included file {file}, {error.message}") from error
        parts = data_path.split(".") if data_path else []
        for index, part in enumerate(parts):
            if not isinstance(included, Mapping):
                outer = ".".join(parts[:index])
                raise InputError(f"value at '{outer}' in included file {file} is not an object")
            included = included.get(part, UNDEFINED)
        if isinstance(included, str):
            text = substitute(included, self.look_up)
            included = UNDEFINED if text is None else text
        return included, path.parent


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        raise InputError(f'failed to include "{path}", file does not exist') from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f'failed to include "{path}", {error}') from error
