"""What others tell: events of deployments by webhook, and tickets as CSV or JSON. Pure; called by `api`.

Everything is checked before anything is stored, and whatever is not asked for (titles, reporters, assignees) is left out here,
before it comes near the database.
"""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from understage.errors import InputError
from understage.measures.argocd import NAMESPACE
from understage.measures.events import Deployment, Health, Start, Ticket, parse_time
from understage.model.ref import EntityRef
from understage.platform.json import loads

MOST_EVENTS = 1000
MOST_TICKETS = 100_000
SKEW = 5 * 60_000
"""How far, in milliseconds, a sender's clock may be ahead of ours."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,252}")
REVISION = re.compile(r"[!-~]{1,300}")
HEALTHS = {"healthy": "Healthy", "degraded": "Degraded"}
COLUMNS = {
    "id": ("id", "key", "issue key", "number", "ticket"),
    "opened": ("openedat", "opened", "created", "createdat", "created_at", "opened_at"),
    "closed": ("closedat", "closed", "resolved", "closed_at", "resolved_at", "resolvedat"),
    "service": ("service", "component"),
    "team": ("team", "group"),
}


@dataclass
class Told:
    """Events of one request."""

    deployments: list[Deployment] = field(default_factory=list)
    healths: list[Health] = field(default_factory=list)
    starts: list[Start] = field(default_factory=list)


def read_events(body: Any, now: int) -> Told:
    """Events of a body: one event, or `{"events": […]}`. InputError names the first that is wrong; then none is taken."""
    entries = body.get("events", [body]) if isinstance(body, Mapping) else None
    if not isinstance(entries, list) or not 0 < len(entries) <= MOST_EVENTS:
        raise InputError(f"the body must be an event, or {{'events': […]}} with 1 to {MOST_EVENTS} of them")
    told = Told()
    for index, entry in enumerate(entries):
        where = f"events[{index}]" if len(entries) > 1 or "events" in body else "the event"
        if not isinstance(entry, Mapping):
            raise InputError(f"{where} must be an object")
        _read_event(entry, where, now, told)
    return told


def _read_event(entry: Mapping[str, Any], where: str, now: int, told: Told) -> None:
    at = parse_time(entry.get("at"), f"{where}.at")
    if at > now + SKEW:
        raise InputError(f"{where}.at is in the future: set the clock of the sender right")
    match entry.get("type"):
        case "deployment":
            told.deployments.append(_deployment(entry, where, at))
        case "health":
            status = HEALTHS.get(str(entry.get("status")).lower())
            if status is None:
                raise InputError(f"{where}.status must be Healthy or Degraded")
            told.healths.append(Health(_name(entry, "application", where), at, status))  # type: ignore[arg-type]
        case "start":
            told.starts.append(Start(component_ref(entry.get("service"), f"{where}.service"), at, "told"))
        case _:
            raise InputError(f"{where}.type must be one of deployment, health, start")


def _deployment(entry: Mapping[str, Any], where: str, at: int) -> Deployment:
    application, environment = _name(entry, "application", where), _name(entry, "environment", where)
    revision = entry.get("revision")
    if not isinstance(revision, str) or not REVISION.fullmatch(revision):
        raise InputError(f"{where}.revision must be a text of up to 300 printable characters, such as a commit")
    committed = entry.get("committedAt")
    is_rollback = entry.get("rollback", False)
    if not isinstance(is_rollback, bool):
        raise InputError(f"{where}.rollback must be true or false")
    told = entry.get("service") or application.removesuffix(f"-{environment}")
    return Deployment(
        application=application,
        revision=revision,
        at=at,
        service=component_ref(told, f"{where}.service"),
        environment=environment,
        committed_at=None if committed in (None, "") else parse_time(committed, f"{where}.committedAt"),
        is_rollback=is_rollback,
    )


def _name(entry: Mapping[str, Any], key: str, where: str) -> str:
    value = entry.get(key)
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise InputError(f"{where}.{key} must be a name: letters, digits, '-', '.', '_' and '/'")
    return value


def component_ref(text: Any, where: str) -> str:
    """The reference of a component, in lower case. InputError for anything else."""
    return _ref(text, "component", where)


def _ref(text: Any, kind: str, where: str) -> str:
    message = f"{where} must be the name or the reference of a {kind}"
    if not isinstance(text, str) or len(text) > 300:
        raise InputError(message)
    try:
        parsed = EntityRef.parse(text.strip(), default_kind=kind, default_namespace=NAMESPACE)
    except InputError as error:
        raise InputError(f"{message}: {error.message}") from error
    if parsed.kind.lower() != kind or not all(NAME.fullmatch(part) for part in parsed):
        raise InputError(message)
    return str(parsed)


def read_tickets(text: bytes, media_type: str, source: str) -> list[Ticket]:
    """Tickets of a CSV file with a head line, or of a JSON array of objects; `source` names the system they come from.

    Known by their name, whatever its case: id, openedAt, closedAt, service, team, and what issue trackers call them. Other
    columns are not kept. InputError names the line or the item that is wrong; then none is taken.
    """
    if not NAME.fullmatch(source):
        raise InputError("source must be the name of the system that the tickets come from, such as jira")
    try:
        rows = _csv_rows(text) if media_type == "text/csv" else _json_rows(text)
        tickets = [_ticket(row, where, source) for where, row in rows]
    except UnicodeDecodeError as error:
        raise InputError("the file is not encoded as UTF-8") from error
    if len(tickets) > MOST_TICKETS:
        raise InputError(f"the file has more than {MOST_TICKETS} tickets: import it in parts")
    return tickets


def _csv_rows(text: bytes) -> Iterable[tuple[str, Mapping[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text.decode("utf-8-sig"), newline=""), strict=True)
    try:
        rows = [(f"line {reader.line_num}", row) for row in reader]
    except csv.Error as error:
        raise InputError(f"line {reader.line_num} is no CSV: {error}") from error
    _check_head(reader.fieldnames or ())
    return rows


def _check_head(names: Sequence[str]) -> None:
    known = {name.strip().lower() for name in names}
    for column in ("id", "opened"):
        if known.isdisjoint(COLUMNS[column]):
            raise InputError(f"line 1 must name one of the columns {', '.join(COLUMNS[column])}")


def _json_rows(text: bytes) -> Iterable[tuple[str, Mapping[str, Any]]]:
    try:
        body = loads(text)
    except ValueError as error:
        raise InputError(f"the file is no JSON: {error}") from error
    if isinstance(body, Mapping):
        body = body.get("tickets")
    if not isinstance(body, list) or not all(isinstance(item, Mapping) for item in body):
        raise InputError("the file must be a JSON array of objects, or an object with one at 'tickets'")
    return [(f"item {index}", item) for index, item in enumerate(body)]


def _ticket(row: Mapping[str, Any], where: str, source: str) -> Ticket:
    named = {str(name).strip().lower(): value for name, value in row.items()}

    def told(column: str) -> str | None:
        for name in COLUMNS[column]:
            value = named.get(name)
            if value not in (None, ""):
                return str(value).strip() or None
        return None

    id_, service, team = told("id"), told("service"), told("team")
    if id_ is None or len(id_) > 200:
        raise InputError(f"{where}: the ticket has no id")
    closed = told("closed")
    opened_at = parse_time(told("opened"), f"{where}: openedAt")
    closed_at = None if closed is None else parse_time(closed, f"{where}: closedAt")
    if closed_at is not None and closed_at < opened_at:
        raise InputError(f"{where}: the ticket was closed before it was opened")
    return Ticket(
        source=source,
        id=id_,
        opened_at=opened_at,
        closed_at=closed_at,
        service=None if service is None else component_ref(service, f"{where}: service"),
        team=None if team is None else _ref(team, "group", f"{where}: team"),
    )
