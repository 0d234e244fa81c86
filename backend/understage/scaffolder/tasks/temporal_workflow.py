"""The one workflow that Temporal knows: it has a task's steps run, one activity after the other. Run by `temporal_worker`.

Nothing but the task's id and the position of a step goes to Temporal; spec, secrets, outputs and log stay in our database.
Its commands must stay the same for tasks under way: change it only by `workflow.patched`.
"""

from dataclasses import dataclass
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

WORKFLOW = "understage-task"
STEP = "understage-step"

# The fence of the task's row, not this, is what keeps two workers apart.
LONGEST_STEP = timedelta(days=30)
FIRST_PAUSE = timedelta(milliseconds=200)
LONGEST_PAUSE = timedelta(seconds=2)


@dataclass(frozen=True)
class TaskOrder:
    """A task to run; `silence` in seconds is how long a worker may be silent before another one goes on."""

    task_id: str
    silence: float


@dataclass(frozen=True)
class StepOrder:
    """A step to run: the position where to go on, and when the task began, in seconds since the epoch."""

    task_id: str
    start: int
    began: float


@workflow.defn(name=WORKFLOW)
class TaskWorkflow:
    """Runs a task to its end."""

    @workflow.run
    async def run(self, order: TaskOrder) -> None:
        """Each activity says where the next one goes on."""
        began = workflow.info().start_time.timestamp()
        start: int | None = 0
        while start is not None:
            start = await workflow.execute_activity(
                STEP,
                StepOrder(order.task_id, start, began),
                result_type=int | None,  # type: ignore[arg-type] # the SDK takes any type that can be read from JSON
                start_to_close_timeout=LONGEST_STEP,
                heartbeat_timeout=timedelta(seconds=order.silence),
                retry_policy=RetryPolicy(initial_interval=FIRST_PAUSE, maximum_interval=LONGEST_PAUSE),
            )
