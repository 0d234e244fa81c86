"""The measures of success of a real Argo CD: a service is deployed, breaks, and is restored; the figures are its own times."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from tests.cluster.bench import Platform
from tests.store.service_bench import ServiceBench, running_service

from understage.integrations.argocd import argocd_from_config
from understage.integrations.kubernetes import clusters_from_config
from understage.sdk.testing import fake_ports, run_action
from understage_actions.argocd_register_app import register_app
from understage_actions.kubernetes_create_namespace import create_namespace

TEAM, SERVICE, APPLICATION = "metrology", "scales", "scales-production"
COMPONENT = {
    "apiVersion": "backstage.io/v1alpha1",
    "kind": "Component",
    "metadata": {"name": SERVICE, "annotations": {"argocd/app-name": APPLICATION}},
    "spec": {"type": "service", "lifecycle": "production", "owner": f"group:default/{TEAM}"},
}
CHART = "apiVersion: v2\nname: scales\nversion: 1.0.0\n"


def deployment(version: str, **pod: Any) -> str:
    """A Deployment that gives up on its pods after five seconds."""
    restricted = {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}}
    container = {
        "name": SERVICE,
        "image": f"registry.example.com/metrology/scales:{version}",
        "resources": {name: {"cpu": "10m", "memory": "16Mi"} for name in ("requests", "limits")},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    labels = {"app.kubernetes.io/name": SERVICE}
    manifest = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": SERVICE, "labels": labels},
        "spec": {
            "replicas": 1,
            "progressDeadlineSeconds": 5,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"securityContext": restricted, "containers": [container], **pod},
            },
        },
    }
    return yaml.safe_dump(manifest)


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).astimezone(UTC).timestamp()


def publish(platform: Platform, message: str, manifest: str) -> None:
    files = {
        "deploy/Chart.yaml": CHART,
        "deploy/values.yaml": "{}\n",
        "deploy/templates/scales.yaml": manifest,
    }
    platform.gitea.commit(TEAM, SERVICE, files, message)


def newest_commit(platform: Platform) -> tuple[str, float]:
    """Hash and time of the newest commit, as the forge has it."""
    commit = platform.gitea.request("GET", f"/repos/{TEAM}/{SERVICE}/commits?limit=1").json()[0]
    return commit["sha"], seconds(commit["commit"]["committer"]["date"])


async def observe(platform: Platform, bench: ServiceBench, health: str, revision: str) -> tuple[float, float]:
    """Wait for the health with the revision, then have the service look: times of the sync and of the health."""
    from tests.cluster.bench.process import wait_for

    def found() -> Any:
        status = (platform.argocd.application(APPLICATION) or {}).get("status", {})
        history = status.get("history") or [{}]
        ran = history[-1].get("revisions") or [history[-1].get("revision")]
        return status if revision in ran and status["health"]["status"] == health else None

    status = wait_for(f"{health} with {revision}", found, 120)
    await bench.service.measures.collection.run()
    return seconds(status["history"][-1]["deployedAt"]), seconds(status["health"]["lastTransitionTime"])


async def measures(bench: ServiceBench) -> Any:
    begin, end = (datetime.now(UTC) + timedelta(hours=hours) for hours in (-12, 12))
    query = f"service={SERVICE}&from={begin:%Y-%m-%dT%H:%M:%SZ}&to={end:%Y-%m-%dT%H:%M:%SZ}"
    answer = await bench.get(f"/api/understage/measures?{query}")
    assert answer.status_code == 200, answer.text
    return answer.json()["measures"]


async def test_deploy_break_restore(platform: Platform, tmp_path: Path) -> None:
    platform.gitea.create_organization(TEAM)
    platform.gitea.create_repository(TEAM, SERVICE, private=True)
    publish(platform, "Weigh", deployment("1.0.0"))
    config = platform.app_config()
    ports = fake_ports(clusters=clusters_from_config(config), argocd=argocd_from_config(config))
    where = {"namespace": APPLICATION, "team": TEAM, "environment": "production"}
    overlay = {"argocd": config["argocd"], "understage": {"measures": {"enabled": False}}}
    async with running_service(tmp_path, [COMPONENT], overlay=overlay) as bench:
        first, first_at = newest_commit(platform)
        await run_action(create_namespace, where, workspace=tmp_path, ports=ports)
        step = {
            **where,
            "name": APPLICATION,
            "repoUrl": platform.gitea.clone_url(TEAM, SERVICE),
            "valueFiles": ["deploy/values.yaml"],
        }
        await run_action(register_app, step, workspace=tmp_path, ports=ports)
        deployed, healthy = await observe(platform, bench, "Healthy", first)
        before = await measures(bench)
        reached = max(deployed, healthy) - first_at
        assert before["timeToProduction"]["count"] == 1
        assert before["timeToProduction"]["medianSeconds"] == reached
        assert before["leadTime"]["medianSeconds"] == deployed - first_at
        assert before["changeFailureRate"] == {"deployments": 1, "failed": 0, "rate": 0}

        # Its pods find no node.
        publish(platform, "Weigh more", deployment("1.1.0", nodeSelector={"scales": "none"}))
        second, second_at = newest_commit(platform)
        broken, degraded = await observe(platform, bench, "Degraded", second)
        during = await measures(bench)
        assert during["changeFailureRate"] == {"deployments": 2, "failed": 1, "rate": 0.5}
        assert during["timeToRestore"]["open"] == 1

        publish(platform, "Weigh again", deployment("1.1.1"))
        third, third_at = newest_commit(platform)
        mended, restored = await observe(platform, bench, "Healthy", third)
        for _ in range(2):
            await bench.service.measures.collection.run()
        after = await measures(bench)
        assert after["changeFailureRate"] == {"deployments": 3, "failed": 1, "rate": round(1 / 3, 4)}
        restoring = max(mended, restored) - degraded
        assert restoring > 0
        assert (after["timeToRestore"]["count"], after["timeToRestore"]["open"]) == (1, 0)
        assert after["timeToRestore"]["medianSeconds"] == restoring
        leads = sorted([deployed - first_at, broken - second_at, mended - third_at])
        assert after["leadTime"] == {
            "count": 3,
            "medianSeconds": leads[1],
            "meanSeconds": round(sum(leads) / 3, 4),
            "skewed": 0,
            "unknown": 0,
        }
        assert after["timeToProduction"]["medianSeconds"] == reached
