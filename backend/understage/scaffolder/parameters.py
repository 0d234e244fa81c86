"""Checking form values and secrets against a template's schemas, with errors as npm's `jsonschema` writes them.

Called where a task is created, retried or run dry, and for the inputs of actions.
The wire answers `400 {"errors": […]}` with these items, and the stock
form shows them (Backstage scaffolder-backend 4.2.0). Defaults are never applied; unknown keywords (`ui:…`) are ignored.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import reduce
from typing import Any

import jsonschema_rs

from understage.errors import InputError
from understage.scaffolder.errors import ValuesError

DRAFT_07 = "http://json-schema.org/draft-07/schema#"
ErrorItem = dict[str, Any]


def check_values(values: Mapping[str, Any], pages: Sequence[Mapping[str, Any]]) -> None:
    """Check all values against each page of the form. Raises ValuesError with the errors of the first page that fails."""
    for number, page in enumerate(pages, start=1):
        items = _validate(values, page, f"parameter page {number}")
        if items:
            raise ValuesError(items)


def check_secrets(secrets: Mapping[str, str], schema: Mapping[str, Any] | None) -> None:
    """Check secrets against `spec.secrets.schema`. Raises ValuesError whose items show no value."""
    if schema is None:
        return
    items = _validate(secrets, schema, "schema of secrets")
    if items:
        raise ValuesError([_conceal(item) for item in items])


class InputSchema:
    """A compiled schema of an action's input."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._document = dict(schema)
        self._validator = jsonschema_rs.validator_for(self._document)

    def problems(self, value: Mapping[str, Any]) -> list[str]:
        """What is wrong, e.g. `instance.files is not of a type(s) array`."""
        plain = dict(value)
        if self._validator.is_valid(plain):
            return []
        return [item["stack"] for item in _describe(self._validator.iter_errors(plain), self._document, plain)]


def _validate(instance: Mapping[str, Any], schema: Mapping[str, Any], what: str) -> list[ErrorItem]:
    plain = dict(instance)
    try:
        validator = jsonschema_rs.validator_for({"$schema": DRAFT_07, **schema})
        if validator.is_valid(plain):
            return []
        return _describe(validator.iter_errors(plain), dict(schema), plain)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        raise InputError(f"The template's {what} is no valid JSON Schema: {_first_line(error)}") from error


def _describe(errors: Iterable[Any], schema: dict[str, Any], root: Any) -> list[ErrorItem]:
    items = [item for error in errors for item in _items_of(error, schema, root)]
    return list({item["stack"]: item for item in items}.values())


def _items_of(error: Any, schema: dict[str, Any], root: Any) -> list[ErrorItem]:
    path = list(error.instance_path)
    keyword: str = error.schema_path[-1] if error.schema_path else error.kind.name
    if keyword not in _WORDS:
        keyword = error.kind.name
    parent = _parent_schema(schema, error.schema_path, keyword)
    argument = parent.get(keyword) if isinstance(parent, dict) else None
    if keyword == "required":
        argument = error.kind.property
    if keyword == "anyOf" and (branch := _only_branch(argument)) is not None:
        return _describe(error.kind.context[branch], schema, root)
    if keyword == "additionalProperties":
        # Where no properties are declared at all, the validator does not name the member.
        owner = reduce(lambda value, step: value[step], path, root)
        names = getattr(error.kind, "unexpected", None) or list(owner)
        return [_item(path, keyword, parent, owner, name) for name in names]
    return [_item(path, keyword, parent, error.instance, argument)]


def _only_branch(branches: Any) -> int | None:
    """The index of the one alternative that is not null: its own errors say more than that none of both fits."""
    if not isinstance(branches, list) or len(branches) != 2 or {"type": "null"} not in branches:
        return None
    return 1 - branches.index({"type": "null"})


