"""Checking form values and secrets against a template's schemas, with errors as npm's `jsonschema` writes them.

Called where a task is created, retried or run dry, and for the inputs of actions.
The wire answers `400 {"errors": […]}` with these items, and the stock
form shows them (Backstage scaffolder-backend 4.2.0). Defaults are never applied; unknown keywords (`ui:…`) are ignored.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import jsonschema_rs

from understage.errors import InputError
from understage.scaffolder.error_items import ErrorItem, describe
from understage.scaffolder.errors import ValuesError

DRAFT_07 = "http://json-schema.org/draft-07/schema#"


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
        errors = self._validator.iter_errors(plain)
        return [item["stack"] for item in describe(errors, self._document, plain, only_branch=True)]


def _validate(instance: Mapping[str, Any], schema: Mapping[str, Any], what: str) -> list[ErrorItem]:
    plain = dict(instance)
    try:
        validator = jsonschema_rs.validator_for({"$schema": DRAFT_07, **schema})
        if validator.is_valid(plain):
            return []
        return describe(validator.iter_errors(plain), schema, plain)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        raise InputError(f"The template's {what} is no valid JSON Schema: {_first_line(error)}") from error


def _conceal(item: ErrorItem) -> ErrorItem:
    place = "secrets" + item["property"].removeprefix("instance")
    missing = item["name"] == "required"
    message = f"{place}.{item['argument']} is required" if missing else f"{place} {item['message']}"
    return {**item, "property": place, "message": message, "instance": {}}


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
