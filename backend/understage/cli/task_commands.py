"""`understage task …`: tasks of the configuration's database, without a server."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Tasks of this configuration's database, without a server.", no_args_is_help=True)


@app.callback()
def tasks() -> None:
    """Tasks of this configuration's database, without a server."""


@app.command()
def undo(
    task_id: Annotated[str, typer.Argument(help="The task's id.", metavar="TASK")],
    config: Annotated[
        list[Path] | None, typer.Option("--config", help="A configuration file; may be repeated, later ones win.")
    ] = None,
    dry: Annotated[bool, typer.Option("--dry-run", help="Say what would be taken away.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON value instead of lines.")] = False,
) -> None:
    """Take away what a task made, the last first, and nothing that was there before it.

    What is gone already is done; what others have changed since is left, and the log says so. Exit codes: 0 it
    ran, 1 it failed, 2 it could not be run, 130 it was interrupted.

    Examples:
      understage task undo 6f1d9f0e-2b0c-4c0e-9d58-4a2f4d1a7c11 --dry-run
      understage task undo 6f1d9f0e-2b0c-4c0e-9d58-4a2f4d1a7c11
    """
    from understage.cli.real_runs import Surroundings
    from understage.cli.task_undo import undo_task

    raise typer.Exit(undo_task(task_id, Surroundings(config or [], is_dry_run=dry, as_json=json)))
