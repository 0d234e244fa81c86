"""Asks OpenCost, and keeps what it said: one question an hour serves all services.

OpenCost reckons its answer from Prometheus each time, which takes seconds; costs of a week do not change by the minute.
"""

import asyncio
import time
from collections.abc import Callable
from urllib.parse import urlencode

import structlog

from understage.config.platform_settings import CostSettings, OpenCostSettings
from understage.errors import ForeignError, UnderstageError
from understage.integrations.opencost.allocation import label_of_prometheus, read_allocations
from understage.integrations.opencost.spending import Spending
from understage.platform.http import HttpClient

log = structlog.get_logger(__name__)

KEY = "understage.costs.openCost"
TIMEOUT = 30.0
MAX_BYTES = 64 << 20
# After a question that failed, for so long no other one: of somebody who waits for it; of the catalog, whose work it holds up.
PAUSE = 30.0
LONG_PAUSE = 600.0


class OpenCostSource:
    """One OpenCost. `clock` tells seconds that only grow."""

    def __init__(
        self, settings: OpenCostSettings, currency: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._currency = currency
        self._clock = clock
        self._lock = asyncio.Lock()
        self._known: Spending | None = None
        self._due = clock()
        self._failure: ForeignError | None = None
        self._failed_at: float | None = None

    async def current(self) -> Spending:
        """What was spent; asked anew when it is due. An older answer where OpenCost fails; ForeignError without one."""
        async with self._lock:
            await self._refresh(PAUSE)
        if self._known is None:
            raise self._failure or ForeignError("OpenCost was not asked yet")
        return self._known

    async def known(self) -> Spending | None:
        """The same for whoever cannot wait: while somebody asks already, or where it fails, what is known."""
        if not self._lock.locked():
            async with self._lock:
                await self._refresh(LONG_PAUSE)
        return self._known

    async def _refresh(self, pause: float) -> None:
        if self._clock() < (self._due if self._failed_at is None else self._failed_at + pause):
            return
        try:
            self._known = await self._ask()
        except UnderstageError as error:
            self._failure = error if isinstance(error, ForeignError) else ForeignError(error.message)
            self._failed_at = self._clock()
            log.warning("OpenCost does not tell what was spent", error=error.message)
        else:
            self._failure, self._failed_at = None, None
            self._due = self._clock() + self._settings.refresh.total_seconds()

    async def _ask(self) -> Spending:
        settings = self._settings
        query = {
            "window": f"{int(settings.window.total_seconds() // 60)}m",
            "aggregate": f"namespace,label:{label_of_prometheus(settings.label)}",
            "includeIdle": "false",
        }
        url = f"{settings.url.rstrip('/')}/{settings.path.strip('/')}?{urlencode(query, safe=':,')}"
        headers = {"Accept": "application/json"}
        if settings.token is not None:
            headers["Authorization"] = f"Bearer {settings.token}"
        client = HttpClient()
        try:
            answer = await client.request("GET", url, headers=headers, timeout=TIMEOUT, max_bytes=MAX_BYTES)
        except ForeignError as error:
            raise ForeignError(
                f"OpenCost at {settings.url} does not answer: {error.message}. Check that it runs and that {KEY}.url names it"
            ) from error
        finally:
            await client.close()
        if answer.status != 200:
            raise ForeignError(f"OpenCost at {settings.url} answers {answer.status}; check {KEY}.path and {KEY}.token")
        return read_allocations(answer.json(), settings.label, self._currency)


def source_from_settings(costs: CostSettings) -> OpenCostSource | None:
    """The source that the settings name; None where there is no OpenCost."""
    return (
        None if costs.open_cost is None else OpenCostSource(costs.open_cost, costs.open_cost.currency or costs.currency)
    )
