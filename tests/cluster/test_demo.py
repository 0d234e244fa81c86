"""`python -m tests.cluster.demo`: a person starts a platform, connects to it, ends it."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from tests.cluster.bench.http import open_client
from tests.cluster.bench.process import wait_for

pytestmark = pytest.mark.usefixtures("platform_tools")


@contextmanager
def demo(config: Path, *command: str) -> Iterator[subprocess.Popen[str]]:
    line = [sys.executable, "-m", "tests.cluster.demo", "--config-out", str(config), *command]
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        line,
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=_as_in_the_background,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _as_in_the_background() -> None:
    # A shell without job control has SIGINT ignored in what it starts with &.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def answers(http: httpx.Client, config: dict[str, Any]) -> dict[str, int]:
    """What each part says to the credentials of the overlay."""
    [forge] = config["integrations"]["gitea"]
    [cluster] = config["kubernetes"]["clusterLocatorMethods"][0]["clusters"]
    [instance] = config["argocd"]["appLocatorMethods"][0]["instances"]

    def bearer(token: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {token}"}

    identity = (forge["username"], forge["password"])
    asked = {
        "gitea": http.get(f"{forge['baseUrl']}/api/v1/user", auth=identity),
        "kubernetes": http.get(f"{cluster['url']}/api/v1/nodes", headers=bearer(cluster["serviceAccountToken"])),
        "argocd": http.get(f"{instance['url']}/api/v1/applications", headers=bearer(instance["token"])),
    }
    return {name: answer.status_code for name, answer in asked.items()}


def test_it_connects_and_ends_when_interrupted(tmp_path: Path) -> None:
    overlay = tmp_path / "app-config.demo.yaml"
    with demo(overlay) as process, open_client() as http:
        wait_for("the overlay", lambda: overlay.exists() or None, 120)
        config = yaml.safe_load(overlay.read_text())
        assert overlay.stat().st_mode & 0o077 == 0
        assert answers(http, config) == {"gitea": 200, "kubernetes": 200, "argocd": 200}

        process.send_signal(signal.SIGINT)
        printed, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        assert config["integrations"]["gitea"][0]["password"] in printed
        assert not overlay.exists()
        with pytest.raises(httpx.ConnectError):
            answers(http, config)


def test_it_lasts_as_long_as_its_command(tmp_path: Path) -> None:
    overlay = tmp_path / "app-config.demo.yaml"
    with demo(overlay, "--", "sh", "-c", f"grep -c serviceAccountToken {overlay}; exit 7") as process:
        printed, _ = process.communicate(timeout=120)
        assert process.returncode == 7
        assert "\n1\n" in printed
