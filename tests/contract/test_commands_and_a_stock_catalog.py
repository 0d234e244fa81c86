"""Commands without a server over the catalog of a stock backend, as the guide's CI job asks it: by the files of its example."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.contract.backend import StockBackend, free_port, place, write_overlay
from tests.contract.files import serving
from tests.contract.installation import ROOT, Installation
from tests.databases import PostgresServer

EXAMPLE = ROOT / "docs/examples/by-git"
TOKEN = "of-the-job-that-runs-requests"


@pytest.mark.timeout(300)
def test_a_stock_catalog_answers_the_token_of_the_job(
    stock_installation: Installation, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    port = free_port()
    overlay = place(port, postgres_server.url("postgres"), tmp_path)
    job = tmp_path / "job"
    job.mkdir()
    (job / "app-config.yaml").write_text('backend: {baseUrl: "http://localhost:7007"}\n')
    given = {"CATALOG_TOKEN": TOKEN, "CATALOG_URL": f"http://127.0.0.1:{port}/api/catalog"}
    with serving() as files:
        overlay["backend"]["reading"] = {"allow": [{"host": files.address}]}
        place_file = write_overlay(tmp_path / "place.yaml", overlay)
        configs = [ROOT / "app-config.yaml", place_file, EXAMPLE / "rights/catalog.yaml"]
        with StockBackend.running(stock_installation, tmp_path, configs, port=port, environment=given) as stock:
            registered = run(job, given, "catalog:register", catalogInfoUrl=f"{files.url}/one.yaml")
            assert registered["output"]["entityRef"] == "component:default/http-one"
            found = run(job, given, "catalog:fetch", entityRef="group:default/platform")["output"]["entity"]
            assert found["kind"] == "Group"
            by_uid = f"/api/catalog/entities/by-uid/{found['metadata']['uid']}"
            assert stock.request("DELETE", by_uid, token=TOKEN).status_code == 403
            foreign = {**given, "CATALOG_TOKEN": "of-somebody-else"}
            refused = run(job, foreign, "catalog:fetch", entityRef="group:default/platform")
            assert "understage.commands.token" in refused["error"]["message"]


def run(folder: Path, environment: dict[str, str], action: str, **input: str) -> dict[str, Any]:
    """What `understage action run` tells, in the place of the CI job."""
    command = [str(Path(sys.executable).with_name("understage")), "action", "run", action, "--json"]
    command += ["--config", "app-config.yaml", "--config", str(EXAMPLE / "ci/catalog.yaml")]
    command += [part for name, value in input.items() for part in ("--set", f"{name}={value}")]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, check=False, timeout=120
    )
    told: dict[str, Any] = json.loads(done.stdout)
    return told
