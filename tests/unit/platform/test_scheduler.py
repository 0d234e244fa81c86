import asyncio

from understage.platform.scheduler import Loop


async def test_a_loop_runs_at_once_when_woken_and_again_while_there_is_more() -> None:
    runs = 0
    done = asyncio.Event()

    async def job() -> bool:
        nonlocal runs
        runs += 1
        if runs == 4:
            done.set()
        return runs in (2, 3)

    loop = Loop("test", job, interval=3600)
    loop.start()
    await asyncio.sleep(0)
    loop.wake()
    async with asyncio.timeout(5):
        await done.wait()
    await loop.stop()
    assert runs == 4


async def test_a_loop_survives_a_failing_job_and_tells_about_it() -> None:
    outcomes = iter([RuntimeError("database gone"), None])
    failed = recovered = False
    done = asyncio.Event()

    async def job() -> None:
        nonlocal failed, recovered
        outcome = next(outcomes)
        if outcome is not None:
            failed = True
            raise outcome
        recovered = isinstance(loop.last_error, RuntimeError)
        done.set()

    loop = Loop("test", job, interval=3600)
    loop.start()
    async with asyncio.timeout(10):
        await done.wait()
    await asyncio.sleep(0)
    assert failed
    assert recovered
    assert loop.last_error is None
    await loop.stop()


async def test_a_loop_that_is_woken_and_stopped_at_once_stops() -> None:
    async def job() -> None:
        pass

    for _ in range(100):
        loop = Loop("woken", job, interval=60)
        loop.start()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        loop.wake()
        async with asyncio.timeout(5):
            await loop.stop()
