"""`understage cost estimate`."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from understage.cli.main import app

DEPLOYMENT = """\
apiVersion: v1
kind: List
items:
  - apiVersion: apps/v1
    kind: Deployment
    metadata: {name: ledger}
    spec:
      replicas: 2
      template: {spec: {containers: [{name: app, resources: {requests: {cpu: 500m, memory: 1Gi}}}]}}
"""
CONFIG = "understage: {costs: {currency: EUR, prices: {cpuHour: 0.01, memoryGibHour: '0.001', storageGibMonth: 0.1}}}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/ledger.yaml").write_text(DEPLOYMENT)
    (tmp_path / "app-config.yaml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_for_people(folder: Path) -> None:
    ran = CliRunner().invoke(app, ["cost", "estimate", "out"])
    assert ran.exit_code == 0
    assert "8.76 EUR  Deployment ledger, 2 pods" in ran.output
    assert "8.76 EUR  a month" in ran.output


def test_for_programs_and_with_a_limit(folder: Path) -> None:
    ran = CliRunner().invoke(app, ["cost", "estimate", "out/ledger.yaml", "--format", "json", "--limit", "8.75"])
    assert ran.exit_code == 1
    assert json.loads(ran.stdout)["monthlyTotal"] == 8.76


def test_default_prices_are_told(folder: Path) -> None:
    (folder / "app-config.yaml").unlink()
    ran = CliRunner().invoke(app, ["cost", "estimate", "out"])
    assert "29.26 USD  a month\nAt default prices" in ran.output


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("out/ledger.yaml", DEPLOYMENT.replace("500m", "much"), "is no quantity"),
        ("out/ledger.yaml", "kind: [", "ledger.yaml:2:1"),
        ("app-config.yaml", "understage: {costs: {currency: EUR}}", "give prices in EUR"),
        ("app-config.yaml", "understage: {costs: {prices: {cpuHour: -1}}}", "understage.costs.prices.cpuHour"),
    ],
)
def test_what_cannot_be_read_is_code_2(folder: Path, file: str, text: str, words: str) -> None:
    (folder / file).write_text(text)
    ran = CliRunner().invoke(app, ["cost", "estimate", "out"])
    assert (ran.exit_code, words in ran.output) == (2, True), ran.output
