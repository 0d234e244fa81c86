"""An action that holds the event loop is interrupted, but not while it imports: what is half imported stays broken."""

import asyncio
import importlib
import sys
import threading
import time
from pathlib import Path

import pytest

from understage.scaffolder.steps.call import action_task_name
from understage.scaffolder.tasks.unblocking import SIGNAL, Unblocking

TASK = "a-task"
MODULE = "imported_while_somebody_interrupts"
IMPORT_SECONDS = 0.5
LONG = 30.0


@pytest.mark.skipif(SIGNAL is None, reason="there is no signal to interrupt an action by")
@pytest.mark.filterwarnings("error")
def test_an_import_is_finished_before_the_action_is_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f"{MODULE}.py").write_text(f"import time\ntime.sleep({IMPORT_SECONDS})\nis_whole = True\n")
    monkeypatch.syspath_prepend(tmp_path)
    is_over = threading.Event()
    unblocking = Unblocking()

    def interrupt() -> None:
        while not is_over.wait(0.02):
            unblocking.interrupt([TASK])

    async def act() -> None:
        assert importlib.import_module(MODULE).is_whole
        time.sleep(LONG)  # noqa: ASYNC251 - it holds the loop

    async def main() -> None:
        await asyncio.create_task(act(), name=action_task_name(TASK))

    thread = threading.Thread(target=interrupt)
    unblocking.start()
    began = time.monotonic()
    thread.start()
    try:
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(main())
    finally:
        is_over.set()
        thread.join()
        unblocking.stop()
    assert IMPORT_SECONDS <= time.monotonic() - began < LONG
    assert sys.modules.pop(MODULE).is_whole
