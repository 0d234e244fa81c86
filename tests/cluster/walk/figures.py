"""What the walk is measured by: Argo CD's own history."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.cluster.bench.process import wait_for
from tests.cluster.walk.names import ADOPTED, SERVICE, TEAM, THERE, Json
from tests.cluster.walk.walker import Walk


def be_measured(walk: Walk, started: datetime) -> None:
    """The figures are those of Argo CD's own history."""
    status = (walk.argocd.application(THERE) or {})["status"]
    (deployment,) = status["history"]
    deployed = datetime.fromisoformat(deployment["deployedAt"])
    healthy = datetime.fromisoformat(status["health"]["lastTransitionTime"])
    reached = (max(deployed, healthy) - started).total_seconds()
    begin, end = (datetime.now(UTC) + timedelta(hours=hours) for hours in (-12, 12))
    period = f"from={begin:%Y-%m-%dT%H:%M:%SZ}&to={end:%Y-%m-%dT%H:%M:%SZ}"

    def measured(service: str) -> Json | None:
        found = walk.ask(f"/api/understage/measures?service={service}&{period}")["measures"]
        return found if found["timeToProduction"]["count"] else None

    found = wait_for("the measures", lambda: measured(SERVICE), 60)
    assert found["timeToProduction"]["medianSeconds"] == pytest.approx(reached, abs=1)
    assert found["deploymentFrequency"]["deployments"] == 1
    assert found["changeFailureRate"] == {"deployments": 1, "failed": 0, "rate": 0}
    commit = walk.gitea.request("GET", f"/repos/{TEAM}/{SERVICE}/git/commits/{deployment['revision']}").json()
    committed = datetime.fromisoformat(commit["commit"]["committer"]["date"])
    assert found["leadTime"]["medianSeconds"] == (deployed - committed).total_seconds()
    told = walk.command("measures", "show", "--service", SERVICE)
    assert told["measures"]["deploymentFrequency"]["deployments"] == 1
    wait_for("what was adopted in the catalog", lambda: walk.entity("component", ADOPTED), 60)
    adopted = wait_for("the measures of what was adopted", lambda: measured(ADOPTED), 60)
    assert adopted["deploymentFrequency"]["deployments"] == 1
    both = walk.ask(f"/api/understage/measures?team={TEAM}&{period}")["measures"]
    assert both["deploymentFrequency"]["deployments"] == 2
    walk.tell(f"measured: {reached:.0f} s from the form to production")
