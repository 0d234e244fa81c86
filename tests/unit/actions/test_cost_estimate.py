"""`cost:estimate`: what it reads, at which prices, when it fails."""

from pathlib import Path
from typing import Any

import pytest

from understage.errors import InputError
from understage.sdk.testing import run_action
from understage_actions.cost_estimate import estimate

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: ledger, namespace: ledger-production}
spec:
  replicas: 2
  template: {spec: {containers: [{name: app, resources: {requests: {cpu: 500m, memory: 1Gi}}}]}}
"""
PRICES = {"cpuHour": 0.01, "memoryGibHour": 0.001, "storageGibMonth": 0.1}
DEFAULTS: dict[str, Any] = {"costs": {"currency": "CHF", "prices": PRICES, "jobMinutes": 5, "nodes": 4}}


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/ledger.yaml").write_text(DEPLOYMENT)
    return tmp_path


@pytest.mark.parametrize("dry_run", [False, True])
async def test_by_the_platforms_prices(workspace: Path, dry_run: bool) -> None:
    result = await run_action(estimate, {"files": ["out"]}, workspace=workspace, defaults=DEFAULTS, dry_run=dry_run)
    output = dict(result.output)
    markdown = output.pop("markdown")
    assert output == {
        "monthlyTotal": 8.76,
        "monthlyMaximum": 8.76,
        "currency": "CHF",
        "unknownKinds": [],
        "lines": [
            {
                "kind": "Deployment", "name": "ledger", "namespace": "ledger-production", "pods": 2, "mostPods": 2,
                "cpu": 1.0, "memoryGib": 2.0, "storageGib": 0.0, "monthly": 8.76, "monthlyMaximum": 8.76, "notes": [],
            }
        ],
    }  # fmt: skip
    assert markdown.startswith("About **8.76 CHF a month**.\n\n| Object |")
    assert "at the platform's prices" in markdown
    assert list(workspace.iterdir()) == [workspace / "out"]


async def test_by_default_prices_it_says_so(workspace: Path) -> None:
    result = await run_action(estimate, {"files": ["out"]}, workspace=workspace)
    # 2 x (0.5 x 0.031611 + 0.004237) x 730
    assert (result.output["monthlyTotal"], result.output["currency"]) == (29.26, "USD")
    assert "at default prices" in result.output["markdown"]


async def test_by_prices_of_the_step(workspace: Path) -> None:
    given = {"files": ["out"], "prices": {**PRICES, "currency": "EUR", "cpuHour": 0.02}}
    result = await run_action(estimate, given, workspace=workspace, defaults=DEFAULTS)
    assert (result.output["monthlyTotal"], result.output["currency"]) == (16.06, "EUR")


async def test_more_than_the_limit_fails_and_says_what_to_do(workspace: Path) -> None:
    await run_action(estimate, {"files": ["out"], "limit": 8.76}, workspace=workspace, defaults=DEFAULTS)
    with pytest.raises(InputError, match=r"would cost 8\.76 CHF a month, more than 8\.75: ask for less"):
        await run_action(estimate, {"files": ["out"], "limit": 8.75}, workspace=workspace, defaults=DEFAULTS)


async def test_assumptions_come_from_the_platform_or_the_step(workspace: Path) -> None:
    daemon = {"manifests": DEPLOYMENT.replace("Deployment", "DaemonSet")}
    for more, expected in (({}, 17.52), ({"nodes": 1}, 4.38)):
        result = await run_action(estimate, daemon | more, workspace=workspace, defaults=DEFAULTS)
        assert result.output["monthlyTotal"] == expected


async def test_nothing_to_reckon_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There are no objects"):
        await run_action(estimate, {}, workspace=tmp_path)


@pytest.mark.parametrize("example", estimate.examples, ids=lambda example: example.description)
async def test_the_examples_are_real(example: Any, tmp_path: Path) -> None:
    (file,) = example.input["files"]
    target = tmp_path / file if file.endswith(".yaml") else tmp_path / file / "ledger.yaml"
    target.parent.mkdir(parents=True)
    target.write_text(DEPLOYMENT)
    result = await run_action(estimate, example.input, workspace=tmp_path, defaults=DEFAULTS)
    assert result.output["monthlyTotal"] > 0
