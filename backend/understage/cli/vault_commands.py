"""`understage vault …`: what Vault has to know of the platform."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="What Vault has to know of the platform.", no_args_is_help=True)


@app.callback()
def vault() -> None:
    """What Vault has to know of the platform."""


@app.command("access")
def access(
    folder: Annotated[Path, typer.Argument(help="A checkout of the GitOps repository.")] = Path(),
    team: Annotated[str | None, typer.Option("--team", help="One team; default: all of them.")] = None,
    config: Annotated[
        list[Path] | None, typer.Option("--config", help="A configuration file; may be repeated, later ones win.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Policies and roles as JSON, for programs.")] = False,
) -> None:
    """Print the policies and roles that Vault needs for the namespaces of the GitOps repository, as commands of `vault`.

    Offline, and no secret is read or written. An administrator of Vault runs what is printed; running it again changes nothing.
    Exit codes: 0 it is printed, 1 a file is wrong, 2 it could not be read.

    Examples:
      understage vault access ../gitops --team payments
      understage vault access ../gitops | sh
    """
    from understage.cli.vault_access import print_access

    raise typer.Exit(print_access(folder, team, config or [], as_json=json))
