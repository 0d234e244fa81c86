"""What actions on charts and clusters do to the world of a trial, which is the plan of a template."""

from pathlib import Path

import pytest

from understage.errors import NotFoundError
from understage.scaffolder.authoring.world import Surroundings, World
from understage.sdk.testing import run_action
from understage_actions.argocd_sync import sync
from understage_actions.helm_push import push
from understage_actions.kubernetes_apply import apply
from understage_actions.kubernetes_wait import wait

DEPLOYMENT = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": 2}}


async def test_what_is_applied_is_ready_and_in_the_plan(tmp_path: Path) -> None:
    world = World(Surroundings(clusters=["east"]))
    step = {"manifests": DEPLOYMENT, "namespace": "shop", "wait": True}
    with pytest.raises(NotFoundError, match='namespaces "shop" not found'):
        await run_action(apply, step, workspace=tmp_path, ports=world.ports)
    shop = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
    both = {**step, "manifests": [DEPLOYMENT, shop], "clusterScoped": True}
    await run_action(apply, both, workspace=tmp_path, ports=world.ports)
    rolled_out = {"objects": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}], "namespace": "shop"}
    result = await run_action(wait, rolled_out, workspace=tmp_path, ports=world.ports)
    assert result.output["objects"][0]["status"]["availableReplicas"] == 2
    assert [effect.summary for effect in world.effects()] == [
        "apply Namespace shop on cluster east",
        "apply Deployment shop/web on cluster east",
    ]


async def test_a_pushed_chart_is_in_the_plan(tmp_path: Path) -> None:
    world = World(Surroundings())
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy" / "Chart.yaml").write_text("apiVersion: v2\nname: ledger\nversion: 1.0.0\n")
    package = await world.helm.registry.package(tmp_path / "deploy", tmp_path)
    step = {"path": package.name, "repository": "oci://registry.example.com/charts"}
    for _ in range(2):
        await run_action(push, step, workspace=tmp_path, ports=world.ports)
    assert [effect.summary for effect in world.effects()] == [
        "push chart oci://registry.example.com/charts/ledger:1.0.0"
    ]


async def test_a_sync_is_in_the_plan_and_ends_at_once(tmp_path: Path) -> None:
    world = World(Surroundings(argocd=["main"]))
    world.argocd[0].applications["ledger"] = {"metadata": {"name": "ledger"}, "spec": {"project": "payments"}}
    step = {"name": "ledger", "team": "payments"}
    result = await run_action(sync, step, workspace=tmp_path, ports=world.ports)
    assert (result.output["sync"], result.output["health"]) == ("Synced", "Healthy")
    assert "sync Application ledger of Argo CD main" in [effect.summary for effect in world.effects()]
