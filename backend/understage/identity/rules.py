"""Rules that conditions are made of: how a plugin describes its own, and reads the parameters of one.

`identity.conditions` tells the descriptions; the plugins apply the rules. Texts of Backstage permission-node 0.11.4.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from understage.errors import InputError

TEXT: Mapping[str, Any] = {"type": "string"}
TEXTS: Mapping[str, Any] = {"type": "array", "items": {"type": "string"}}


@dataclass(frozen=True)
class Parameter:
    """One parameter: its JSON schema, and whether it must be given."""

    name: str
    schema: Mapping[str, Any]
    about: str
    required: bool = True


@dataclass(frozen=True)
class RuleDescription:
    """A rule as the metadata of a plugin tell it."""

    name: str
    about: str
    resource_type: str
    parameters: Sequence[Parameter]

    def to_wire(self) -> dict[str, Any]:
        """`{name, description, resourceType, paramsSchema}`."""
        schema = {
            "type": "object",
            "properties": {item.name: {**item.schema, "description": item.about} for item in self.parameters},
            "required": [item.name for item in self.parameters if item.required],
            "additionalProperties": False,
            "$schema": "http://json-schema.org/draft-07/schema#",
        }
        return {
            "name": self.name,
            "description": self.about,
            "resourceType": self.resource_type,
            "paramsSchema": schema,
        }


def text_of(params: Mapping[str, Any], name: str) -> str:
    """A parameter that is a text. Raises InputError."""
    value = params.get(name)
    if not isinstance(value, str):
        raise refused(f"{name} must be a string")
    return value


def texts_of(params: Mapping[str, Any], name: str) -> list[str]:
    """A parameter that is a list of texts. Raises InputError."""
    values = params.get(name)
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise refused(f"{name} must be a list of strings")
    return values


def refused(problem: str) -> InputError:
    """What to raise for parameters that a rule does not take."""
    return InputError(f"Parameters to rule are invalid; caused by Error: {problem}")
