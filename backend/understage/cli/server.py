"""`understage up` and `understage serve`: what comes before the service is there.

While PostgreSQL makes the database ready and large files are parsed, the modules of the service are read: `cli.serving`, which
goes on from here, and all that it imports. Those imported here are needed for the configuration and the database.
"""

import asyncio
import contextlib
import importlib
import socket
import sys
import time
from collections.abc import Coroutine, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from understage import __version__
from understage.cli.configuration import read_configuration
from understage.cli.console import done, say
from understage.config.settings import Settings, read_settings
from understage.config.sources import Configuration
from understage.errors import InputError
from understage.platform.database import Database
from understage.platform.database_config import open_migrated
from understage.platform.light_imports import lighten
from understage.platform.logging import configure_logging

if TYPE_CHECKING:
    from understage.platform.document_processes import DocumentProcesses

LOOPBACK = "127.0.0.1"
SWITCH_SECONDS = 0.0005


def run_serve(files: Sequence[Path], port: int | None) -> None:
    """The production form: logs, and nothing else on the terminal."""
    configuration, settings = _read(files, _listen_overrides(port))
    configure_logging(level=settings.backend.logger.level)
    _run(_serve(configuration, settings, standalone=False))


def run_up(files: Sequence[Path], port: int | None) -> None:
    """The laptop form: progress for people, warnings and errors of the log below it."""
    configuration, settings = _read(files, _up_overrides(port, read_configuration(files)))
    configure_logging(json=False, level="warn")
    say(f"Understage {__version__}")
    _run(_serve(configuration, settings, standalone=True))


def run_migrate(files: Sequence[Path]) -> None:
    """Migrate, and say what was migrated."""
    _, settings = _read(files, {})
    configure_logging()

    async def migrate_only() -> None:
        database = await _open_database(settings)
        await database.close()
        done("database", database.describe())

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
        # One waits for the database, and one needs the processor: it gives way to the other.
        with _switching_every(SWITCH_SECONDS):
            database, documents = await asyncio.gather(_open_database(settings), _read_modules(settings))
        from understage.cli.serving import serve

        await serve(configuration, settings, database, documents, listener, standalone=standalone, began=began)


@contextlib.contextmanager
def _switching_every(seconds: float) -> Iterator[None]:
    """How long a thread computes while another one wants to."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(seconds)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


async def _open_database(settings: Settings) -> Database:
    root = Path.cwd()
    return await open_migrated(settings.backend.database, root=root, data_directory=settings.data_directory(root))


async def _read_modules(settings: Settings) -> "DocumentProcesses":
    """Import what serves; other processes parse meanwhile what will be asked for first."""
    await asyncio.to_thread(importlib.import_module, "understage.catalog.parse_ahead")
    from understage.catalog.parse_ahead import parse_ahead
    from understage.platform.document_processes import DocumentProcesses

    documents = DocumentProcesses()
    await parse_ahead(settings.catalog.locations, Path.cwd(), documents)
    await asyncio.to_thread(_import_serving)
    return documents


def _import_serving() -> None:
    lighten()
    importlib.import_module("understage.cli.serving")


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
