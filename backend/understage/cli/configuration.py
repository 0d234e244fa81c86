"""Reading the configuration for a command."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from understage.cli.console import say
from understage.config.redaction import redact
from understage.config.sources import Configuration, load_configuration
from understage.model.yaml import parse_document
from understage.model.yaml_dump import dump


def read_configuration(files: Sequence[Path], overrides: dict[str, Any] | None = None) -> Configuration:
    """The merged configuration of this folder, the files named, the environment, and a command's own options."""
    return load_configuration(
        files, parse=parse_document, environ=os.environ, root=Path.cwd(), overrides=overrides or {}
    )


def print_configuration(files: Sequence[Path]) -> None:
    """Print it, secrets masked."""
    say(dump(redact(read_configuration(files).data)).rstrip())
