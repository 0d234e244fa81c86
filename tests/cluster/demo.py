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
import threading
from collections.abc import Sequence
from pathlib import Path

import yaml
from tests.cluster import tools
from tests.cluster.bench import BenchError, Platform

COMMANDS = ("git", "redis-server")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code: that of COMMAND, 0 when interrupted, 1 when a part did not start."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster.demo", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--config-out", type=Path, required=True, help="the app-config overlay to write")
    parser.add_argument("command", nargs="*", help="what to run against the platform, after --")
    asked = parser.parse_args(arguments)
    interrupted = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: interrupted.set())
    try:
        tools.build(report=_report)
        if lacking := tools.lacking((), COMMANDS):
            raise tools.MissingToolError("; ".join(lacking))
        with Platform.running(_report) as platform:
            _write_config(platform, asked.config_out)
            _describe(platform, asked.config_out)
            try:
                return _run(asked.command, interrupted) if asked.command else _wait(interrupted)
            finally:
                asked.config_out.unlink(missing_ok=True)  # its URLs and tokens are dead now
    except (tools.MissingToolError, BenchError) as error:
        print(error, file=sys.stderr)
        return 1


def _report(line: str) -> None:
    print(line, flush=True)


def _wait(interrupted: threading.Event) -> int:
    _report("Ctrl-C ends it.")
    interrupted.wait()
    return 0


def _run(command: Sequence[str], interrupted: threading.Event) -> int:
    """Run the command until it ends or we are interrupted (a Ctrl-C reaches it as well: it is in our group)."""
    with subprocess.Popen(command) as process:
        while process.poll() is None:
            if interrupted.wait(0.2):
                process.terminate()
                process.wait(30)
                return 0
        return process.returncode


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
