"""The cases beside the templates, as their authors run them."""

import os
from pathlib import Path

import pytest
from tests.unit.skeletons.golden_path import SKELETONS
from typer.testing import CliRunner

from understage.cli.main import app

RENDERING = {"clone-environment"}
"""Whose actions look at what Helm renders, and refuse to work without it."""
TEMPLATES = sorted(file.parent.name for file in SKELETONS.glob("*/template.yaml"))


def run_cases(*templates: str) -> None:
    ran = CliRunner().invoke(app, ["template", "test", *(str(SKELETONS / template) for template in templates)])
    assert ran.exit_code == 0, ran.output
    for template in templates:
        assert f"{template}.test.yaml" in ran.output


def test_every_case_is_as_expected() -> None:
    run_cases(*(template for template in TEMPLATES if template not in RENDERING))


def test_cases_that_render_are_as_expected(helm_binary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(helm_binary.parent), prepend=os.pathsep)
    run_cases(*sorted(RENDERING))
