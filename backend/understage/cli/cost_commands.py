"""`understage cost …`: what manifests will cost, and what services did cost."""

from pathlib import Path
from typing import Annotated

import typer

from understage.cli.service_options import ADDRESS, TokenOption, UrlOption
from understage.cli.status_form import StatusForm

app = typer.Typer(help="What services cost: before they are made, and as they run.", no_args_is_help=True)

ConfigOption = Annotated[
    list[Path] | None,
    typer.Option("--config", help="A configuration file; may be repeated, later ones win. Default: app-config.yaml."),
]
FormOption = Annotated[StatusForm, typer.Option("--format", help="For people or for programs.")]


@app.command("estimate")
def estimate(
    paths: Annotated[list[Path], typer.Argument(help="Manifests: files, folders, or - for the standard input.")],
    config: ConfigOption = None,
    form: FormOption = StatusForm.table,
    limit: Annotated[float | None, typer.Option(min=0, help="Exit code 1 when a month costs more.")] = None,
) -> None:
    """Estimate what manifests cost a month, at the prices of `understage.costs`. Offline.

    Exit codes: 0 it is reckoned, 1 it is more than --limit, 2 it could not be read.

    Examples:
      helm template ledger deploy | understage cost estimate -
      understage cost estimate deploy/manifests --limit 200 --format json
    """
    from understage.cli.costs import estimate_manifests

    raise typer.Exit(estimate_manifests(paths, config or [], form, limit))


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="Name of the component; with --cluster-namespace of the namespace.")],
    url: UrlOption = ADDRESS,
    token: TokenOption = None,
    of_namespace: Annotated[
        bool, typer.Option("--cluster-namespace", help="Of a namespace of the cluster, not of a service.")
    ] = False,
    form: FormOption = StatusForm.table,
) -> None:
    """Show what a service, or a namespace of the cluster, costs a month as it runs, as OpenCost tells it.

    Exit code 2 when nobody tells.

    Examples:
      understage cost show ledger
      understage cost show ledger-production --cluster-namespace --format json
    """
    from understage.cli.spent import show_cost

    raise typer.Exit(show_cost(name, url, token, form, of_namespace=of_namespace))
