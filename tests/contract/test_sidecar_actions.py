"""Actions across backends: a stock scaffolder calls those of our catalog, and our scaffolder those of the stock catalog."""

import time
from pathlib import Path
from typing import Any

import pytest
from tests.contract.backend import Backend
from tests.contract.files import ENTITIES
from tests.contract.installation import Installation
from tests.contract.sidecar import Sidecar, running_sidecar
from tests.databases import PostgresServer

TASKS = "/api/scaffolder/v2/tasks"


def run(scaffolder: Backend, token: str, template: str = "remote", **values: Any) -> tuple[str, dict[str, Any]]:
    """How a task of a template ends: its status, and what it told last."""
    order = {"templateRef": f"template:default/{template}", "values": {"kind": "system", "name": "checkout", **values}}
    created = scaffolder.request("POST", TASKS, token=token, json=order)
    assert created.status_code == 201, created.text
    path = f"{TASKS}/{created.json()['id']}"
    deadline = time.monotonic() + 30
    while True:
        status = scaffolder.request("GET", path, token=token).json()["status"]
        if status in ("completed", "failed"):
            break
        assert time.monotonic() < deadline
        time.sleep(0.1)
    events = scaffolder.request("GET", f"{path}/events", token=token).json()
    [completion] = [event["body"] for event in events if event["type"] == "completion"]
    return status, completion


@pytest.mark.parametrize("ours", ["catalog", "scaffolder"])
def test_a_scaffolder_calls_the_actions_of_the_other_backends_catalog(
    stock_installation: Installation,
    postgres_server: PostgresServer,
    tmp_path_factory: pytest.TempPathFactory,
    ours: str,
) -> None:
    folder = tmp_path_factory.mktemp(f"actions-{ours}")
    with running_sidecar(stock_installation, postgres_server.url("postgres"), folder, [ours]) as sidecar:
        scaffolder = sidecar.ours if ours == "scaffolder" else sidecar.stock
        listed = {
            action["id"]
            for action in scaffolder.request("GET", "/api/scaffolder/v2/actions", token=sidecar.token).json()
        }
        assert {"catalog:get-catalog-entity", "catalog:register-entity", "debug:log"} <= listed
        status, completion = run(scaffolder, sidecar.token)
        assert status == "completed", completion
        assert completion["output"] == {"name": "checkout", "names": ["System"]}
        assert_the_user_is_asked_about(sidecar, scaffolder)


def assert_the_user_is_asked_about(sidecar: Sidecar, scaffolder: Backend) -> None:
    """What the caller may not see is not there for the action either: it acts for the task's creator."""
    status, completion = run(scaffolder, sidecar.token, wrong="base-service")
    assert status == "failed"
    assert completion["error"]["message"].startswith("Request failed with 400 Bad Request")


OFFERED = ENTITIES / "templates" / "offered" / "template.yaml"


def test_a_stock_scaffolder_runs_our_actions(
    stock_installation: Installation, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    """Catalog and scaffolder are the stock backend's; of Understage it has the actions, by discovery and pluginSources."""
    database = postgres_server.url("postgres")
    with running_sidecar(stock_installation, database, tmp_path, ["understage"], locations=[str(OFFERED)]) as sidecar:
        stock, token = sidecar.stock, sidecar.token
        listed = {each["id"]: each for each in stock.request("GET", "/api/scaffolder/v2/actions", token=token).json()}
        ours = {"understage:argocd:register-app", "understage:kubernetes:apply", "understage:utils:serialize:yaml"}
        assert ours <= listed.keys()
        assert "debug:log" in listed, "and its own"
        assert set(listed["understage:kubernetes:apply"]["schema"]["input"]["properties"]) >= {"manifests", "cluster"}
        status, completion = run(stock, token, "offered", text="${{ secrets.any }}")
        assert status == "completed", completion
        assert completion["output"]["serialized"] == "kind: system\ntext: ${{ secrets.any }}\n", "rendered once"
        status, completion = run(stock, token, "offered", text="x", wrong="$sum(")
        assert status == "failed"
        assert completion["error"]["message"].startswith("Request failed with 400 Bad Request")
