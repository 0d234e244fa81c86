"""Large texts of YAML are parsed in other processes: requests are answered meanwhile, and several cores help.

A parser that runs in a thread holds the interpreter: while it reads ten megabytes, an answer takes several times as long.
The processors of the catalog call `DocumentProcesses.parse`; `model.yaml_process` is what the processes run. Who knows before
which texts will be asked for calls `parse_ahead`.
"""

import asyncio
import os
import pickle
import sys
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from understage.errors import SourceError
from understage.model.yaml import Document
from understage.model.yaml_process import LENGTH_BYTES, Part, put_together
from understage.sdk.processor import parse_in_thread

log = structlog.get_logger(__name__)

LARGE = 256 * 1024
"""Shorter texts take less time than it takes to hand them over to a process that has to be started first."""
IDLE_SECONDS = 10.0
"""After so long without a text a process ends."""
AHEAD_SECONDS = 30.0
"""So long is kept what was parsed ahead and nobody asks for."""
PROGRAM = "understage.model.yaml_process"
MOST = min(os.cpu_count() or 1, 4)


class DocumentProcesses:
    """The processes of one service, started when there is something to do. Every use belongs to one event loop."""

    def __init__(self) -> None:
        self._room = asyncio.Semaphore(MOST)
        self._idle: list[_Child] = []
        self._ahead: dict[bytes, _Early] = {}
        self._parsing_ahead: asyncio.Task[None] | None = None

    async def parse(self, content: bytes, file: str) -> list[Document | SourceError]:
        """As `model.yaml.parse_each`, which it is for a text that is broken: who wrote it waits a little longer."""
        if len(content) >= LARGE:
            early = self._ahead.pop(content, None)
            if early is not None and early.has_begun:
                answer = await asyncio.shield(early.answer)
            else:
                async with self._room:
                    answer = await self._ask(content, file)
            # Of a process of this program, which holds what it was given: no more is trusted than was before.
            found: list[Part] | None = None if answer is None else pickle.loads(answer)
            if found is not None:
                return put_together(content, file, found)
        return await parse_in_thread(content, file)

    def parse_ahead(self, content: bytes, file: str) -> None:
        """Parse a large text soon, for whoever calls `parse` for the same; by one process, one text after the other."""
        self._ahead[content] = _Early(file, asyncio.get_running_loop().create_future())
        if self._parsing_ahead is None or self._parsing_ahead.done():
            self._parsing_ahead = asyncio.create_task(self._parse_ahead())

    async def close(self) -> None:
        """End the processes."""
        if self._parsing_ahead is not None:
            self._parsing_ahead.cancel()
            await asyncio.gather(self._parsing_ahead, return_exceptions=True)
        while self._idle:
            await self._idle.pop().end()

    async def _parse_ahead(self) -> None:
        while waiting := [(content, early) for content, early in self._ahead.items() if not early.has_begun]:
            content, early = waiting[0]
            early.has_begun = True
            try:
                early.answer.set_result(await self._ask(content, early.file))
            finally:
                early.answer.cancel()
        asyncio.get_running_loop().call_later(AHEAD_SECONDS, self._ahead.clear)

    async def _ask(self, content: bytes, file: str) -> bytes | None:
        """The parts of the documents, pickled (None when something is wrong with the text); None when the process failed."""
        child = self._idle.pop() if self._idle else None
        try:
            if child is None:
                child = await _Child.start()
            answer = await child.ask((content, file))
        except (OSError, EOFError) as error:
            log.warning("a process that parses has ended, a thread does its work", file=file, error=str(error))
            if child is not None:
                await child.end()
            return None
        except BaseException:
            # Nobody waits for its answer, which the next one must not get.
            if child is not None:
                child.kill()
            raise
        child.rest(self._end_idle)
        self._idle.append(child)
        return answer

    def _end_idle(self, child: "_Child") -> None:
        if child in self._idle:
            self._idle.remove(child)
            child.leave()


@dataclass(slots=True)
class _Early:
    """A text that is parsed before anybody asks."""

    file: str
    answer: asyncio.Future[bytes | None]
    has_begun: bool = False


class _Child:
    """One process: takes a text, gives its documents, and ends when nobody can ask any more."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._timer: asyncio.TimerHandle | None = None

    @classmethod
    async def start(cls) -> "_Child":
        # In a session of its own: what interrupts the service at a terminal is the service's business.
        return cls(
            await asyncio.create_subprocess_exec(
                sys.executable, "-m", PROGRAM,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
                limit=4 * 1024 * 1024, start_new_session=True,
            )
        )  # fmt: skip

    async def ask(self, question: tuple[bytes, str]) -> bytes:
        """Raises OSError and EOFError when the process is no more."""
        if self._timer is not None:
            self._timer.cancel()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(pickle.dumps(question))
        await self._process.stdin.drain()
        length = await self._process.stdout.readexactly(LENGTH_BYTES)
        return await self._process.stdout.readexactly(int.from_bytes(length))

    def rest(self, end: Callable[["_Child"], None]) -> None:
        self._timer = asyncio.get_running_loop().call_later(IDLE_SECONDS, end, self)

    def leave(self) -> None:
        """It reads the end of its input, and ends by itself."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    def kill(self) -> None:
        if self._process.returncode is None:
            self._process.kill()

    async def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self.kill()
        await self._process.wait()
