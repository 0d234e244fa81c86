"""The reference of the values of a Helm chart, made of its schema and defaults."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from understage.sdk.yaml import parse_document

ROOT = Path(__file__).parents[2]
CHART = ROOT / "skeletons" / "charts" / "base-service"


def describe_values(chart: Path = CHART) -> str:
    """The page; a value without a description is an error."""
    schema = json.loads((chart / "values.schema.json").read_text())
    values = parse_document((chart / "values.yaml").read_bytes()).value
    rows = [f"| `{path}` | {default} | {meaning} |" for path, default, meaning in _rows(schema, schema, values, "")]
    lines = [
        f"# Values of {chart.name}",
        "",
        "Made of `values.schema.json` and `values.yaml` by `make docs`. Unknown keys are refused.",
        "",
        "| Key | Default | Meaning |",
        "|---|---|---|",
        *rows,
    ]
    return "\n".join(lines) + "\n"


def _rows(
    schema: Mapping[str, Any], node: Mapping[str, Any], values: Any, prefix: str
) -> Iterator[tuple[str, str, str]]:
    for name, given in node["properties"].items():
        path = prefix + name
        part = _resolve(schema, given)
        described = given.get("description") or part.get("description")
        value = values.get(name) if isinstance(values, dict) else None
        if "properties" in part and isinstance(value, dict):
            if described:
                yield path, "", _cell(described)
            yield from _rows(schema, part, value, f"{path}.")
            continue
        if not described:
            raise ValueError(f"{path} has no description in the schema")
        yield path, "" if value is None else f"`{_cell(json.dumps(value))}`", _cell(described) + _choices(part)


def _resolve(schema: Mapping[str, Any], node: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = node.get("$ref")
    if reference is None:
        return node
    found: Mapping[str, Any] = schema["definitions"][reference.rpartition("/")[2]]
    return found


def _choices(node: Mapping[str, Any]) -> str:
    return f" One of {', '.join(f'`{choice}`' for choice in node['enum'])}." if "enum" in node else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
