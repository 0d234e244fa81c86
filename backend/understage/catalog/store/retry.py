"""Transactions that replicas of the service may fight over: run again when PostgreSQL says so."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.platform.database import Database

ATTEMPTS = 4
FIRST_PAUSE = 0.025
# Deadlock, serialization failure, and a row that went away, or came, between two statements.
WORTH_A_RETRY = frozenset(("40P01", "40001", "23503", "23505"))

T = TypeVar("T")


class LostRace(Exception):
    """Another replica wrote first; raised by store operations whose caller must look again."""


async def write_with_retry(
    database: Database, work: Callable[[AsyncConnection], Awaitable[T]], *, is_derived: bool = False
) -> T:
    """Run `work` in a transaction; up to four times when it lost against another replica. `work` must be repeatable.

    `is_derived` as in `Database.write`.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            async with database.write(is_derived=is_derived) as connection:
                return await work(connection)
        except (DBAPIError, LostRace) as error:
            if attempt == ATTEMPTS or not _is_worth_a_retry(error):
                raise
            await asyncio.sleep(FIRST_PAUSE * 2**attempt)
    raise AssertionError("the last attempt returns or raises")


def _is_worth_a_retry(error: DBAPIError | LostRace) -> bool:
    return isinstance(error, LostRace) or getattr(error.orig, "sqlstate", None) in WORTH_A_RETRY
