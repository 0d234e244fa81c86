"""`understage action …`: any installed action by itself, without a server."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Actions by themselves, with what the configuration names. No server.", no_args_is_help=True)

JsonOption = Annotated[bool, typer.Option("--json", help="One JSON value instead of lines.")]
ActionArgument = Annotated[str, typer.Argument(help="The action's id, such as publish:repository.", metavar="ACTION")]


@app.command("list")
def list_all(
    search: Annotated[str | None, typer.Argument(help="Only ids with this text.", metavar="TEXT")] = None,
    json: JsonOption = False,
) -> None:
    """List the installed actions, those of other packages too.

    Examples:
      understage action list
      understage action list kubernetes
    """
    from understage.cli.action_runs import list_actions

    raise typer.Exit(list_actions(search, as_json=json))


@app.command()
def show(action: ActionArgument, json: JsonOption = False) -> None:
    """Show an action's input, output and examples.

    Examples:
      understage action show gitops:commit
    """
    from understage.cli.action_runs import show_action

    raise typer.Exit(show_action(action, as_json=json))


@app.command()
def run(
    action: ActionArgument,
    input: Annotated[Path | None, typer.Option("--input", help="A YAML or JSON file with the action's input.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="A member of the input, as name=value (read as YAML); wins.")
    ] = None,
    secrets: Annotated[Path | None, typer.Option("--secrets", help="A YAML or JSON file with secrets.")] = None,
    secret: Annotated[
        list[str] | None,
        typer.Option(
            "--secret", help="A secret, as name=VARIABLE of the environment; the input has `${{ secrets.name }}`."
        ),
    ] = None,
    workspace: Annotated[
        Path | None,
        typer.Option("--workspace", help="The folder that the action works in; default: one that is gone afterwards."),
    ] = None,
    root: Annotated[
        list[Path] | None, typer.Option("--root", help="A folder to fetch from as a whole; may be repeated.")
    ] = None,
    config: Annotated[
        list[Path] | None, typer.Option("--config", help="A configuration file; may be repeated, later ones win.")
    ] = None,
    dry: Annotated[bool, typer.Option("--dry-run", help="Say what it would do; nothing is made.")] = False,
    json: JsonOption = False,
) -> None:
    """Run an action as the only step of a task, with the forges and clusters of the configuration, and follow its log.

    Exit codes: 0 it ran, 1 it failed, 2 it could not be run, 130 it was interrupted.

    Examples:
      understage action run policy:check --workspace deploy --set 'files=[manifests.yaml]'
      understage action run kubernetes:create-namespace --input namespace.yaml --dry-run
      understage action run publish:gitea --input input.yaml --workspace service --secret token=GITEA_TOKEN --json
    """
    from understage.cli.action_runs import ActionCommand, run_action
    from understage.cli.real_runs import Surroundings

    surroundings = Surroundings(
        config or [], root or [], secrets, secret or [], workspace, is_dry_run=dry, as_json=json
    )
    raise typer.Exit(run_action(ActionCommand(action, input, set_ or [], surroundings)))
