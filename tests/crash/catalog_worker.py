"""A replica of the catalog: `python -m tests.crash.catalog_worker DATABASE LOCATION NOTES INTERVAL`, until SIGTERM.

It says that it is ready, and takes part from the end of its input on, so that several begin together.
It appends to NOTES when it begins and ends to process an entity, or is broken off: `REFERENCE PID begin`, `… end`, `… broken`.
Appended lines of several processes stand in the order in which things happened. INTERVAL is the pause between two runs of an
entity, in seconds.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from tests.store.catalog_bench import PagesReader

from understage.catalog.engine import CatalogEngine
from understage.catalog.processors.registry import installed_processors
from understage.config.catalog_settings import CatalogSettings
from understage.model.entity import Entity
from understage.model.ref import entity_ref
from understage.platform.database import connect
from understage.sdk.processor import ProcessingContext, Processor, ProcessorSetup

PAUSE = 0.05


class Probe(Processor):
    """Notes begin and end, and takes its time between."""

    priority = -1.0

    def __init__(self, setup: ProcessorSetup) -> None:
        super().__init__(setup)
        self._notes = os.open(setup.config["notes"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    async def pre_process(self, entity: Entity, context: ProcessingContext) -> Entity:
        self._note(entity, "begin")
        try:
            await asyncio.sleep(PAUSE)
        except asyncio.CancelledError:
            self._note(entity, "broken")
            raise
        return entity

    async def post_process(self, entity: Entity, context: ProcessingContext) -> Entity:
        await asyncio.sleep(PAUSE)
        self._note(entity, "end")
        return entity

    def _note(self, entity: Entity, what: str) -> None:
        os.write(self._notes, f"{entity_ref(entity)} {os.getpid()} {what}\n".encode())


async def main(url: str, location: str, notes: str, interval: float) -> None:
    """Take part until SIGTERM."""
    database = connect(url)
    engine = CatalogEngine(
        database,
        CatalogSettings.model_validate({"locations": [{"type": "file", "target": location}]}),
        PagesReader(),
        config={"notes": notes},
        folder=Path(location).parent,
        processors=[*installed_processors(), Probe],
        providers=[],
        interval=(interval, interval * 1.5),
    )
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    await engine.start()
    await ended.wait()
    await engine.stop()
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4])))
