"""Who owns a task, by a name that tells whether that process is certainly gone: then nobody waits for the end of its lease.

Called by `runs`, `heartbeat` and the database's engine. How it is told:

- PostgreSQL: the process holds a lock by the session that renews its leases, and the session ends with it.
- SQLite, which is of one machine: the name has the number of the process, when it started, and whose numbers these are.

A process that is merely slow, stopped or blocked is not gone. A machine that is cut off ends no session: there, and wherever else
this cannot be told, the lease decides.
"""

import os
import uuid
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection

from understage.platform.database import Database
from understage.scaffolder.store.owner_sessions import select_without_session
from understage.scaffolder.store.silent_owners import end_leases, select_silent_owners

SESSION, PROCESS = "session", "process"
PROC = Path("/proc")


def name_owner(database: Database) -> str:
    """A name of its own for this process."""
    unique = uuid.uuid4().hex
    if database.dialect == "postgresql":
        return f"{SESSION}-{unique}"
    numbering, started = _numbering(), _started(os.getpid())
    if numbering is None or started is None:
        return unique
    return f"{PROCESS}-{unique}-{numbering}-{os.getpid()}-{started}"


async def bury(database: Database, *, own: str, silence: float) -> list[str]:
    """End the leases of owners that were silent for so many seconds and are gone; returns them."""
    silence_ms = int(silence * 1000)
    async with database.read() as connection:
        silent = await select_silent_owners(connection, but=own, silence_ms=silence_ms)
    if not silent:
        return []
    async with database.write() as connection:
        gone = await _gone(connection, silent)
        if gone:
            await end_leases(connection, gone, silence_ms=silence_ms)
    return gone


async def _gone(connection: AsyncConnection, owners: Sequence[str]) -> list[str]:
    if connection.dialect.name == "postgresql":
        sessions = [owner for owner in owners if owner.startswith(f"{SESSION}-")]
        return await select_without_session(connection, sessions) if sessions else []
    return [owner for owner in owners if owner.startswith(f"{PROCESS}-") and _has_ended(owner)]


def _has_ended(owner: str) -> bool:
    _, _, numbering, pid, started = owner.split("-")
    if numbering != _numbering():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:  # it is there, and somebody else's
        return False
    return _started(int(pid)) not in (started, None)


def _numbering() -> str | None:
    """Whose numbers of processes are the same: one boot of a machine, one container in it. None where that is not told."""
    try:
        boot = (PROC / "sys/kernel/random/boot_id").read_text().strip().replace("-", "")
        return f"{boot}.{(PROC / 'self/ns/pid').stat().st_ino}"
    except OSError:
        return None


def _started(pid: int) -> str | None:
    """When a process started, in the kernel's count; `ended` for one of which only that is left; None where it is not told."""
    try:
        # The name of the program, in brackets, may hold anything.
        state, *rest = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return "ended" if state in ("Z", "X") else rest[18]
