"""The figures of the last 30 days as metrics: computed now and then, told whenever somebody collects. Started by `app`.

Labels are the component and nothing else: no person is named, and no owner, who may be one.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

from understage.measures.figures import DAY, Figures, History, Period, compute
from understage.measures.service import Measures
from understage.platform.scheduler import Loop

WINDOW_DAYS = 30
INTERVAL = 60.0

_meter = metrics.get_meter("understage.measures")
_latest: dict[str, Figures] = {}
"""Figures by component; those of all together are at the empty text."""


class MeasureMetrics:
    """Computes them every minute from the start on. Each replica tells the same: dashboards take one (`max by`)."""

    def __init__(self, measures: Measures) -> None:
        self._measures = measures
        self._loop = Loop("metrics of the measures", self.refresh, interval=INTERVAL)

    def start(self) -> None:
        """Begin."""
        self._loop.start()

    async def stop(self) -> None:
        """End."""
        await self._loop.stop()

    async def refresh(self) -> None:
        """Compute them now."""
        now = self._measures.clock()
        period = Period(now - WINDOW_DAYS * DAY, now)
        figures = compute_each(await self._measures.history(period), period, self._measures.failure_window)
        _latest.clear()
        _latest.update(figures)


def compute_each(history: History, period: Period, failure_window: int) -> dict[str, Figures]:
    """Figures of each component that was deployed to production, and those of all at the empty text."""
    by_service = defaultdict(list)
    for deployment in history.deployments:
        by_service[deployment.service].append(deployment)
    by_application = defaultdict(list)
    for health in history.healths:
        by_application[health.application].append(health)
    found = {"": compute(history, period, failure_window=failure_window)}
    for service, deployments in by_service.items():
        applications = {deployment.application for deployment in deployments}
        own = replace(
            history,
            deployments=deployments,
            healths=[health for name in sorted(applications) for health in by_application[name]],
            starts={},
            production={},
            tickets=[],
            scores=[],
        )
        found[service] = compute(own, period, failure_window=failure_window)
    return found


def _gauge(name: str, measure: str, figure: str, description: str, *, per_service: bool, unit: str = "") -> None:
    def observe(_options: CallbackOptions) -> Iterable[Observation]:
        told: list[tuple[str, Any]] = [
            (service, figures[measure][figure]) for service, figures in _latest.items() if bool(service) is per_service
        ]
        return [
            Observation(value, {"service": service} if per_service else {})
            for service, value in told
            if value is not None
        ]

    _meter.create_observable_gauge(f"understage.measures.{name}", [observe], unit=unit, description=description)


_gauge("deployments", "deploymentFrequency", "deployments", "Changes in production, 30 days", per_service=True)
_gauge("failures", "changeFailureRate", "failed", "Changes that failed, 30 days", per_service=True)
_gauge("open.failures", "timeToRestore", "open", "Failures that are not restored, 30 days", per_service=True)
_gauge("lead.time", "leadTime", "medianSeconds", "Commit to production, median, 30 days", per_service=True, unit="s")
_gauge(
    "time.to.restore",
    "timeToRestore",
    "medianSeconds",
    "Failure to healthy, median, 30 days",
    per_service=True,
    unit="s",
)
_gauge(
    "time.to.production",
    "timeToProduction",
    "medianSeconds",
    "Beginning of a service to production, median, 30 days",
    per_service=False,
    unit="s",
)
_gauge("services.waiting", "timeToProduction", "waiting", "Services that are not in production yet", per_service=False)
_gauge("tickets.opened", "tickets", "opened", "Tickets opened, 30 days", per_service=False)
_gauge("tickets.closed", "tickets", "closed", "Tickets closed, 30 days", per_service=False)
_gauge("satisfaction", "satisfaction", "mean", "Mean of the survey's answers, 1 to 5, 30 days", per_service=False)
_gauge("satisfaction.answers", "satisfaction", "answers", "Answers to the survey, 30 days", per_service=False)
