"""How many rows a database writes, by table: PostgreSQL's own count of inserts, updates and deletes."""

from collections.abc import Mapping

from tests.databases import PostgresServer
from tests.perf.servers import connected

COUNTS = "SELECT relname, n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_user_tables"
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


def schedule(postgres: PostgresServer, database: str) -> dict[str, str]:
    """When each entity is due next, as both backends keep it in `refresh_state`."""
    with connected(postgres, database) as connection:
        rows = connection.execute("SELECT entity_ref, next_update_at::text FROM refresh_state")
        return {str(ref): str(due) for ref, due in rows}


def analyze(postgres: PostgresServer, database: str) -> None:
    """What autovacuum does within a minute or so of a large change."""
    with connected(postgres, database) as connection:
        connection.execute("VACUUM ANALYZE")
