"""What the figures were measured on: machine, versions, load."""

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import orjson
from tests.contract.installation import ROOT, Installation
from tests.databases import postgres_binary
from tests.perf.node import node_version

PACKAGES = ("@backstage/plugin-catalog-backend", "@backstage/backend-defaults")


def describe(installation: Installation | None) -> dict[str, str]:
    """Name and value of what a reader needs to compare figures."""
    postgres = postgres_binary("postgres")
    assert postgres is not None
    found = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": f"{os.cpu_count()} cores ({_processor()}), {_memory_gb()} GB, {platform.system()} {platform.release()}",
        "load before": " ".join(f"{value:.1f}" for value in os.getloadavg()),
        "PostgreSQL": _output(str(postgres), "--version").split()[2] + ", its own default settings",
        "Understage": f"{version('understage')} at {_output('git', '-C', str(ROOT), 'rev-parse', '--short', 'HEAD')}, "
        f"Python {sys.version.split()[0]}",
    }
    if installation is not None:
        names = [f"{name} {_package(installation, name)}" for name in PACKAGES]
        found["stock"] = ", ".join([*names, f"Node v{node_version(installation.node)}"])
    return found


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _package(installation: Installation, name: str) -> str:
    file = installation.packages / "node_modules" / name / "package.json"
    return str(orjson.loads(file.read_bytes())["version"])


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _memory_gb() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30))
