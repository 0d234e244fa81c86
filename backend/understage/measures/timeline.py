"""One application's events in order: which deployments were changes, which of them failed, and when they were restored.

Pure; called by `figures`. The rules are in `definitions`, in words.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from understage.measures.events import Deployment, Health

Kind = Literal["change", "rollback", "redeploy"]


@dataclass(frozen=True)
class Incident:
    """From the first sign of a failure until the application was healthy again; None while it is not."""

    began_at: int
    restored_at: int | None


@dataclass(frozen=True)
class Change:
    """A deployment that brought another revision, and the failures that followed from it."""

    deployment: Deployment
    incidents: tuple[Incident, ...]


def classify(deployments: Iterable[Deployment]) -> list[tuple[Deployment, Kind]]:
    """The deployments of one application by time, each with what it was.

    The revision that runs already is deployed again by a redeploy; a rollback goes back to a revision that ran before it.
    """
    first_seen: dict[str, int] = {}
    running: str | None = None
    found: list[tuple[Deployment, Kind]] = []
    for deployment in sorted(deployments, key=lambda each: (each.at, each.revision)):
        revision = deployment.revision
        rank = first_seen.setdefault(revision, len(first_seen))
        kind: Kind = "change"
        if revision == running:
            kind = "redeploy"
        elif running is not None and (deployment.is_rollback or rank < first_seen[running]):
            kind = "rollback"
        found.append((deployment, kind))
        running = revision
    return found


def trace_changes(deployments: Iterable[Deployment], healths: Iterable[Health], *, failure_window: int) -> list[Change]:
    """The changes of one application with their failures; `failure_window` in milliseconds.

    `healths` that were seen at the same time stay in the order in which they come.
    """
    ordered = [entry for entry in classify(deployments) if entry[1] != "redeploy"]
    states = sorted(healths, key=lambda each: each.at)
    changes = []
    for index, (deployment, kind) in enumerate(ordered):
        if kind != "change":
            continue
        following = ordered[index + 1] if index + 1 < len(ordered) else None
        end = deployment.at + failure_window
        if following is not None:
            end = min(end, following[0].at)
        incidents = _degradations(states, deployment.at, end)
        if not incidents and following is not None and following[1] == "rollback":
            incidents = [Incident(deployment.at, _first_healthy(states, following[0].at))]
        changes.append(Change(deployment, tuple(incidents)))
    return changes


def _degradations(states: Sequence[Health], begin: int, end: int) -> list[Incident]:
    """Incidents that began from `begin` to before `end`; what was degraded before and stayed so is not this one's."""
    incidents: list[Incident] = []
    began: int | None = None
    is_degraded = False
    for state in states:
        if state.status == "Degraded":
            if not is_degraded and begin <= state.at < end:
                began = state.at
            is_degraded = True
            continue
        if began is not None:
            incidents.append(Incident(began, state.at))
        began, is_degraded = None, False
    return incidents if began is None else [*incidents, Incident(began, None)]


def _first_healthy(states: Sequence[Health], begin: int) -> int | None:
    return next((state.at for state in states if state.status == "Healthy" and state.at >= begin), None)
