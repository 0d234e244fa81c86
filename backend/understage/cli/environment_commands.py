"""`understage environment …`: environments and databases that end."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Environments and databases that end.", no_args_is_help=True)


@app.callback()
def environments() -> None:
    """Environments and databases that end."""


@app.command("expire")
def expire(
    at: Annotated[
        str | None, typer.Option("--at", help="As of this time in UTC, as 2030-01-31T08:00:00Z; default: now.")
    ] = None,
    pull_request: Annotated[
        bool, typer.Option("--pull-request", help="Open a pull request in place of a commit.")
    ] = False,
    dry: Annotated[bool, typer.Option("--dry-run", help="Say what has ended; nothing is removed.")] = False,
    config: Annotated[
        list[Path] | None, typer.Option("--config", help="A configuration file; may be repeated, later ones win.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON value instead of lines.")] = False,
) -> None:
    """Remove what has ended from the GitOps repository of the configuration; Argo CD then removes what it was.

    For a CronJob or CI where no service runs, which does it by itself. Exit codes: 0 it ran, 1 it failed, 2 it could not be run.

    Examples:
      understage environment expire --dry-run
      understage environment expire --config app-config.yaml --pull-request
    """
    from understage.cli.action_runs import ActionCommand, run_action
    from understage.cli.real_runs import Surroundings

    members = [f"pullRequest={str(pull_request).lower()}", *([f"at={at}"] if at is not None else [])]
    surroundings = Surroundings(config or [], is_dry_run=dry, as_json=json)
    raise typer.Exit(run_action(ActionCommand("environment:expire", None, members, surroundings)))
