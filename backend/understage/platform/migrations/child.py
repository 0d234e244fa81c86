"""The process that `migrate_apart` starts: reads which database on the standard input, migrates it, and ends."""

import asyncio
import sys

from understage.platform.database import connect
from understage.platform.json import loads
from understage.platform.migrations import migrate


async def main() -> None:
    """Migrate; what fails is the last line on the standard error."""
    target = loads(sys.stdin.buffer.read())
    database = connect(target["url"], schema=target["schema"], ssl=target["ssl"])
    try:
        await migrate(database)
    finally:
        await database.close()


if __name__ == "__main__":
    asyncio.run(main())
