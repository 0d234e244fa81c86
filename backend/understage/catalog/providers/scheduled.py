"""What all providers are that read everything by a schedule. The base of those of the forges and of `backstage_openapi`."""

from abc import ABC, abstractmethod

from understage.errors import InputError
from understage.sdk.provider import ProviderConnection
from understage.sdk.schedule import Schedule, Scheduler


class ScheduledProvider(ABC):
    """Implements `EntityProvider`: once connected, `refresh` is called by the schedule, by one replica at a time."""

    def __init__(self, name: str, schedule: Schedule, scheduler: Scheduler) -> None:
        self.name = name
        self._schedule = schedule
        self._scheduler = scheduler
        self._connection: ProviderConnection | None = None

    async def connect(self, connection: ProviderConnection) -> None:
        """Keep to the schedule from now on."""
        self._connection = connection
        self._scheduler.schedule(f"{self.name}:refresh", self._schedule, self.refresh)

    @abstractmethod
    async def refresh(self) -> None:
        """Read all that the configuration names and make it all that there is. A failure leaves what was there."""

    def _connected(self) -> ProviderConnection:
        if self._connection is None:
            raise InputError(f"{self.name} is not connected yet")
        return self._connection
