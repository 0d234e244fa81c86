"""Estimates of a service by hand: of what Helm renders, and of the same objects as a real API server stores them.

The server writes defaults into objects and quantities in another form; none of that may change what they cost.
"""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.bench import Cluster
from tests.cluster.test_kubernetes import reach
from tests.unit.skeletons.test_base_service import render_all

from understage.sdk.cost import PriceList, estimate_cost
from understage.sdk.testing import run_action
from understage.sdk.yaml import dump
from understage_actions.cost_estimate import estimate

NAMESPACE = "cost-probe"
PRICES = PriceList(
    currency="EUR",
    cpu_hour=Decimal("0.01"),
    memory_gib_hour=Decimal("0.001"),
    storage_gib_month=Decimal("0.10"),
    load_balancer_month=Decimal(20),
    is_own=True,
)
VALUES: dict[str, Any] = {
    "image": {"repository": "registry.example.com/payments/ledger", "tag": "1.0.0"},
    "resources": {"requests": {"cpu": "0.5", "memory": "1024Mi"}, "limits": {"cpu": "1", "memory": "1Gi"}},
    "autoscaling": {"enabled": True, "minReplicas": 3, "maxReplicas": 10},
}
CONTAINER = {"name": "app", "image": "registry.example.com/payments/ledger:1.0.0"}
# Equal amounts in the forms that people write, which the server does not keep.
SMALL = {"resources": {"requests": {"cpu": 0.25, "memory": "536870912"}}}
OTHERS: list[dict[str, Any]] = [
    {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "queue"},
        "spec": {
            "replicas": 2,
            "serviceName": "queue",
            "selector": {"matchLabels": {"app": "queue"}},
            "template": {
                "metadata": {"labels": {"app": "queue"}},
                "spec": {"containers": [{**CONTAINER, **SMALL}]},
            },
            "volumeClaimTemplates": [
                {
                    "metadata": {"name": "data"},
                    "spec": {
                        "accessModes": ["ReadWriteOnce"],
                        "resources": {"requests": {"storage": "10240Mi"}},
                    },
                }
            ],
        },
    },
    {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "closing"},
        "spec": {
            "schedule": "0 * * * *",
            "jobTemplate": {
                "spec": {
                    "activeDeadlineSeconds": 180,
                    "template": {
                        "spec": {
                            "restartPolicy": "Never",
                            "containers": [{**CONTAINER, "resources": {"limits": {"cpu": "2", "memory": "2Gi"}}}],
                        }
                    },
                }
            },
        },
    },
    {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "public"},
        "spec": {"type": "LoadBalancer", "selector": {"app": "queue"}, "ports": [{"port": 80}]},
    },
]
# Three pods of (0.5 x 0.01 + 1 x 0.001) x 730 = 4.38; ten of them when scaled out.
# Two of (0.25 x 0.01 + 0.5 x 0.001) x 730 = 2.19, each with 10 GiB at 0.10.
# 730 runs of 3 minutes are 36.5 hours of 2 x 0.01 + 2 x 0.001: limits are requests where there are none.
BY_HAND = {
    "Deployment ledger": ("13.14", "43.80"),
    "StatefulSet queue": ("6.38", "6.38"),
    "CronJob closing": ("0.80", "0.80"),
    "Service public": ("20.00", "20.00"),
}


def lines(objects: list[dict[str, Any]]) -> dict[str, tuple[str, str]]:
    found = estimate_cost(objects, PRICES)
    assert str(found.monthly) == "40.32"
    assert str(found.maximum) == "70.98"
    return {f"{line.kind} {line.name}": (str(line.monthly), str(line.maximum)) for line in found.lines}


@pytest.fixture
async def namespace(cluster: Cluster) -> Cluster:
    await reach(cluster).apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    return cluster


async def test_a_service_costs_what_it_costs_by_hand(namespace: Cluster, helm_binary: Path, tmp_path: Path) -> None:
    api = reach(namespace)
    rendered = await render_all(helm_binary, tmp_path, VALUES, NAMESPACE)
    placed = [{**item, "metadata": {**item["metadata"], "namespace": NAMESPACE}} for item in OTHERS]
    objects = [*rendered, *placed]
    assert lines(objects) == BY_HAND

    stored = []
    for item in objects:
        await api.apply(item)
        found = await api.get(item["apiVersion"], item["kind"], item["metadata"]["name"], NAMESPACE)
        assert found is not None
        stored.append(found)
    kept = next(item for item in stored if item["kind"] == "StatefulSet")["spec"]["template"]["spec"]["containers"][0]
    assert kept["resources"]["requests"]["cpu"] == "250m"
    assert lines(stored) == BY_HAND

    (tmp_path / "stored.yaml").write_text("---\n".join(dump(item) for item in stored))
    prices = {
        "currency": "EUR",
        "cpuHour": 0.01,
        "memoryGibHour": 0.001,
        "storageGibMonth": 0.1,
        "loadBalancerMonth": 20,
    }
    result = await run_action(estimate, {"files": ["stored.yaml"], "prices": prices}, workspace=tmp_path)
    assert (result.output["monthlyTotal"], result.output["monthlyMaximum"]) == (40.32, 70.98)
    assert result.output["unknownKinds"] == []
