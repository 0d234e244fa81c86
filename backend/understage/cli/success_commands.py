"""`understage measures …`: how soon and how often teams deliver, asked of a running service."""

from pathlib import Path
from typing import Annotated

import typer

from understage.cli.service_options import ADDRESS, TokenOption, UrlOption

app = typer.Typer(help="Measures of success: how soon and how often teams deliver, what breaks.", no_args_is_help=True)

JsonOption = Annotated[bool, typer.Option("--json", help="The answer as JSON instead of lines.")]


@app.command("show")
def show(
    url: UrlOption = ADDRESS,
    token: TokenOption = None,
    service: Annotated[str | None, typer.Option(help="Only this component.")] = None,
    team: Annotated[str | None, typer.Option(help="Only the components that this group owns.")] = None,
    system: Annotated[str | None, typer.Option(help="Only the components of this system.")] = None,
    begin: Annotated[str | None, typer.Option("--from", help="A date or a time; 30 days ago by default.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="A date or a time, not included; now by default.")] = None,
    json: JsonOption = False,
) -> None:
    """Show the measures of a period: time to production, deployments, lead time, failures, restoring, tickets, satisfaction.

    Exit code 2 when the service does not answer.

    Examples:
      understage measures show
      understage measures show --team books --from 2026-03-01 --to 2026-04-01
      understage measures show --service ledger --json
    """
    from understage.cli.measures import show_measures

    query = {"service": service, "team": team, "system": system, "from": begin, "to": end}
    show_measures(url, token, {name: value for name, value in query.items() if value is not None}, as_json=json)


@app.command("import-tickets")
def import_tickets(
    file: Annotated[
        Path, typer.Argument(help="A .csv file with a head line, or a .json file.", exists=True, dir_okay=False)
    ],
    source: Annotated[str, typer.Option(help="The system that the tickets come from, such as jira.")],
    url: UrlOption = ADDRESS,
    token: TokenOption = None,
    json: JsonOption = False,
) -> None:
    """Import tickets of another system: their ids, times, component and team, and nothing else of them.

    Importing the same tickets again replaces them. Exit code 2 when the service does not take them; then none is stored.

    Examples:
      understage measures import-tickets tickets.csv --source jira
      understage measures import-tickets tickets.json --source servicenow --json
    """
    from understage.cli.measures import import_tickets as run

    run(url, token, file, source, as_json=json)
