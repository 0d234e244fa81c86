"""A platform to play with: starts the bench, writes the app-config that connects to it, and stays up.

    python -m tests.cluster.demo --config-out FILE                  # until it is interrupted
    python -m tests.cluster.demo --config-out FILE -- COMMAND …     # for as long as COMMAND runs

FILE is complete when it appears. `understage up --config app-config.yaml --config FILE` connects to the platform.
`make demo` calls this.
"""

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import yaml
from tests.cluster import tools
from tests.cluster.bench import BenchError, Platform

COMMANDS = ("git", "redis-server")
OWNERS = ("platform", "payments", "storefront")
"""The teams of the sample organization in `catalog-info`: each has its repositories in an organization of the forge."""
COMMAND_SECONDS = 30.0


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code: that of COMMAND, 0 when interrupted, 1 when a part did not start."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster.demo", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--config-out", type=Path, required=True, help="the app-config overlay to write")
    parser.add_argument("command", nargs="*", help="what to run against the platform, after --")
    asked = parser.parse_args(arguments)
    for number in (signal.SIGINT, signal.SIGTERM):  # both end it as Ctrl-C does, wherever we are
        signal.signal(number, signal.default_int_handler)
    try:
        tools.build(report=_report)
        if lacking := tools.lacking((), COMMANDS):
            raise tools.MissingToolError("; ".join(lacking))
        with Platform.running(_report) as platform:
            for owner in OWNERS:
                platform.gitea.create_organization(owner)
            _write_config(platform, asked.config_out)
            _describe(platform, asked.config_out)
            try:
                return _run(asked.command) if asked.command else _wait()
            finally:
                asked.config_out.unlink(missing_ok=True)  # its URLs and tokens are dead now
    except (tools.MissingToolError, BenchError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


def _report(line: str) -> None:
    print(line, flush=True)


def _wait() -> NoReturn:
    _report("Ctrl-C ends it.")
    while True:
        signal.pause()


def _run(command: Sequence[str]) -> int:
    """Run the command to its end; when we are interrupted, end it first (Ctrl-C reaches it too, SIGTERM does not)."""
    process = subprocess.Popen(command)
    try:
        return process.wait()
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(COMMAND_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _write_config(platform: Platform, path: Path) -> None:
    """Write the overlay, readable by us alone, in one move."""
    staged = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write("# The platform started by `python -m tests.cluster.demo`; gone when it ends.\n")
        yaml.safe_dump(platform.app_config(), file, sort_keys=False)
    staged.rename(path)


def _describe(platform: Platform, config: Path) -> None:
    cluster, gitea, argocd = platform.cluster, platform.gitea, platform.argocd
    lines = [
        "",
        f"Gitea       {gitea.url}   user {gitea.username}   password {gitea.password}",
        f"Argo CD     {argocd.url}   user {argocd.username}   password {argocd.password}   (REST API, no pages)",
        f"            token {argocd.token}",
        f"Kubernetes  {cluster.url}   token {cluster.admin_token}",
        f"            kubectl --kubeconfig {cluster.kubeconfig} get pods -A",
        f"app-config  {config}",
        "",
    ]
    _report("\n".join(lines))


if __name__ == "__main__":
    sys.exit(main())
