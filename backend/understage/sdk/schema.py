"""JSON Schemas as the stock pages show them: no `$ref`, no generated titles."""

from typing import Any


def inline_definitions(schema: dict[str, Any]) -> dict[str, Any]:
    """Replace each `$ref` into `$defs` by its definition and drop pydantic's generated titles.

    A definition that refers to itself stays an open object (`{"type": "object"}`) at the point of recursion.
    """
    definitions = schema.get("$defs", {})

    def resolve(node: Any, open_refs: tuple[str, ...]) -> Any:
        if isinstance(node, list):
            return [resolve(item, open_refs) for item in node]
        if not isinstance(node, dict):
            return node
        reference = node.get("$ref")
        if isinstance(reference, str):
            name = reference.rsplit("/", 1)[-1]
            rest = {key: value for key, value in node.items() if key != "$ref"}
            if name in open_refs:
                return {"type": "object", **rest}
            return {**resolve(definitions[name], (*open_refs, name)), **rest}
        return {
            key: _properties(value, open_refs) if key == "properties" else resolve(value, open_refs)
            for key, value in node.items()
            if key != "$defs" and not (key == "title" and isinstance(value, str))
        }

    def _properties(properties: dict[str, Any], open_refs: tuple[str, ...]) -> dict[str, Any]:
        return {name: resolve(value, open_refs) for name, value in properties.items()}

    resolved: dict[str, Any] = resolve(schema, ())
    return resolved
