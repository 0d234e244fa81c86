"""Writes app-config files into a folder and loads them as the service does."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from understage.config.settings import Settings, read_settings
from understage.config.sources import Configuration, load_configuration
from understage.model.yaml import parse_document


class Workspace:
    """A folder with configuration files."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, **files: str) -> "Workspace":
        """Names use `__` for a dot and `_in_` for a slash: `a_in_b__yaml` is `a/b.yaml`."""
        for name, text in files.items():
            path = self.root / name.replace("_in_", "/").replace("__", ".").replace("_", "-")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return self

    def load(self, *files: str, overrides: Mapping[str, Any] | None = None, **environ: str) -> Configuration:
        return load_configuration(files, parse=parse_document, environ=environ, root=self.root, overrides=overrides)

    def settings(self, *files: str, **environ: str) -> Settings:
        return read_settings(self.load(*files, **environ))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


@pytest.fixture
def load(workspace: Workspace) -> Callable[..., dict[str, Any]]:
    """The plain data of one app-config.yaml with the given text."""

    def load(text: str, **environ: str) -> dict[str, Any]:
        return workspace.write(app_config__yaml=text).load(**environ).data

    return load
