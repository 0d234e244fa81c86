"""When work repeats: the schedule object of Backstage, and who keeps to it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, Protocol

Job = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Schedule:
    """How often something runs and for how long it may.

    `frequency` is the pause between two runs, from the start of one to that of the next; or a cron expression (UTC); or
    `manual`, which never runs by itself. A `global` schedule runs on one replica at a time, a `local` one in each process.
    """

    frequency: timedelta | str
    timeout: timedelta
    initial_delay: timedelta | None = None
    scope: Literal["global", "local"] = "global"

    @property
    def is_manual(self) -> bool:
        """Whether it runs when it is asked to, and only then."""
        return self.frequency == "manual"


class Scheduler(Protocol):
    """Runs jobs by their schedules, from the start of the service to its end."""

    def schedule(self, task_id: str, schedule: Schedule, job: Job) -> None:
        """Run `job` from now on; `task_id` stays the same for ever, and is what metrics and logs name.

        A job that raises is logged and counted, and runs again when its schedule says so. Raises InputError for an id that is
        taken and for a cron expression that is none.
        """
