"""Answers that are kept as long as nothing that is served has changed: pages ask the same again and again.

Used for facets and totals, which look at every entity that a filter finds; what they cost grows with the catalog.
"""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.store.changes import Version, select_version

# A replica of the first release notes no changes.
SECONDS = 10.0

Answer = TypeVar("Answer")


class KeptAnswers(Generic[Answer]):
    """The answers of one kind of question in this process; at most `most`, and only those that `is_small` says are."""

    def __init__(self, most: int, is_small: Callable[[Answer], bool] = lambda _: True) -> None:
        self._most = most
        self._is_small = is_small
        self._kept: OrderedDict[Hashable, tuple[Version, float, Answer]] = OrderedDict()

    async def find(
        self, connection: AsyncConnection, question: Hashable, ask: Callable[[], Awaitable[Answer]]
    ) -> Answer:
        """The kept answer, or what `ask` finds."""
        version = await select_version(connection)
        kept = self._kept.get(question)
        if kept is not None and kept[0] == version and time.monotonic() - kept[1] < SECONDS:
            self._kept.move_to_end(question)
            return kept[2]
        answer = await ask()
        if self._is_small(answer):
            self._kept[question] = (version, time.monotonic(), answer)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return answer
