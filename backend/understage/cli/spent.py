"""`understage cost show`: what a running service tells of costs."""

from typing import Any
from urllib.parse import quote

import typer

from understage.cli.console import json_text, say
from understage.cli.service_api import show_answer
from understage.cli.status_form import StatusForm

TIMEOUT = 90.0


def show_cost(name: str, url: str, token: str | None, form: StatusForm, *, of_namespace: bool) -> int:
    """Print it; returns the exit code."""

    def show(body: dict[str, Any]) -> int:
        if form == StatusForm.json:
            typer.echo(json_text(body))
        else:
            _print(body, "services" if of_namespace else "namespaces")
        return 0

    path = f"/api/understage/{'namespaces' if of_namespace else 'services'}/{quote(name, safe='')}/cost"
    return show_answer(url, path, token, show, what="costs", timeout=TIMEOUT)


def _print(body: dict[str, Any], parts: str) -> None:
    currency = body["currency"]
    for part in body[parts]:
        say(f"{part['monthly']:>12,.2f} {currency}  {part.get('namespace') or part.get('service')}")
    say(f"{body['monthly']:>12,.2f} {currency}  a month, as the last {body['window']['hours'] / 24:g} days went on")
    for name, amount in body["parts"].items():
        if amount:
            say(f"{amount / body['window']['hours'] * 730:>12,.2f} {currency}    {name}")
