"""The figures of a period, of events. Pure: the same events give the same figures. Called by `service`."""

import statistics
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from understage.measures.events import Deployment, Health, Service, Ticket
from understage.measures.timeline import Change, trace_changes

DAY = 86_400_000
FEWEST_ANSWERS = 3
Figures = dict[str, Any]


@dataclass(frozen=True)
class Period:
    """From `begin` to before `end`, in milliseconds."""

    begin: int
    end: int

    def __contains__(self, at: object) -> bool:
        return isinstance(at, int) and self.begin <= at < self.end

    @property
    def days(self) -> float:
        """Its length."""
        return (self.end - self.begin) / DAY


@dataclass(frozen=True)
class History:
    """The events that a period's figures need, of the services that are asked for.

    `deployments` and `healths` are of production, and begin long enough before the period to know what ran then. `starts` and
    `production` say when each service began and when it was first healthy in production. `scores` are of the period.
    """

    deployments: Sequence[Deployment] = ()
    healths: Sequence[Health] = ()
    starts: Mapping[Service, int] | None = None
    production: Mapping[Service, int] | None = None
    tickets: Sequence[Ticket] = ()
    scores: Sequence[int] = ()


def compute(history: History, period: Period, *, failure_window: int) -> Figures:
    """All measures, by their names in `definitions`; durations in seconds."""
    changes = [
        change
        for change in changes_of(history.deployments, history.healths, failure_window=failure_window)
        if change.deployment.at in period
    ]
    return {
        "timeToProduction": _time_to_production(history.starts or {}, history.production or {}, period),
        "deploymentFrequency": {
            "deployments": len(changes),
            "perDay": _rounded(len(changes) / period.days),
            "perWeek": _rounded(len(changes) * 7 / period.days),
        },
        "leadTime": _lead_time(changes),
        "changeFailureRate": _failure_rate(changes),
        "timeToRestore": _time_to_restore(changes),
        "tickets": {
            "opened": sum(ticket.opened_at in period for ticket in history.tickets),
            "closed": sum(ticket.closed_at in period for ticket in history.tickets),
        },
        "satisfaction": _satisfaction(history.scores),
    }


def changes_of(deployments: Iterable[Deployment], healths: Iterable[Health], *, failure_window: int) -> list[Change]:
    """The changes of all applications."""
    deployed: defaultdict[str, list[Deployment]] = defaultdict(list)
    seen: defaultdict[str, list[Health]] = defaultdict(list)
    for deployment in deployments:
        deployed[deployment.application].append(deployment)
    for health in healths:
        seen[health.application].append(health)
    return [
        change
        for name, events in deployed.items()
        for change in trace_changes(events, seen[name], failure_window=failure_window)
    ]


def _time_to_production(starts: Mapping[Service, int], production: Mapping[Service, int], period: Period) -> Figures:
    reached = {service: at for service, at in production.items() if at in period and service in starts}
    spans = [at - starts[service] for service, at in reached.items()]
    waiting = [
        service
        for service, at in starts.items()
        if at < period.end and production.get(service, period.end) >= period.end
    ]
    return {**_durations(spans), "waiting": len(waiting)}


def _lead_time(changes: Collection[Change]) -> Figures:
    known = [
        change.deployment.at - change.deployment.committed_at
        for change in changes
        if change.deployment.committed_at is not None
    ]
    return {**_durations(known), "unknown": len(changes) - len(known)}


def _failure_rate(changes: Collection[Change]) -> Figures:
    failed = sum(bool(change.incidents) for change in changes)
    rate = _rounded(failed / len(changes)) if changes else None
    return {"deployments": len(changes), "failed": failed, "rate": rate}


def _time_to_restore(changes: Collection[Change]) -> Figures:
    incidents = [incident for change in changes for incident in change.incidents]
    spans = [incident.restored_at - incident.began_at for incident in incidents if incident.restored_at is not None]
    return {**_durations(spans), "open": len(incidents) - len(spans)}


def _satisfaction(scores: Sequence[int]) -> Figures:
    is_told = len(scores) >= FEWEST_ANSWERS
    return {"answers": len(scores), "mean": _rounded(statistics.fmean(scores)) if is_told else None}


def _durations(spans: Sequence[int]) -> Figures:
    """Of milliseconds; what is negative comes of clocks that disagree."""
    seconds = [max(0, span) / 1000 for span in spans]
    return {
        "count": len(seconds),
        "medianSeconds": _rounded(statistics.median(seconds)) if seconds else None,
        "meanSeconds": _rounded(statistics.fmean(seconds)) if seconds else None,
        "skewed": sum(span < 0 for span in spans),
    }


def _rounded(value: float) -> float:
    return round(value, 4)
