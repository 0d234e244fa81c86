"""Errors of the scaffolder whose form on the wire is their own."""

from collections.abc import Mapping, Sequence
from typing import Any

from understage.errors import InputError


class ValuesError(InputError):
    """Form values or secrets break their schema; answered as `400 {"errors": […]}`, without the usual envelope.

    Each error is an object as npm's `jsonschema` makes them: `{path, property, message, schema, instance, name, argument,
    stack}`.
    """

    def __init__(self, errors: Sequence[Mapping[str, Any]]) -> None:
        super().__init__("; ".join(str(error.get("stack") or error.get("message")) for error in errors))
        self.errors = [dict(error) for error in errors]
