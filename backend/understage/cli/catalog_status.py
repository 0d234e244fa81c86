"""`understage catalog status`: what a running catalog reports of its files and entities, for people or as JSON."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import typer

from understage.cli.console import fail, printable, say
from understage.cli.service_api import NO_ANSWER, authorization
from understage.cli.status_form import StatusForm

Report = dict[str, Any]

PATH = "/api/catalog/understage/v1/reports"
PAGE = 500
TIMEOUT = 30.0
HEAD = ("OUTCOME", "ENTITY", "FAILING SINCE", "LAST READ", "NEXT READ")
WRONG = ("errors", "never-admitted")


def show_status(url: str, token: str | None, filters: Mapping[str, str], *, everything: bool, form: StatusForm) -> None:
    """Print the reports. Exit code 1 when one of them tells of something wrong, 2 when the catalog does not answer."""
    url = url.rstrip("/")
    reports = list(_fetch(url + PATH, authorization(url, token), filters, () if everything else WRONG))
    wrong = [report for report in reports if report["outcome"] in WRONG]
    if form == StatusForm.json:
        typer.echo(json.dumps({"items": reports}, indent=2, ensure_ascii=False))
    else:
        _print_table(reports)
        say(_summary(len(wrong)))
    if wrong:
        raise typer.Exit(1)


def _fetch(
    url: str, headers: Mapping[str, str], filters: Mapping[str, str], outcomes: tuple[str, ...]
) -> Iterator[Report]:
    query: dict[str, Any] = {**filters, "limit": PAGE, **({"outcome": list(outcomes)} if outcomes else {})}
    with httpx.Client(headers=headers, timeout=TIMEOUT, trust_env=False) as client:
        while True:
            page = _ask(client, url, query)
            yield from page["items"]
            cursor = page["pageInfo"].get("nextCursor")
            if cursor is None:
                return
            query["cursor"] = cursor


def _ask(client: httpx.Client, url: str, query: Mapping[str, Any]) -> dict[str, Any]:
    try:
        answer = client.get(url, params=query)
        body = answer.json()
        if answer.status_code == 200:
            return {"items": list(body["items"]), "pageInfo": dict(body["pageInfo"])}
        error = body.get("error", {}) if isinstance(body, dict) else {}
        reason = f"{answer.status_code} {error.get('name', '')}: {error.get('message', '')}"
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as problem:
        reason = f"{type(problem).__name__}: {problem}"
    fail(f"{url} does not answer with reports: {reason}")
    raise typer.Exit(NO_ANSWER)


def _print_table(reports: list[Report]) -> None:
    """A row an entity; below it a line each thing that is wrong with it, and the text that it is about."""
    rows = [
        (
            report["outcome"],
            report["entityRef"],
            report.get("failingSince") or "",
            report["lastReadAt"] or "never",
            report["nextReadAt"],
        )
        for report in reports
    ]
    widths = [max(map(len, column)) for column in zip(HEAD, *rows, strict=True)]
    for row, report in zip((HEAD, *rows), (None, *reports), strict=True):
        cells = (printable(cell).ljust(width) for cell, width in zip(row, widths, strict=True))
        if reports:
            say("  ".join(cells).rstrip())
        for line in _lines(report) if report is not None else ():
            say(f"    {printable(line)}")


def _lines(report: Report) -> Iterator[str]:
    for error in report["errors"]:
        place = ":".join(str(error[key]) for key in ("file", "line", "column") if key in error)
        message = f"{error['name']}: {error['message']}".removesuffix(f", at {place}")
        yield f"{place or report['location']}: {message}"
        if text := str(error.get("text", "")).strip():
            yield f"    {text}"
    for conflict in report["conflicts"]:
        holder, claimant = (_claimant(conflict[side]) for side in ("holder", "claimant"))
        yield f"{conflict['entityRef']} is claimed twice: {holder} has the name, {claimant} does not get it"


def _claimant(side: Mapping[str, str | None]) -> str:
    return f"{side['location'] or 'an entity'} (from {side['source']})"


def _summary(count: int) -> str:
    if count == 0:
        return "Nothing is wrong."
    return "Something is wrong with one entity." if count == 1 else f"Something is wrong with {count} entities."
