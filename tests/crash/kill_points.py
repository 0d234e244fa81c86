"""Where a worker of the crash suite kills itself: at the n-th commit or the n-th await after it has claimed the task.

A commit counts twice, just before it and just after. An await counts when what waited goes on: each turn of a coroutine, a
callback or a timer is one handle of its event loop. Only the first worker that gets to a task's point dies there.
"""

import asyncio
import os
import signal
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from understage.platform.database import Database
from understage.platform.json import loads
from understage.scaffolder.tasks.journal import Journal
from understage.scaffolder.tasks.runs import Runs

IN_JOURNAL = ContextVar("IN_JOURNAL", default=False)


class KillPoints:
    """The points of the task that this process runs (one at a time)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._task = ""
        self._kind = ""
        self._at = -1
        self._counts = {"await": 0, "commit": 0}
        self._main = threading.get_ident()

    def install(self) -> None:
        """Watch this process from now on."""
        self._watch_runs()
        self._watch_commits()
        self._watch_awaits()

    def hit(self, kind: str) -> None:
        """A point of that kind is reached."""
        if not self._task:
            return
        self._counts[kind] += 1
        if kind == self._kind and self._counts[kind] == self._at:
            self._die()

    def _die(self) -> None:
        try:
            token = os.open(self._folder / f"{self._task}.killed", os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        except FileExistsError:
            return  # another worker died for this task
        os.write(token, f"{os.getpid()} {time.time()}".encode())
        os.kill(os.getpid(), signal.SIGKILL)

    def _begin(self, claim: Any) -> None:
        wanted = loads(claim.spec)["parameters"].get("kill", {})
        if claim.task_id != self._task:
            self._counts = self._read_counts(claim.task_id)
        self._task, self._kind, self._at = claim.task_id, wanted.get("kind", ""), wanted.get("n", -1)

    def _read_counts(self, task_id: str) -> dict[str, int]:
        """Steps of one task may run in several processes, by Temporal."""
        file = self._folder / f"{task_id}.counts"
        return dict(loads(file.read_bytes())) if file.exists() else {"await": 0, "commit": 0}

    def _end(self) -> None:
        if self._task:
            counts = f'{{"await": {self._counts["await"]}, "commit": {self._counts["commit"]}}}'
            (self._folder / f"{self._task}.counts").write_text(counts)
        self._task = ""

    def _watch_runs(self) -> None:
        start, end = Runs.start, Runs._end

        def watched_start(runs: Runs, claim: Any, control: Any) -> Any:
            self._begin(claim)
            return start(runs, claim, control)

        def watched_end(runs: Runs, claim: Any) -> None:
            self._end()
            end(runs, claim)

        Runs.start, Runs._end = watched_start, watched_end  # type: ignore[method-assign]

    def _watch_commits(self) -> None:
        """Those of the task: each is a transaction of its journal. What the process commits besides is nobody's checkpoint."""
        write, write_once, commit = Database.write, Database.write_once, Journal._commit

        async def watched_commit(journal: Journal, *arguments: Any, **named: Any) -> None:
            token = IN_JOURNAL.set(True)
            try:
                await commit(journal, *arguments, **named)
            finally:
                IN_JOURNAL.reset(token)

        @asynccontextmanager
        async def watched(database: Database) -> AsyncIterator[Any]:
            async with write(database) as connection:
                yield connection
                if IN_JOURNAL.get():
                    self.hit("commit")
            if IN_JOURNAL.get():
                self.hit("commit")

        @asynccontextmanager
        async def watched_once(database: Database) -> AsyncIterator[Any]:
            is_seen = database.dialect == "sqlite"  # where it is a `write`
            if IN_JOURNAL.get() and not is_seen:
                self.hit("commit")
            async with write_once(database) as connection:
                yield connection
            if IN_JOURNAL.get() and not is_seen:
                self.hit("commit")

        Database.write = watched  # type: ignore[method-assign,assignment]
        Database.write_once = watched_once  # type: ignore[method-assign,assignment]
        Journal._commit = watched_commit  # type: ignore[method-assign]

    def _watch_awaits(self) -> None:
        run = asyncio.Handle._run

        def watched(handle: asyncio.Handle) -> Any:
            if threading.get_ident() == self._main:
                self.hit("await")
            return run(handle)

        asyncio.Handle._run = watched  # type: ignore[method-assign]
