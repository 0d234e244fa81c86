"""How many rows a database writes, by table: PostgreSQL's own count of inserts, updates and deletes."""

import time
from collections.abc import Mapping, Sequence

from tests.databases import PostgresServer
from tests.perf.servers import connected

COUNTS = "SELECT relname, n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_user_tables"
# A row a thousand entities, and a row a job that repeats; the stock backend has the latter too.
SCHEDULES = ("refresh_buckets", "scheduled_tasks", "backstage_backend_tasks__tasks")
Counts = Mapping[str, tuple[int, int, int]]


def written(postgres: PostgresServer, database: str) -> Counts:
    """Inserts, updates and deletes by table so far. A session tells of its own up to ten seconds late, or when it ends."""
    with connected(postgres, database) as connection:
        return {str(name): (int(i), int(u), int(d)) for name, i, u, d in connection.execute(COUNTS)}


def difference(before: Counts, after: Counts) -> dict[str, list[int]]:
    """What was written between, of the tables that were written."""
    found = {}
    for name, counts in after.items():
        changes = [now - then for now, then in zip(counts, before.get(name, (0, 0, 0)), strict=True)]
        if any(changes):
            found[name] = changes
    return found


def rows(tables: Mapping[str, Sequence[int]]) -> tuple[int, int]:
    """How many rows of the catalog that is, and how many of tables that only say what runs when."""
    schedules = sum(sum(changes) for name, changes in tables.items() if name in SCHEDULES)
    return sum(sum(changes) for changes in tables.values()) - schedules, schedules


def schedule(postgres: PostgresServer, database: str) -> dict[str, str]:
    """When each entity is due next, as both backends keep it in `refresh_state`."""
    with connected(postgres, database) as connection:
        rows = connection.execute("SELECT entity_ref, next_update_at::text FROM refresh_state")
        return {str(ref): str(due) for ref, due in rows}


def analyze(postgres: PostgresServer, database: str) -> None:
    """What autovacuum does within a minute or so of a large change."""
    with connected(postgres, database) as connection:
        connection.execute("VACUUM ANALYZE")


def wait_until_quiet(postgres: PostgresServer, database: str, seconds: float) -> None:
    """Wait until nothing has been inserted for so long: what is left of an ingestion is done. At most ten times that."""
    since = began = time.monotonic()
    inserts = _inserted(postgres, database)
    while time.monotonic() - since < seconds and time.monotonic() - began < 10 * seconds:
        time.sleep(1)
        if (now := _inserted(postgres, database)) != inserts:
            inserts, since = now, time.monotonic()


def megabytes(postgres: PostgresServer, database: str) -> float:
    """The size of the database on the disk."""
    with connected(postgres, database) as connection:
        (size,) = connection.execute("SELECT pg_database_size(current_database())").fetchone() or (0,)
    return int(size) / (1 << 20)


def _inserted(postgres: PostgresServer, database: str) -> int:
    return sum(inserts for inserts, _updates, _deletes in written(postgres, database).values())
