"""Where the configuration comes from: which files, in which order, then the environment.

Called by `app` and `cli` once at start (and by `config:print`). YAML is read by the function handed in, so that this
package stands on nothing but `errors`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from understage.config.environment import lookup_in, read_environment
from understage.config.merge import merge
from understage.config.substitution import UNDEFINED, Expander
from understage.errors import InputError

DEFAULT_FILE = "app-config.yaml"


class ParsedFile(Protocol):
    """A parsed file: its value, and where a part of it stands."""

    value: Any

    def position_of(self, path: Sequence[str | int] = ..., *, key: bool = ...) -> tuple[int, int]:
        """Line and column from 1 of the value (or its key) at `path`."""
        ...


class ParseFile(Protocol):
    """Reads one YAML or JSON document; raises SourceError with file, line and column."""

    def __call__(self, text: str, file: str, /) -> ParsedFile:
        """The document of the text."""
        ...


@dataclass(frozen=True)
class Source:
    """One layer of the configuration.

    `context` names it as Backstage does (`app-config.yaml`, `env`), `path` is its file.
    """

    context: str
    data: dict[str, Any]
    path: Path | None = None
    parsed: ParsedFile | None = field(default=None, repr=False, compare=False)

    def reach(self, key_path: Sequence[str | int]) -> tuple[int, bool]:
        """How many parts of the path this layer has, and whether it decides the value.

        It decides where it has the whole path, or a list or scalar on the way, which hides the layers below.
        """
        value: Any = self.data
        for depth, part in enumerate(key_path):
            try:
                value = value[part]
            except (KeyError, IndexError, TypeError):
                return depth, not isinstance(value, Mapping) or self._is_in_list(key_path[:depth])
        return len(key_path), True

    def _is_in_list(self, key_path: Sequence[str | int]) -> bool:
        return any(isinstance(part, int) for part in key_path)


@dataclass(frozen=True)
class Configuration:
    """The merged configuration as plain data, and the layers it was merged from, weakest first."""

    data: dict[str, Any]
    sources: tuple[Source, ...] = ()

    def get(self, dotted_path: str, default: Any = None) -> Any:
        """The value at a path such as `backend.listen.port`."""
        value: Any = self.data
        for part in dotted_path.split("."):
            if not isinstance(value, Mapping) or part not in value:
                return default
            value = value[part]
        return value

    def origin_of(self, key_path: Sequence[str | int]) -> str:
        """Which file (with line where known) set the value at the path, or its nearest set ancestor."""
        path = tuple(key_path)
        best = None
        for source in reversed(self.sources):
            depth, decisive = source.reach(path)
            if decisive:
                return _describe(source, path[:depth])
            if depth > (best[1] if best else 0):
                best = source, depth
        if best:
            return _describe(best[0], path[: best[1]])
        return " + ".join(str(source.path or source.context) for source in self.sources) or "the configuration"


def load_configuration(
    files: Sequence[str | Path],
    *,
    parse: ParseFile,
    environ: Mapping[str, str],
    root: Path,
    overrides: Mapping[str, Any] | None = None,
) -> Configuration:
    """Read, expand and merge all layers: files in order, then `APP_CONFIG_*`, then `overrides` (command-line options).

    `files` are relative to `root`. Without any, `app-config.yaml` of `root` is read, then (where they exist)
    `app-config.<env>.yaml` for each name in BACKSTAGE_ENV, `app-config.local.yaml` and `app-config.<env>.local.yaml`.
    Raises InputError for a missing or wrong file.
    """
    paths = [_path_of(file, root) for file in files] or _default_paths(root, environ)
    look_up = lookup_in(environ)
    sources = [
        _read_source(path, parse, Expander(look_up, lambda text, file: parse(text, file).value)) for path in paths
    ]
    sources.append(Source("env", read_environment(environ)))
    if overrides:
        sources.append(Source("command line", dict(overrides)))
    present = tuple(source for source in sources if source.data)
    return Configuration(merge(source.data for source in present), present)


def _path_of(file: str | Path, root: Path) -> Path:
    text = str(file)
    if "://" in text:
        raise InputError(f'Config argument "{text}" looks like a URL; only files are read, download it first')
    return root / file


def _default_paths(root: Path, environ: Mapping[str, str]) -> list[Path]:
    names = [name.strip() for name in environ.get("BACKSTAGE_ENV", "").split(",") if name.strip()]
    optional = [
        *(root / f"app-config.{name}.yaml" for name in names),
        root / "app-config.local.yaml",
        *(root / f"app-config.{name}.local.yaml" for name in names),
    ]
    return [root / DEFAULT_FILE, *(path for path in optional if path.exists())]


def _read_source(path: Path, parse: ParseFile, expander: Expander) -> Source:
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        raise InputError(f'Config file "{path}" does not exist; name another one with --config') from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f'Config file "{path}" cannot be read, {error}') from error
    parsed = parse(text, str(path))
    if parsed.value is None:
        return Source(path.name, {}, path, parsed)
    try:
        data = expander.expand(parsed.value, path.parent)
    except InputError as error:
        raise InputError(f'Failed to read config file at "{path}", {error.message}') from error
    if data is UNDEFINED or not isinstance(data, dict):
        raise InputError(f'Failed to read config file at "{path}", expected object at config root')
    return Source(path.name, data, path, parsed)


def _describe(source: Source, path: Sequence[str | int]) -> str:
    if source.path is None or source.parsed is None:
        return source.context
    line, _ = source.parsed.position_of(path, key=True)
    return f"{source.path}:{line}"
