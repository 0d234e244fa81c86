"""One service in one process, on one event loop, from start to graceful stop. Read and called by `cli.server`."""

import asyncio
import contextlib
import gc
import signal
import socket
import threading
import time
from pathlib import Path
from typing import Any

from uvicorn.config import Config
from uvicorn.server import Server

from understage.app import Service, create_service
from understage.cli.connection import GatheringProtocol
from understage.cli.console import done, lack, say
from understage.config.settings import Settings
from understage.config.sources import Configuration
from understage.platform.database import Database
from understage.platform.document_processes import DocumentProcesses
from understage.platform.memory import give_back_memory
from understage.platform.telemetry import configure_telemetry

# Streams end at once on a stop; what else runs gets this long.
DRAIN_SECONDS = 10
COLLECT_EVERY = 500_000
COLLECT_SECONDS = 30.0
INGESTION_PATIENCE = 120


async def serve(
    configuration: Configuration,
    settings: Settings,
    database: Database,
    documents: DocumentProcesses,
    listener: socket.socket,
    *,
    standalone: bool,
    began: float,
) -> None:
    """Serve on the listening socket until a signal. `standalone` tells people how it goes since `began`, a monotonic time."""
    configure_telemetry()
    service = await create_service(
        configuration, settings, root=Path.cwd(), standalone=standalone, database=database, documents=documents
    )
    _tune_collector()
    await service.start()
    if standalone:
        done("database", service.database.describe())
    server = _WebServer(service)
    try:
        beside = [asyncio.create_task(_collect())]
        if standalone:
            beside.append(asyncio.create_task(_greet(service, settings, began)))
        await server.serve(sockets=[listener])
        for task in beside:
            task.cancel()
    finally:
        await service.stop()


def _tune_collector() -> None:
    """What the start made stays; and ingestion makes many objects of which few are cycles: look for those by the clock.

    The cycles that the start left are not looked for: half a megabyte, which takes a tenth of its time to find.
    """
    gc.freeze()
    gc.set_threshold(COLLECT_EVERY, 20, 50)
    gc.enable()
    give_back_memory()


async def _collect() -> None:
    """What makes few objects must not keep its cycles until there are many."""
    while True:
        await asyncio.sleep(COLLECT_SECONDS)
        gc.collect(1)


class _WebServer(Server):
    """uvicorn, telling the service of a stop before it waits for open connections."""

    def __init__(self, service: Service) -> None:
        super().__init__(
            Config(
                service.web,
                http=GatheringProtocol,
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=65,
                timeout_graceful_shutdown=DRAIN_SECONDS,
            )
        )
        self._service = service

    def handle_exit(self, sig: int, frame: Any) -> None:
        """A first signal begins the graceful stop, a second one ends it."""
        self._service.begin_stop()
        super().handle_exit(sig, frame)

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        """As uvicorn, without raising the signals again afterwards: the graceful stop is not an error."""
        previous = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)


async def _greet(service: Service, settings: Settings, began: float) -> None:
    """Tell how the start goes, and end with the address to open."""
    portal = asyncio.create_task(_prepare_portal(service))
    await _tell_ingestion(service)
    has_page = await portal
    seconds = time.monotonic() - began
    address = settings.app.base_url or settings.backend.base_url
    if has_page:
        say(f"\nReady after {seconds:.0f} s. Open {address} and sign in as guest; Ctrl-C stops it.")
    else:
        say(
            f"\nReady after {seconds:.0f} s, without the page. The API is at {settings.backend.base_url}/api; Ctrl-C stops it."
        )


async def _prepare_portal(service: Service) -> bool:
    from understage.portal.build import build_portal
    from understage.portal.toolchain import PortalBuildError

    loop = asyncio.get_running_loop()
    stop = threading.Event()
    service.on_stop(stop.set)

    def report(line: str) -> None:
        loop.call_soon_threadsafe(say, f"  portal    {line}")

    try:
        folder = await asyncio.to_thread(build_portal, report, stop=stop)
    except PortalBuildError as error:
        lack("portal", error.message)
        return False
    done("portal", f"stock Backstage page, {folder.name}")
    return True


async def _tell_ingestion(service: Service) -> None:
    await service.wait_until_ingested(INGESTION_PATIENCE)
    count, problems = await service.count_entities()
    done("catalog", f"{count} entities")
    for problem in problems:
        lack("catalog", problem)
