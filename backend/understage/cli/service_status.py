"""`understage service status`: what a running Understage tells of a service, for people or as JSON."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import typer

from understage.cli.catalog_status import guest_token
from understage.cli.console import fail, json_text, say

Report = dict[str, Any]

TIMEOUT = 30.0
NOT_WELL, NO_ANSWER = 1, 2
HEAD = ("ENVIRONMENT", "SYNC", "HEALTH", "PODS", "DEPLOYED", "REVISION", "IMAGES")


def show_service_status(name: str, url: str, token: str | None, *, as_json: bool) -> int:
    """Print it; returns the exit code."""
    url = url.rstrip("/")
    asked = f"{url}/api/understage/services/{quote(name, safe='')}/status"
    bearer = token or guest_token(url)
    try:
        headers = {} if bearer is None else {"authorization": f"Bearer {bearer}"}
        answer = httpx.get(asked, headers=headers, timeout=TIMEOUT, trust_env=False)
        body = answer.json()
        if answer.status_code != 200:
            fail(str(body["error"]["message"]))
            return NO_ANSWER
        if as_json:
            typer.echo(json_text(body))
        else:
            for line in _lines(body):
                say(_printable(line))
        return _exit_code(body)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as problem:
        fail(f"{asked} does not tell the status: {type(problem).__name__}: {problem}")
        return NO_ANSWER


def _exit_code(body: Report) -> int:
    applications = [each["application"] for each in body["environments"] if each["application"]]
    if any((each["sync"], each["health"]) != ("Synced", "Healthy") for each in applications):
        return NOT_WELL
    return 0 if body["healthy"] and body["complete"] else NO_ANSWER


def _lines(body: Report) -> Iterator[str]:
    rows = [_row(each) for each in body["environments"]]
    widths = [max(map(len, column)) for column in zip(HEAD, *rows, strict=True)]
    if rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(HEAD, widths, strict=True)).rstrip()
    for row, each in zip(rows, body["environments"], strict=True):
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        if message := (each["application"] or {}).get("message"):
            yield f"    {message}"
    if not rows:
        yield f"{body['entityRef']} runs nowhere that was asked."
    for source in body["sources"]:
        if not source["answers"]:
            yield f"Incomplete: {source['name']} {source['message']}."


def _row(environment: Report) -> tuple[str, ...]:
    application, workloads = environment["application"] or {}, environment["workloads"]
    ready, desired = (sum(each[key] for each in workloads) for key in ("ready", "desired"))
    return (
        environment["environment"],
        application.get("sync") or "-",
        application.get("health") or "-",
        f"{ready}/{desired}" if workloads else "-",
        application.get("deployedAt") or "-",
        (application.get("revision") or "-")[:8],
        " ".join(environment["images"] or ["-"]),
    )


def _printable(text: str) -> str:
    """What comes from elsewhere moves no cursor and sets no color."""
    return "".join(character if character.isprintable() else " " for character in text)
