"""Make due what was read from some URLs: by refresh keys, and by the annotations that say where an entity comes from."""

from collections.abc import Collection

from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.store.bulk import among, is_sqlite, listed
from understage.catalog.store.replace_refresh_keys import stored_key
from understage.catalog.store.schedule import make_due

_PLACES = (
    "'metadata.annotations.backstage.io/managed-by-location'",
    "'metadata.annotations.backstage.io/managed-by-origin-location'",
)


async def schedule_urls(connection: AsyncConnection, keys: Collection[str]) -> int:
    """Make due what was made of exactly these (`url:…`); returns how many entities that are."""
    condition = f"""
        id IN (
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
    return await make_due(connection, condition, parameters)


async def schedule_urls_below(connection: AsyncConnection, prefix: str) -> int:
    """Make due what was made of anything whose key begins with `prefix` (`url:…/`); returns how many entities that are."""
    starts = "substr(key, 1, length(:prefix)) = :prefix" if is_sqlite(connection) else "starts_with(key, :prefix)"
    # The next text after all that begin with a slash begins with a zero: the index of the search rows knows both ends.
    condition = f"""
        id IN (
            SELECT entity_id FROM refresh_keys WHERE {starts}
            UNION SELECT entity_id FROM search
            WHERE key IN ({", ".join(_PLACES)}) AND value >= :first AND value < :after
        )
    """
    lowered = prefix.lower()
    parameters = {"prefix": prefix, "first": lowered, "after": lowered.removesuffix("/") + "0"}
    return await make_due(connection, condition, parameters)
