"""One replica of the crash test of incremental ingestion: `python -m tests.crash.incremental_worker URL EFFECTS`.

Its source has forty pages of twenty-five people, and appends `<pid> <page>` to EFFECTS before it gives one. It stands still
at page 12 as long as there is a file `hold` beside EFFECTS. Leases are short.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path
from typing import Any

from understage.catalog import scheduling
from understage.catalog.engine import CatalogEngine
from understage.config.catalog_settings import CatalogSettings
from understage.platform.database import connect
from understage.sdk import IncrementalOptions, Page, ProvidedEntity
from understage.sdk.testing import FakeReader

PAGES = 40
PER_PAGE = 25
HELD_PAGE = 12
PLACE = "test:people"


class Source:
    """The pages."""

    name = "people"
    options = IncrementalOptions(
        burst_interval=timedelta(seconds=5), burst_length=timedelta(minutes=5), rest_length=timedelta(days=1)
    )

    def __init__(self, effects: Path) -> None:
        self._effects = effects

    async def pages(self, cursor: Any) -> AsyncGenerator[Page, None]:
        for number in range(0 if cursor is None else cursor + 1, PAGES):
            with self._effects.open("a") as file:
                file.write(f"{os.getpid()} {number}\n")
            await asyncio.sleep(0.05)
            while number >= HELD_PAGE and self._effects.with_name("hold").exists():
                await asyncio.sleep(0.02)
            yield Page([person(number, index) for index in range(PER_PAGE)], number, is_last=number == PAGES - 1)


def person(page: int, index: int) -> ProvidedEntity:
    """One of a page."""
    marks = {"backstage.io/managed-by-location": PLACE, "backstage.io/managed-by-origin-location": PLACE}
    metadata = {"name": f"p{page}-{index}", "annotations": marks}
    entity = {"apiVersion": "backstage.io/v1alpha1", "kind": "User", "metadata": metadata, "spec": {"memberOf": []}}
    return ProvidedEntity(entity, "people")


async def main(url: str, effects: Path) -> None:
    """Ingest until SIGTERM."""
    scheduling.LEASE_SECONDS, scheduling.RENEWAL_SECONDS = 2.0, 0.3
    database = connect(url)
    engine = CatalogEngine(database, CatalogSettings(), FakeReader(), providers=[Source(effects)])
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    await engine.start()
    print("ready", flush=True)
    await ended.wait()
    await engine.stop()
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
