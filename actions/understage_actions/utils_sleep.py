"""`utils:sleep`: a pause between two steps."""

import asyncio
import time

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, Example, action

MAX_SECONDS = 24 * 3600


class SleepInput(ActionModel):
    """How long."""

    amount: float = Field(ge=0, le=MAX_SECONDS, description="Seconds to wait")


@action(
    "utils:sleep",
    description="Waits some seconds. A task that is taken over meanwhile waits for the rest only; a dry run does not wait.",
    examples=[Example("Wait for a moment", {"amount": 0.1})],
    supports_dry_run=True,
)
async def sleep(ctx: ActionContext, input: SleepInput) -> None:
    """Sleep until the end that the first run of this step has set."""
    if ctx.is_dry_run:
        ctx.log.info(f"Would wait {input.amount:g} seconds")
        return

    async def end() -> float:
        return time.time() + input.amount

    left = await ctx.checkpoint("end", end) - time.time()
    ctx.log.info(f"Waiting {max(left, 0):g} seconds" if left != input.amount else f"Waiting {input.amount:g} seconds")
    await asyncio.sleep(min(max(left, 0), input.amount))


SLEEP = sleep.with_aliases("roadiehq:utils:sleep")
