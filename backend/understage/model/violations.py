"""JSON Schema violations in the words and the order of AJV, which wrote the messages that users of Backstage know.

Called by `entity` and `kinds`. jsonschema-rs finds the violations (draft 7, all of them); this module sorts them as AJV
would meet them, because clients show the first one only.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, Protocol

import jsonschema_rs

from understage.errors import Place

_ORDER = (
    *("type", "maximum", "minimum", "exclusiveMaximum", "exclusiveMinimum", "multipleOf"),
    *("maxLength", "minLength", "pattern", "format"),
    *("const", "enum", "not", "anyOf", "oneOf", "allOf", "if", "then", "else"),
    *("maxItems", "minItems", "uniqueItems", "additionalItems", "items", "contains"),
    *("maxProperties", "minProperties", "required", "propertyNames", "additionalProperties", "dependencies"),
    *("properties", "patternProperties"),
)
_RANK = {keyword: rank for rank, keyword in enumerate(_ORDER)}
_NAMED_CHILDREN = frozenset(("properties", "patternProperties", "dependencies"))


class _Error(Protocol):
    """The part of jsonschema-rs' error that is used here."""

    instance_path: list[str | int]
    schema_path: list[str | int]
    message: str
    kind: Any


@dataclass(frozen=True, slots=True)
class Violation:
    """One way in which a value breaks its schema.

    `path` leads to the offending value, `message` is AJV's (`must be string`), `params` AJV's details by name.
    """

    path: tuple[str | int, ...]
    keyword: str
    message: str
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def pointer(self) -> str:
        """`path` as JSON pointer, empty for the root."""
        return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in self.path)

    @property
    def place(self) -> Place:
        """The value; for a property that must not be there, its key."""
        name = self.params.get("additionalProperty")
        return Place(self.path) if name is None else Place((*self.path, name), key=True)

    @property
    def text(self) -> str:
        """`/spec must have required property 'owner' - missingProperty: owner`."""
        details = ", ".join(f"{name}: {_js_text(value)}" for name, value in self.params.items())
        return f"{self.pointer or '<root>'} {self.message} - {details}"


class Schema:
    """A compiled JSON Schema, draft 7 unless it names another draft."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self.document = dict(schema)
        self._validator = jsonschema_rs.validator_for({"$schema": "http://json-schema.org/draft-07/schema#", **schema})

    def is_valid(self, value: Any) -> bool:
        """Whether the JSON value keeps the schema; the cheap question for the common case."""
        return bool(self._validator.is_valid(value))

    def violations(self, value: Any) -> list[Violation]:
        """All violations, in the order in which AJV would report them."""
        errors = list(self._validator.iter_errors(value))
        errors.sort(key=self._rank)
        return [violation for error in errors for violation in _describe(error, self.document)]

    def _rank(self, error: _Error) -> tuple[int, ...]:
        ranks: list[int] = []
        indexes = iter([part for part in error.instance_path if isinstance(part, int)])
        schema: Any = self.document
        named = False
        for part in error.schema_path:
            if named or isinstance(part, int):
                # Children stand in the order in which the schema declares them.
                names = list(schema) if isinstance(schema, dict) else []
                ranks.append(part if isinstance(part, int) else names.index(part) if part in names else len(names))
                named = False
            else:
                ranks.append(_RANK.get(part, len(_RANK)))
                named = part in _NAMED_CHILDREN
                if part == "items":
                    ranks.append(next(indexes, 0))
            schema = _child(schema, part)
        return tuple(ranks)


def _child(schema: Any, part: str | int) -> Any:
    try:
        return schema[part]
    except (KeyError, IndexError, TypeError):
        return None


def _describe(error: _Error, schema: Any) -> Iterator[Violation]:
    keyword: str = error.kind.name
    path = tuple(error.instance_path)
    if keyword in ("anyOf", "oneOf"):
        # AJV lists why each alternative failed before it says that none fits.
        for branch in getattr(error.kind, "context", None) or []:
            for inner in branch:
                for violation in _describe(inner, schema):
                    yield Violation(
                        _rebase(path, violation.path), violation.keyword, violation.message, violation.params
                    )
    if keyword == "additionalProperties":
        for name in error.kind.unexpected:
            yield Violation(path, keyword, "must NOT have additional properties", {"additionalProperty": name})
        return
    message, params = _words(keyword, error, schema)
    yield Violation(path, keyword, message, params)


def _rebase(outer: tuple[str | int, ...], inner: tuple[str | int, ...]) -> tuple[str | int, ...]:
    return inner if inner[: len(outer)] == outer else outer + inner


def _words(keyword: str, error: _Error, schema: Any) -> tuple[str, dict[str, Any]]:
    value = getattr(error.kind, "value", None)
    if keyword in _LIMITS:
        template, comparison = _LIMITS[keyword]
        params = {"comparison": comparison, "limit": value} if comparison else {"limit": value}
        return template.format(_js_text(value)), params
    match keyword:
        case "required":
            return f"must have required property '{value}'", {"missingProperty": value}
        case "type":
            # jsonschema-rs sorts the alternatives, AJV names them as the schema does.
            declared = reduce(_child, error.schema_path, schema) or value
            types = ",".join(declared) if isinstance(declared, list) else str(declared)
            return f"must be {types}", {"type": types}
        case "enum":
            return "must be equal to one of the allowed values", {"allowedValues": value}
        case "const":
            return "must be equal to constant", {"allowedValue": value}
        case "pattern":
            return f'must match pattern "{value}"', {"pattern": value}
        case "format":
            return f'must match format "{value}"', {"format": value}
        case "anyOf":
            return "must match a schema in anyOf", {}
        case "oneOf":
            return "must match exactly one schema in oneOf", {"passingSchemas": None}
        case "not":
            return "must NOT be valid", {}
        case _:
            return error.message, {}


_LIMITS = {
    "minLength": ("must NOT have fewer than {} characters", ""),
    "maxLength": ("must NOT have more than {} characters", ""),
    "minItems": ("must NOT have fewer than {} items", ""),
    "maxItems": ("must NOT have more than {} items", ""),
    "minProperties": ("must NOT have fewer than {} properties", ""),
    "maxProperties": ("must NOT have more than {} properties", ""),
    "minimum": ("must be >= {}", ">="),
    "maximum": ("must be <= {}", "<="),
    "exclusiveMinimum": ("must be > {}", ">"),
    "exclusiveMaximum": ("must be < {}", "<"),
}


def _js_text(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return ",".join(_js_text(item) for item in value)
    return json.dumps(value)
