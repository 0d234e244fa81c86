"""Checks coalesced values by the schemas of a chart and its dependencies, as Helm does, in words for people.

Called by `helm:render-values` before anything is written.
"""

import difflib
from collections.abc import Iterator, Sequence
from typing import Any

import jsonschema_rs

from understage.sdk import InputError
from understage_actions._helm_chart import Chart
from understage_actions._helm_layers import Layers, format_path

Json = dict[str, Any]
MAX_PROBLEMS = 20


def check_values(chart: Chart, coalesced: Json, layers: Layers) -> None:
    """Raise InputError with one line per wrong value: its path, what is wrong, the layer that set it."""
    problems: list[str] = []
    for path, part, values in chart.parts(coalesced):
        if part.schema is None:
            problems.extend(_unread_keys(part, values, path, layers))
        else:
            problems.extend(_schema_problems(part, part.schema, values, path, layers))
    if problems:
        shown = sorted(set(problems))
        more = [f"… and {len(shown) - MAX_PROBLEMS} more"] if len(shown) > MAX_PROBLEMS else []
        raise InputError(
            f"The values do not fit the chart {chart.name} {chart.version}:\n" + "\n".join(shown[:MAX_PROBLEMS] + more)
        )


def has_schema(chart: Chart, coalesced: Json) -> bool:
    """Whether any part of the chart brings a schema."""
    return any(part.schema is not None for _, part, _ in chart.parts(coalesced))


def _unread_keys(chart: Chart, values: Json, path: tuple[str, ...], layers: Layers) -> Iterator[str]:
    # Without templates of its own nothing but its dependencies can read a wrapper's values.
    if chart.has_templates or not chart.dependencies:
        return
    known = {"global", *chart.values, *(dependency.key for dependency in chart.dependencies)}
    for key in values.keys() - known:
        yield _unknown_key((*path, key), known, layers)


def _schema_problems(chart: Chart, schema: Json, values: Json, path: tuple[str, ...], layers: Layers) -> Iterator[str]:
    try:
        validator = jsonschema_rs.validator_for(schema, retriever=_refuse_reference)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        message = str(error).splitlines()[0]
        raise InputError(f"values.schema.json of the chart {chart.name} cannot be used: {message}") from error
    for problem in validator.iter_errors(values):
        where = (*path, *problem.instance_path)
        unexpected = getattr(problem.kind, "unexpected", None)
        if unexpected is not None:
            known = _known_keys(schema, problem.schema_path)
            for key in unexpected:
                yield _unknown_key((*where, key), known, layers)
        else:
            yield f"{format_path(where) or 'values'}: {problem.message} (set by {layers.origin(where)})"


def _unknown_key(path: Sequence[str | int], known: set[str], layers: Layers) -> str:
    near = difflib.get_close_matches(str(path[-1]), sorted(known), n=1)
    hint = f"; did you mean {near[0]}?" if near else f"; known here: {', '.join(sorted(known))}" if known else ""
    return f"{format_path(path)}: unknown key, set by {layers.origin(path)}{hint}"


def _known_keys(schema: Any, schema_path: Sequence[str | int]) -> set[str]:
    """The properties beside the keyword at `schema_path`, local references followed."""
    node: Any = schema
    try:
        for part in schema_path[:-1]:
            node = _follow(schema, node[part]) if part == "$ref" else node[part]
    except (KeyError, IndexError, TypeError):
        return set()
    properties = node.get("properties") if isinstance(node, dict) else None
    return set(properties) if isinstance(properties, dict) else set()


def _follow(schema: Any, reference: str) -> Any:
    node = schema
    for part in reference.removeprefix("#").strip("/").split("/"):
        node = node[part.replace("~1", "/").replace("~0", "~")]
    return node


def _refuse_reference(uri: str) -> Any:
    raise ValueError(f"it refers to {uri}; schemas of charts may refer to themselves only")
