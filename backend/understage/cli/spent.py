"""`understage cost show`: what a running service tells of costs."""

from typing import Any
from urllib.parse import quote

import httpx
import typer

from understage.cli.catalog_status import guest_token
from understage.cli.console import fail, json_text, say
from understage.cli.status_form import StatusForm

TIMEOUT = 90.0
NO_ANSWER = 2


def show_cost(name: str, url: str, token: str | None, form: StatusForm, *, of_namespace: bool) -> int:
    """Print it; returns the exit code."""
    url = url.rstrip("/")
    asked = f"{url}/api/understage/{'namespaces' if of_namespace else 'services'}/{quote(name, safe='')}/cost"
    bearer = token or guest_token(url)
    try:
        headers = {} if bearer is None else {"authorization": f"Bearer {bearer}"}
        answer = httpx.get(asked, headers=headers, timeout=TIMEOUT, trust_env=False)
        body = answer.json()
        if answer.status_code != 200:
            fail(str(body["error"]["message"]))
            return NO_ANSWER
        if form == StatusForm.json:
            typer.echo(json_text(body))
        else:
            _print(body, "services" if of_namespace else "namespaces")
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as problem:
        fail(f"{asked} does not tell costs: {type(problem).__name__}: {problem}")
        return NO_ANSWER
    return 0


def _print(body: dict[str, Any], parts: str) -> None:
    currency = body["currency"]
    for part in body[parts]:
        say(f"{part['monthly']:>12,.2f} {currency}  {part.get('namespace') or part.get('service')}")
    say(f"{body['monthly']:>12,.2f} {currency}  a month, as the last {body['window']['hours'] / 24:g} days went on")
    for name, amount in body["parts"].items():
        if amount:
            say(f"{amount / body['window']['hours'] * 730:>12,.2f} {currency}    {name}")
