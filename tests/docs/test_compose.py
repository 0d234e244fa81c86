"""docker-compose.yml and what it names: a compose client takes it, and files, hosts and ports fit together.

That the processes work together is proven in tests/contract/test_sidecar.py, from the same configuration files.
"""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.databases import require

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "docker-compose.yml"
HOST = re.compile(r"https?://([^/:]+):(\d+)/")


def compose() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
    return content


def compose_client() -> list[str] | None:
    """`docker compose` where Docker has it, else the older `docker-compose`."""
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]):
            done = subprocess.run([*command, "version"], capture_output=True, check=False)
            if done.returncode == 0:
                return command
    return None


def overlay(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / "docker" / name).read_text(encoding="utf-8"))
    return content


def test_a_compose_client_takes_the_file() -> None:
    client = compose_client()
    require(client, "install a compose client to check docker-compose.yml (Debian: apt-get install docker-compose)")
    assert client is not None
    done = subprocess.run([*client, "-f", str(COMPOSE), "config"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert set(yaml.safe_load(done.stdout)["services"]) == {"postgres", "understage", "backstage"}


def test_images_come_from_wherever_the_engine_gets_them() -> None:
    images = [service["image"] for service in compose()["services"].values() if "image" in service]
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    images += [line.split()[1] for line in lines if line.startswith("FROM ")]
    assert len(images) >= 3
    for image in images:
        name = re.sub(r"\$\{\w+:-(.*)\}", r"\1", image)
        first, slash, _ = name.partition("/")
        assert not slash or not re.search(r"[.:]|^localhost$", first), f"{image} names a registry"


@pytest.mark.parametrize("service", ["understage", "backstage"])
def test_configuration_files_are_where_the_commands_look(service: str) -> None:
    described = compose()["services"][service]
    command = described["command"]
    named = [command[i + 1] for i, part in enumerate(command) if part == "--config"]
    mounted = dict(reversed(volume.split(":")[:2]) for volume in described["volumes"] if volume.startswith("./"))
    copied = re.findall(r"^COPY (.+) \S+$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    in_image = {source for line in copied for source in line.split()}
    for file in named:
        source = mounted.get(file, file)
        assert (ROOT / source).is_file()
        assert file in mounted or Path(file).parts[0] in in_image
    assert all((ROOT / source).exists() for source in in_image)
    assert "app-config.yaml" in {Path(file).name for file in named}


@pytest.mark.parametrize(
    ("name", "service"), [("app-config.compose.yaml", "understage"), ("app-config.backstage.yaml", "backstage")]
)
def test_ports_and_neighbours_are_those_of_the_services(name: str, service: str) -> None:
    services, content = compose()["services"], overlay(name)
    published = {key: {port.rsplit(":", 1)[1] for port in value.get("ports", [])} for key, value in services.items()}
    assert {str(content["backend"]["listen"]["port"])} == published[service]
    assert content["backend"]["baseUrl"] == f"http://localhost:{content['backend']['listen']['port']}"
    for endpoint in content["discovery"]["endpoints"]:
        found = HOST.match(endpoint["target"]["internal"])
        assert found is not None
        host, port = found.groups()
        assert port in published[service if host == "localhost" else host]
        external = HOST.match(endpoint["target"]["external"])
        assert external is not None
        assert external.groups() == ("localhost", port)
    assert content["backend"]["database"]["connection"]["host"] in services
    assert (
        services[service]["environment"]["POSTGRES_PASSWORD"]
        == services["postgres"]["environment"]["POSTGRES_PASSWORD"]
    )


def test_pages_of_the_one_may_call_the_other() -> None:
    understage, backstage = overlay("app-config.compose.yaml"), overlay("app-config.backstage.yaml")
    assert understage["backend"]["cors"]["origin"] == backstage["app"]["baseUrl"]
