"""`understage service status`: what a running Understage tells of a service, for people or as JSON."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import typer

from understage.cli.console import json_text, printable, say
from understage.cli.service_api import NO_ANSWER, show_answer

Report = dict[str, Any]

TIMEOUT = 30.0
NOT_WELL = 1
HEAD = ("ENVIRONMENT", "SYNC", "HEALTH", "PODS", "DEPLOYED", "REVISION", "IMAGES")


def show_service_status(name: str, url: str, token: str | None, *, as_json: bool) -> int:
    """Print it; returns the exit code."""

    def show(body: Report) -> int:
        if as_json:
            typer.echo(json_text(body))
        else:
            for line in _lines(body):
                say(printable(line))
        return _exit_code(body)

    path = f"/api/understage/services/{quote(name, safe='')}/status"
    return show_answer(url, path, token, show, what="the status", timeout=TIMEOUT)


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
