"""`understage service …`: services as they run."""

from typing import Annotated

import typer

from understage.cli.service_options import ADDRESS, TokenOption, UrlOption

app = typer.Typer(help="Services as they run.", no_args_is_help=True)


@app.callback()
def service() -> None:
    """Services as they run."""
    # With a callback `status` stays a command of its own, though it is the only one.


@app.command("status")
def status(
    name: Annotated[str, typer.Argument(help="Name of the component.")],
    url: UrlOption = ADDRESS,
    token: TokenOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Say how a service runs in each environment: sync, health, images, last deployment, by Argo CD and the clusters.

    Exit codes: 0 everything is Synced and Healthy, 1 something is not, 2 it cannot be told: the service is not known, runs
    nowhere, or somebody who was asked did not answer.

    Examples:
      understage service status ledger
      understage service status ledger --json --url https://understage.example.com
    """
    from understage.cli.service_status import show_service_status

    raise typer.Exit(show_service_status(name, url, token, as_json=as_json))
