"""Make due what was read from some URLs: by refresh keys, and by the annotations that say where an entity comes from."""

from collections.abc import Collection

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.store.bulk import among, is_sqlite, listed, now
from understage.catalog.store.replace_refresh_keys import stored_key

_PLACES = (
    "'metadata.annotations.backstage.io/managed-by-location'",
    "'metadata.annotations.backstage.io/managed-by-origin-location'",
)


async def schedule_urls(connection: AsyncConnection, keys: Collection[str]) -> int:
    """Make due what was made of exactly these (`url:…`); returns how many entities that are."""
    statement = f"""
        UPDATE refresh_state SET next_update_at = {now(connection)}
        WHERE id IN (
            SELECT entity_id FROM refresh_keys WHERE key {among(connection, "keys")}
            UNION SELECT entity_id FROM search
            WHERE key IN ({", ".join(_PLACES)}) AND value {among(connection, "places")}
        )
    """
    parameters = {
        "keys": listed(connection, sorted({stored_key(key) for key in keys})),
        # What is searched is stored in lower case.
        "places": listed(connection, sorted({key.lower() for key in keys})),
    }
    return (await connection.execute(text(statement), parameters)).rowcount


async def schedule_urls_below(connection: AsyncConnection, prefix: str) -> int:
    """Make due what was made of anything whose key begins with `prefix` (`url:…/`); returns how many entities that are."""
    starts = "substr(key, 1, length(:prefix)) = :prefix" if is_sqlite(connection) else "starts_with(key, :prefix)"
    # The next text after all that begin with a slash begins with a zero: the index of the search rows knows both ends.
    statement = f"""
        UPDATE refresh_state SET next_update_at = {now(connection)}
        WHERE id IN (
            SELECT entity_id FROM refresh_keys WHERE {starts}
            UNION SELECT entity_id FROM search
            WHERE key IN ({", ".join(_PLACES)}) AND value >= :first AND value < :after
        )
    """
    lowered = prefix.lower()
    parameters = {"prefix": prefix, "first": lowered, "after": lowered.removesuffix("/") + "0"}
    return (await connection.execute(text(statement), parameters)).rowcount