def _item(path: list[str | int], keyword: str, schema: Any, instance: Any, argument: Any) -> ErrorItem:
    name = "instance" + "".join(map(_suffix, path))
    message = _WORDS.get(keyword, lambda _argument: f"does not satisfy {keyword}")(argument)
    return {
        "path": path,
        "property": name,
        "message": message,
        "schema": schema,
        "instance": instance,
        "name": keyword,
        "argument": argument,
        "stack": f"{name} {message}",
    }


def _conceal(item: ErrorItem) -> ErrorItem:
    place = "secrets" + item["property"].removeprefix("instance")
    missing = item["name"] == "required"
    message = f"{place}.{item['argument']} is required" if missing else f"{place} {item['message']}"
    return {**item, "property": place, "message": message, "instance": {}}


def _parent_schema(schema: Mapping[str, Any], path: Sequence[str | int], keyword: str) -> Any:
    """The schema object that holds the failing keyword."""
    steps = list(path)
    while steps and steps[-1] != keyword:
        steps.pop()
    start: Any = schema
    try:
        return reduce(lambda node, step: node[step], steps[:-1], start)
    except (KeyError, IndexError, TypeError):
        return schema  # behind a $ref: the path is not one of the document


def _suffix(key: str | int) -> str:
    text = str(key)
    if re.search(r"[.\s\[\]]", text):
        return f'["{text}"]'
    return f"[{text}]" if text.isdigit() else f".{text}"


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _listed(value: Any) -> str:
    return ",".join(map(_text, value)) if isinstance(value, list) else _text(value)


def _text(value: Any) -> str:
    """As JavaScript puts a value into a text."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "[object Object]" if isinstance(value, dict) else _listed(value) if isinstance(value, list) else str(value)


def _subschemas(value: Any) -> str:
    schemas = value if isinstance(value, list) else []
    return ",".join(
        (schema.get("title") if isinstance(schema, dict) else None) or f"[subschema {index}]"
        for index, schema in enumerate(schemas)
    )


_WORDS: Mapping[str, Callable[[Any], str]] = {
    "type": lambda types: f"is not of a type(s) {_listed(types)}",
    "required": lambda name: f'requires property "{name}"',
    "additionalProperties": lambda name: f'is not allowed to have the additional property "{name}"',
    "minLength": lambda limit: f"does not meet minimum length of {_text(limit)}",
    "maxLength": lambda limit: f"does not meet maximum length of {_text(limit)}",
    "pattern": lambda pattern: f'does not match pattern "{pattern}"',
    "format": lambda name: f'does not conform to the "{name}" format',
    "enum": lambda values: f"is not one of enum values: {_listed(values)}",
    "const": lambda value: f"does not exactly match expected constant: {_text(value)}",
    "minimum": lambda limit: f"must be greater than or equal to {_text(limit)}",
    "maximum": lambda limit: f"must be less than or equal to {_text(limit)}",
    "exclusiveMinimum": lambda limit: f"must be strictly greater than {_text(limit)}",
    "exclusiveMaximum": lambda limit: f"must be strictly less than {_text(limit)}",
    "multipleOf": lambda factor: f"is not a multiple of (divisible by) {_text(factor)}",
    "minItems": lambda limit: f"does not meet minimum length of {_text(limit)}",
    "maxItems": lambda limit: f"does not meet maximum length of {_text(limit)}",
    "uniqueItems": lambda _: "contains duplicate item",
    "minProperties": lambda limit: f"does not meet minimum property length of {_text(limit)}",
    "maxProperties": lambda limit: f"does not meet maximum property length of {_text(limit)}",
    "anyOf": lambda schemas: f"is not any of {_subschemas(schemas)}",
    "oneOf": lambda schemas: f"is not exactly one from {_subschemas(schemas)}",
    "not": lambda _: "is of prohibited type [subschema 0]",
    "contains": lambda _: "does not contain an item that matches the schema",
    "dependencies": lambda _: "misses a property that another one requires",
    "propertyNames": lambda _: "has a property with a name that is not allowed",
}
