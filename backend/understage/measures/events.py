"""What is stored and what figures are made of. Pure; made by `collection`, `api` and `store`, read by `timeline` and `figures`.

Times are milliseconds since the epoch, in the clock of whoever saw the event.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from understage.errors import InputError

Status = Literal["Healthy", "Degraded"]
Service = str
"""The reference of a component, in lower case."""


@dataclass(frozen=True)
class Deployment:
    """An application was synced to a revision. `committed_at` is when that revision was committed, where it is known.

    `is_rollback` is what the sender says; whether it was one otherwise follows from the revisions (`timeline`).
    """

    application: str
    revision: str
    at: int
    service: Service
    environment: str
    committed_at: int | None = None
    is_rollback: bool = False
    source: str = "event"


@dataclass(frozen=True)
class Health:
    """An application became healthy or degraded."""

    application: str
    at: int
    status: Status


@dataclass(frozen=True)
class Start:
    """A service began: its first commit, as somebody told, or the task that made it (`key` is the task then)."""

    service: Service
    at: int
    key: str


@dataclass(frozen=True)
class Ticket:
    """A ticket of another system. Who wrote it and what it says is not kept."""

    source: str
    id: str
    opened_at: int
    closed_at: int | None = None
    service: Service | None = None
    team: str | None = None


def parse_time(text: object, where: str) -> int:
    """Milliseconds of an RFC 3339 time with its offset, or of a date (its beginning in UTC). InputError for anything else."""
    if isinstance(text, str) and 10 <= len(text) <= 40:
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            found = None
        if found is not None and len(text) == 10:
            found = found.replace(tzinfo=UTC)
        if found is not None and found.tzinfo is not None and 1990 <= found.year <= 9000:
            return int(found.timestamp() * 1000)
    raise InputError(f"{where} must be a time such as 2026-03-02T09:30:00Z")


def format_time(at: int) -> str:
    """RFC 3339 in UTC, in seconds."""
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
