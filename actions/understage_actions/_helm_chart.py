"""A Helm chart as `helm:render-values` needs it: default values, schemas and dependencies, read from its folder.

The rules are Helm's own (`pkg/chart/loader`, `pkg/chartutil` of Helm 3 and 4): what a chart's values become when a values
file is laid over them, a null that deletes a key, `global`, aliases and conditions of dependencies.
"""

import copy
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from understage.sdk import InputError
from understage.sdk.yaml import parse_document

Json = dict[str, Any]
MAX_DEPTH = 8


@dataclass(frozen=True)
class Dependency:
    """A chart inside of a chart. `key` is where the parent's values hold its own: the alias, else the name."""

    key: str
    chart: "Chart"
    conditions: tuple[str, ...] = ()

    def is_enabled(self, values: Json) -> bool:
        """Whether the parent's values switch it on: the first condition that is a boolean decides, else it is on."""
        for condition in self.conditions:
            found: Any = values
            for part in condition.split("."):
                found = found.get(part) if isinstance(found, dict) else None
            if isinstance(found, bool):
                return found
        return True


@dataclass(frozen=True)
class Chart:
    """A chart, read. `schema` is its values.schema.json; `has_templates` is false for a mere wrapper of dependencies."""

    name: str
    version: str
    folder: Path
    values: Json
    schema: Json | None = None
    has_templates: bool = False
    dependencies: tuple[Dependency, ...] = field(default_factory=tuple)

    def coalesce(self, values: Json) -> Json:
        """What the templates see when `values` are laid over the defaults, dependencies included. Nothing is shared."""
        keys = {dependency.key for dependency in self.dependencies}
        result = lay_over(self.values, values, keep_nulls_under=keys)
        shared = result.get("global") if isinstance(result.get("global"), dict) else {}
        for dependency in self.dependencies:
            own = result.get(dependency.key)
            if own is not None and not isinstance(own, dict):
                raise InputError(f"{dependency.key}: the values of the chart {dependency.chart.name} must be a map")
            own = dict(own or {})
            own["global"] = lay_over(own.get("global") or {}, shared or {})
            result[dependency.key] = dependency.chart.coalesce(own)
        return result

    def parts(self, values: Json, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], "Chart", Json]]:
        """This chart and its enabled dependencies, each with the path and the value of its part of coalesced `values`."""
        yield path, self, values
        for dependency in self.dependencies:
            if dependency.is_enabled(values):
                yield from dependency.chart.parts(values[dependency.key], (*path, dependency.key))


def lay_over(defaults: Json, values: Json, *, keep_nulls_under: Collection[str] = ()) -> Json:
    """`values` over `defaults`: maps merge, anything else replaces, a null deletes a key of the defaults.

    Under the keys `keep_nulls_under`, nulls stay: they are for the defaults of a dependency that come later.
    """
    result = copy.deepcopy(values)
    for key, default in defaults.items():
        if key not in result:
            result[key] = copy.deepcopy(default)
        elif isinstance(result[key], dict) and isinstance(default, dict):
            result[key] = merge(default, result[key]) if key in keep_nulls_under else lay_over(default, result[key])
        elif result[key] is None:
            del result[key]
    return result


def merge(lower: Json, upper: Json) -> Json:
    """`upper` over `lower` as Helm merges two values files: maps merge, anything else replaces, a null stays a null."""
    result = copy.deepcopy(lower)
    for key, value in upper.items():
        below = result.get(key)
        if isinstance(value, dict) and isinstance(below, dict):
            result[key] = merge(below, value)
        else:
            result[key] = copy.deepcopy(value)
    return result


def load_chart(folder: Path, *, depth: int = 0) -> Chart:
    """Read the chart in `folder`. Raises InputError or SourceError that name the file."""
    if depth > MAX_DEPTH:
        raise InputError(f"the chart {folder.name} nests dependencies deeper than {MAX_DEPTH} levels")
    about = _read_map(folder, "Chart.yaml")
    if about is None:
        raise InputError(f"{folder.name} is no Helm chart: it has no Chart.yaml")
    for member in ("name", "version"):
        if not isinstance(about.get(member), str):
            raise InputError(f"{folder.name}/Chart.yaml: {member} is missing or not a text")
    return Chart(
        name=about["name"],
        version=about["version"],
        folder=folder,
        values=_read_map(folder, "values.yaml") or {},
        schema=_read_schema(folder),
        has_templates=(folder / "templates").is_dir(),
        dependencies=tuple(_load_dependencies(folder, about, depth)),
    )


def _load_dependencies(folder: Path, about: Json, depth: int) -> Iterator[Dependency]:
    vendored = folder / "charts"
    present: dict[str, Chart] = {}
    for sub in sorted(vendored.iterdir()) if vendored.is_dir() else []:
        if sub.is_dir() and _inside(folder, sub) and (sub / "Chart.yaml").is_file():
            chart = load_chart(sub, depth=depth + 1)
            present[chart.name] = chart
    listed = [entry for entry in about.get("dependencies") or [] if isinstance(entry, dict)]
    for entry in listed:
        name = str(entry.get("name"))
        if name not in present:
            packed = any(vendored.glob(f"{name}-*.tgz")) if vendored.is_dir() else False
            raise InputError(
                f"the chart {about['name']} depends on {name} {entry.get('version', '')}, "
                + (f"which is packed: unpack it into charts/{name}" if packed else f"which is not under charts/{name}")
            )
        conditions = [part.strip() for part in str(entry.get("condition") or "").split(",")]
        key = str(entry.get("alias") or name)
        yield Dependency(key, present[name], tuple(part for part in conditions if part))
    for name in present.keys() - {str(entry.get("name")) for entry in listed}:
        yield Dependency(name, present[name])


def _read_map(folder: Path, name: str) -> Json | None:
    text = _read(folder, name)
    if text is None:
        return None
    document = parse_document(text, f"{folder.name}/{name}")
    if document.value is None:
        return {}
    if not isinstance(document.value, dict):
        raise document.error("must be a map")
    return document.value


def _read_schema(folder: Path) -> Json | None:
    text = _read(folder, "values.schema.json")
    if text is None:
        return None
    try:
        schema = json.loads(text)
    except ValueError as error:
        raise InputError(f"{folder.name}/values.schema.json is not JSON: {error}") from error
    if not isinstance(schema, dict):
        raise InputError(f"{folder.name}/values.schema.json must be a JSON object")
    return schema


def _read(folder: Path, name: str) -> bytes | None:
    path = folder / name
    if not path.is_file():
        return None
    if not _inside(folder, path):
        raise InputError(f"{folder.name}/{name} is a link that leads out of the chart")
    return path.read_bytes()


def _inside(folder: Path, path: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())
