"""Effects on the world that must happen once. Called by the publish and catalog actions."""

from collections.abc import Awaitable, Callable

from understage.sdk import ActionContext


async def begun_before(
    ctx: ActionContext, effect: str, *, check_first: Callable[[], Awaitable[None]] | None = None
) -> bool:
    """Whether an earlier run of this very step had begun `effect` already; notes that it begins now.

    A run may end between an effect and its checkpoint. The next run asks this, and takes what is there for its own.
    `check_first` raises where the effect must not even begin: then nothing is noted, and a retry is a first run again.
    """
    is_first = False

    async def begin() -> bool:
        nonlocal is_first
        if check_first is not None:
            await check_first()
        is_first = True
        return True

    await ctx.checkpoint(f"begin.{effect}", begin)
    return not is_first
