"""The work of `understage measures`: asks a running service over HTTP, prints for people or as JSON."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import typer

from understage.cli.console import fail, json_text, say
from understage.cli.service_api import NO_ANSWER, authorization

PATH = "/api/understage/measures"
TIMEOUT = 120.0
MINUTE, HOUR, DAY = 60, 3600, 86_400


def show_measures(url: str, token: str | None, query: Mapping[str, str], *, as_json: bool) -> None:
    """Print the measures. Exit code 2 when there is no answer."""
    answer = _ask("GET", url, token, PATH, params=query)
    if as_json:
        typer.echo(json_text(answer))
        return
    count = len(answer["services"])
    say(f"{answer['from']} to {answer['to']}, {count} {'component' if count == 1 else 'components'}")
    for name, figure in _lines(answer["measures"]):
        say(f"  {name:<21} {figure}")


def import_tickets(url: str, token: str | None, file: Path, source: str, *, as_json: bool) -> None:
    """Send a file of tickets. Exit code 2 when it is not taken."""
    forms = {".csv": "text/csv", ".json": "application/json"}
    form = forms.get(file.suffix.lower())
    if form is None:
        fail(f"{file} is neither .csv nor .json: name it by what it is")
        raise typer.Exit(NO_ANSWER)
    headers = {"content-type": form}
    answer = _ask(
        "POST", url, token, f"{PATH}/tickets", params={"source": source}, content=file.read_bytes(), headers=headers
    )
    if as_json:
        typer.echo(json_text(answer))
    else:
        say(f"{answer['tickets']} tickets of {source} are stored.")


def _ask(method: str, url: str, token: str | None, path: str, **request: Any) -> dict[str, Any]:
    url = url.rstrip("/")
    headers = {**request.pop("headers", {}), **authorization(url, token)}
    try:
        answer = httpx.request(method, url + path, headers=headers, timeout=TIMEOUT, trust_env=False, **request)
        body = answer.json()
        if answer.status_code == 200:
            return dict(body)
        error = body.get("error", {})
        reason = f"{answer.status_code} {error.get('name', '')}: {error.get('message') or 'not allowed'}"
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, AttributeError) as problem:
        reason = f"{type(problem).__name__}: {problem}"
    fail(f"{url}{path} does not take this: {reason}")
    raise typer.Exit(NO_ANSWER)


def _lines(measures: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    def median(name: str, rest: str) -> str:
        figure = measures[name]
        return f"{_duration(figure['medianSeconds'])} (median of {figure['count']}{rest})"

    production, lead, restore = measures["timeToProduction"], measures["leadTime"], measures["timeToRestore"]
    frequency, failures = measures["deploymentFrequency"], measures["changeFailureRate"]
    tickets, satisfaction = measures["tickets"], measures["satisfaction"]
    yield "time to production", median("timeToProduction", f"; {production['waiting']} not there yet")
    yield "deployment frequency", f"{frequency['perWeek']:g} a week ({frequency['deployments']} changes)"
    yield "lead time", median("leadTime", f"; {lead['unknown']} unknown, {lead['skewed']} skewed")
    rate = "none" if failures["rate"] is None else f"{failures['rate']:.1%}"
    yield "change failure rate", f"{rate} ({failures['failed']} of {failures['deployments']} changes)"
    yield "time to restore", median("timeToRestore", f"; {restore['open']} open")
    yield "tickets", f"{tickets['opened']} opened, {tickets['closed']} closed"
    mean = "not told" if satisfaction["mean"] is None else f"{satisfaction['mean']:g} of 5"
    yield "satisfaction", f"{mean} ({satisfaction['answers']} answers)"


def _duration(seconds: float | None) -> str:
    """`2 d 1 h`, `30 min`, `12 s`: the two largest units."""
    if seconds is None:
        return "none"
    rest, parts = round(seconds), []
    for size, unit in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min"), (1, "s")):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"
