"""Parts of the JSON schemas of these actions."""

from typing import Any

from understage.identity.actions import Schema

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
ANY_MEMBERS: Schema = {"type": "object", "additionalProperties": {}}


def shape(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    """An object within a schema."""
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": False,
    }


def text(description: str) -> Schema:
    """A described text."""
    return {**TEXT, "description": description}


def array_of(items: Schema, description: str) -> Schema:
    """A described list."""
    return {"type": "array", "items": items, "description": description}
