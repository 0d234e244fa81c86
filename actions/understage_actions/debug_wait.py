"""`debug:wait`: lets time pass; ends at once when the task is cancelled."""

import asyncio

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, Example, InputError, action

_LONGEST = 10 * 60


class DebugWaitInput(ActionModel):
    """How long to wait; the members add up."""

    minutes: float | None = Field(default=None, ge=0, description="Waiting period in minutes.")
    seconds: float | None = Field(default=None, ge=0, description="Waiting period in seconds.")
    milliseconds: float | None = Field(default=None, ge=0, description="Waiting period in milliseconds.")


@action(
    "debug:wait",
    description="Waits for a certain period of time.",
    examples=[
        Example("Wait for 50 milliseconds", {"milliseconds": 50}),
        Example("Wait for a moment", {"seconds": 0.05}),
    ],
    supports_dry_run=True,
)
async def debug_wait(ctx: ActionContext, input: DebugWaitInput) -> None:
    """Wait, at most ten minutes."""
    seconds = (input.minutes or 0) * 60 + (input.seconds or 0) + (input.milliseconds or 0) / 1000
    if not seconds <= _LONGEST:
        raise InputError("Waiting duration is longer than the maximum threshold of 0 hours, 10 minutes, 0 seconds")
    ctx.log.info(f"Waiting for {seconds:g} seconds...")
    await asyncio.sleep(seconds)
