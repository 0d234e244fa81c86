"""The same uids in both backends: ours take those of the stock one, so that orders by uid, ties and cursors compare whole.

Uids are random, and the order of much that the catalog answers hangs on them. Ours are changed in its database, and the
entities queued for stitching: the service itself then writes them wherever they show.
"""

import psycopg
from sqlalchemy import URL


def give_the_same_uids(server: URL, stock_port: int, our_port: int) -> None:
    """Give the entities of ours the uids that the stock backend has for the same references."""
    with _connect(server, f"on_{stock_port}_catalog") as stock:
        uids = stock.execute("SELECT entity_ref, entity_id::text FROM refresh_state").fetchall()
    with _connect(server, f"on_{our_port}_understage") as ours:
        cursor = ours.cursor()
        changes = [(uid, ref) for ref, uid in uids]
        cursor.executemany("UPDATE refresh_state SET uid = %s WHERE entity_ref = %s", changes)
        cursor.executemany("UPDATE final_entities SET uid = %s WHERE entity_ref = %s", changes)
        cursor.execute(
            "INSERT INTO stitch_queue (entity_ref, stitch_ticket, next_stitch_at)"
            " SELECT entity_ref, 'same-uids', 0 FROM refresh_state"
            " ON CONFLICT (entity_ref) DO UPDATE SET stitch_ticket = EXCLUDED.stitch_ticket, next_stitch_at = 0"
        )


def _connect(server: URL, database: str) -> psycopg.Connection[tuple[str, str]]:
    return psycopg.connect(server.set(drivername="postgresql", database=database).render_as_string(hide_password=False))
