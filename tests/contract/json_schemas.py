"""JSON Schemas by what they mean: the same for every way in which the two backends write the same thing down."""

import json
from collections.abc import Mapping
from typing import Any

KEPT = ("enum", "format", "pattern", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems")


def meaning(schema: Mapping[str, Any]) -> Any:
    """What a schema allows, without descriptions, defaults, titles; an optional member may always be null.

    A list is a set of alternatives. Ours says `null` beside an optional member's type, the stock one leaves that out.
    """
    variants = [variant for variant in _variants(schema) if variant.get("type") != "null"]
    meanings = sorted({json.dumps(_one(variant), sort_keys=True) for variant in variants})
    alternatives = [json.loads(text) for text in meanings]
    return alternatives[0] if len(alternatives) == 1 else alternatives


def _variants(schema: Mapping[str, Any]) -> list[dict[str, Any]]:
    rest = {key: value for key, value in schema.items() if key not in ("anyOf", "oneOf")}
    for name in ("anyOf", "oneOf"):
        if name in schema:
            return [found for variant in schema[name] for found in _variants({**rest, **variant})]
    if isinstance(schema.get("type"), list):
        return [{**rest, "type": type} for type in schema["type"]]
    return [rest]


def _one(schema: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {key: schema[key] for key in ("type", *KEPT) if key in schema}
    if "const" in schema:
        found["enum"] = [schema["const"]]
    if "enum" in found:
        found["enum"] = sorted(found["enum"], key=str)
        found.setdefault("type", "string")
    if schema.get("properties"):
        found["properties"] = {name: meaning(member) for name, member in schema["properties"].items()}
    if schema.get("required"):
        found["required"] = sorted(schema["required"])
    if isinstance(schema.get("items"), Mapping):
        found["items"] = meaning(schema["items"])
    others = schema.get("additionalProperties")
    if others is False or (isinstance(others, Mapping) and others):
        found["additionalProperties"] = others if others is False else meaning(others)
    return found
