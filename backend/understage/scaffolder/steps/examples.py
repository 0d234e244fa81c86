"""Outputs that a dry run makes up for an action it cannot run, of the action's output schema."""

from typing import Any

_PLAIN: dict[str, Any] = {"string": "<example>", "number": 0, "integer": 0, "boolean": False}


def example_of(schema: Any) -> Any:
    """The schema's first example, else a value of its type; `<unknown>` where the type says nothing."""
    if not isinstance(schema, dict):
        return "<unknown>"
    if schema.get("examples"):
        return schema["examples"][0]
    kind = schema.get("type")
    if kind == "object":
        return {name: example_of(member) for name, member in (schema.get("properties") or {}).items()}
    if kind == "array":
        return [example_of(schema.get("items"))]
    return _PLAIN.get(kind, "<unknown>") if isinstance(kind, str) else "<unknown>"
