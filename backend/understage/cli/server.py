"""`understage up` and `understage serve`: one process, one event loop, from start to graceful stop."""

import asyncio
import contextlib
import gc
import signal
import socket
import threading
import time
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp
from uvicorn.config import Config
from uvicorn.server import Server

from understage import __version__
from understage.app import Service, create_service
from understage.cli.configuration import read_configuration
from understage.cli.connection import GatheringProtocol
from understage.cli.console import done, lack, say
from understage.config.settings import Settings, read_settings
from understage.config.sources import Configuration
from understage.errors import InputError
from understage.platform.logging import configure_logging
from understage.platform.memory import give_back_memory
from understage.platform.telemetry import configure_telemetry

LOOPBACK = "127.0.0.1"
# Streams end at once on a stop; what else runs gets this long.
DRAIN_SECONDS = 10
COLLECT_EVERY = 500_000
COLLECT_SECONDS = 30.0
INGESTION_PATIENCE = 120


def run_serve(files: Sequence[Path], port: int | None) -> None:
    """The production form: logs, and nothing else on the terminal."""
    configuration, settings = _read(files, _listen_overrides(port))
    configure_logging(level=settings.backend.logger.level)
    configure_telemetry()
    _run(_serve(configuration, settings, standalone=False))


def run_up(files: Sequence[Path], port: int | None) -> None:
    """The laptop form: progress for people, warnings and errors of the log below it."""
    configuration, settings = _read(files, _up_overrides(port, read_configuration(files)))
    configure_logging(json=False, level="warn")
    configure_telemetry()
    say(f"Understage {__version__}")
    _run(_serve(configuration, settings, standalone=True))


def run_migrate(files: Sequence[Path]) -> None:
    """Migrate, and say what was migrated."""
    configuration, settings = _read(files, {})
    configure_logging()

    async def migrate_only() -> None:
        service = await create_service(configuration, settings, root=Path.cwd(), standalone=False)
        await service.database.close()
        done("database", service.database.describe())

    _run(migrate_only())


def _run(main: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=_new_loop) as runner:
        runner.run(main)


def _new_loop() -> asyncio.AbstractEventLoop:
    """uvloop's, where there is one (it has no build for Windows)."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def _read(files: Sequence[Path], overrides: dict[str, Any]) -> tuple[Configuration, Settings]:
    configuration = read_configuration(files, overrides)
    return configuration, read_settings(configuration)


def _listen_overrides(port: int | None) -> dict[str, Any]:
    return {} if port is None else {"backend": {"listen": {"port": port}}}


def _up_overrides(port: int | None, configuration: Configuration) -> dict[str, Any]:
    """`up` is for one machine: loopback unless a host is named, and a --port moves the addresses that people see too."""
    listen = configuration.get("backend.listen")
    names_host = (isinstance(listen, dict) and listen.get("host")) or (isinstance(listen, str) and ":" in listen)
    overrides: dict[str, Any] = {"backend": {}}
    if not names_host or port is not None:
        current = read_settings(configuration).backend.listen
        overrides["backend"]["listen"] = {
            "host": current.host or LOOPBACK,
            "port": current.port if port is None else port,
        }
    if port is not None:
        overrides["backend"]["baseUrl"] = f"http://localhost:{port}"
        overrides["app"] = {"baseUrl": f"http://localhost:{port}"}
    return overrides


async def _serve(configuration: Configuration, settings: Settings, *, standalone: bool) -> None:
    began = time.monotonic()
    listener = _bind(settings)
    with contextlib.closing(listener):
        service = await create_service(configuration, settings, root=Path.cwd(), standalone=standalone)
        _tune_collector()
        await service.start()
        if standalone:
            done("database", service.database.describe())
        server = _Server(service.web, service)
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


def _bind(settings: Settings) -> socket.socket:
    """The listening socket, taken before anything is started."""
    listen = settings.backend.listen
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((listen.host, listen.port))
    except OSError as error:
        listener.close()
        raise InputError(
            f"Cannot listen on {listen.host or '*'}:{listen.port}: {error.strerror}. "
            "End the program that uses it, or choose another port with --port."
        ) from error
    listener.setblocking(False)
    return listener


class _Server(Server):
    """uvicorn, telling the service of a stop before it waits for open connections."""

    def __init__(self, web: ASGIApp, service: Service) -> None:
        super().__init__(
            Config(
                web,
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
