"""The command in an empty folder."""

from pathlib import Path
from typing import Any

import pytest
from tests.unit.validation.command import Run
from typer.testing import CliRunner, Result

from understage.cli.main import app


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `understage catalog validate` with arguments in `tmp_path`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("UNDERSTAGE_TOKEN", raising=False)

    def run(*arguments: str, **options: Any) -> Result:
        return CliRunner().invoke(app, ["catalog", "validate", *arguments], catch_exceptions=False, **options)

    return run
