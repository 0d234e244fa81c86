"""Values and secrets of a command line: from files, from options, from the environment."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from understage.errors import InputError, NotFoundError
from understage.sdk.yaml import parse_document


def secrets_of(file: Path | None, variables: Sequence[str]) -> dict[str, str]:
    """Secrets of a file and of the environment, the latter winning. Their values are never part of an error."""
    found = {name: str(value) for name, value in read_values(file).items()}
    for entry in variables:
        name, equals, variable = entry.partition("=")
        if not name or not equals or not variable:
            raise InputError(
                "--secret: write name=VARIABLE, the name of an environment variable and not the secret itself"
            )
        if variable not in os.environ:
            raise InputError(
                f"--secret {name}=…: there is no environment variable of that name; export it, or use --secrets FILE"
            )
        found[name] = os.environ[variable]
    return found


def read_values(file: Path | None) -> dict[str, Any]:
    """A YAML or JSON file with one value a name."""
    if file is None:
        return {}
    if not file.is_file():
        raise NotFoundError(f"There is no file {file}")
    value = parse_document(file.read_bytes(), str(file)).value
    if not isinstance(value, dict):
        raise InputError(f"{file}: write one value a name, such as `name: shop`")
    return value


def assignment(text: str) -> tuple[str, Any]:
    """`name=value`, the value read as YAML."""
    name, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"--set {text}: write name=value")
    return name, parse_document(value.encode()).value if value else ""
