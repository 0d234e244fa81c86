"""The process that `migrate_apart` starts: reads which database on the standard input, migrates it, and ends."""

import asyncio
import sys
import traceback

from sqlalchemy.exc import DBAPIError

from understage.platform.database import connect
from understage.platform.json import loads
from understage.platform.migrations import migrate


async def main() -> None:
    """Migrate. Raises what the migration raises."""
    target = loads(sys.stdin.buffer.read())
    database = connect(target["url"], schema=target["schema"], ssl=target["ssl"])
    try:
        await migrate(database)
    finally:
        await database.close()


def describe(error: Exception) -> str:
    """What went wrong, on one line: the driver's own words, without the statement and where to read about it."""
    told = error.orig if isinstance(error, DBAPIError) else error
    return " ".join(str(told).split()) or type(told).__name__


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except Exception as error:
        # The last line is what `migrate_apart` tells.
        traceback.print_exc()
        sys.exit(describe(error))
