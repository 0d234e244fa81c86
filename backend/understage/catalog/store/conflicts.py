"""Who gives an entity whose name another one holds: set what is known of some claimants, all of it in bulk."""

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.store.bulk import among, delete_ids, insert_rows, listed, now


class LostClaim(NamedTuple):
    """What a provider (`source_key`) or a parent (`source_ref`) gives under `location_key`, and does not get."""

    entity_ref: str
    source_key: str | None
    source_ref: str | None
    location_key: str | None


_INSERTED = {
    "entity_ref": "text",
    "source_key": "text",
    "source_entity_ref": "text",
    "location_key": "text",
    "since": "bigint",
}


async def set_parents_conflicts(
    connection: AsyncConnection, parents: Sequence[str], lost: Collection[LostClaim]
) -> set[str]:
    """Make `lost` all that these parents lost; returns whose final forms that changes."""
    condition = f"source_entity_ref {among(connection, 'parents')}"
    known = await _select(connection, condition, {"parents": listed(connection, parents)})
    return await _change(connection, known, lost)


async def set_provider_conflicts(
    connection: AsyncConnection,
    source_key: str,
    lost: Collection[LostClaim],
    *,
    is_settled: Callable[[str], bool] = lambda ref: True,
) -> set[str]:
    """Make `lost` all that a provider lost among the references that `is_settled` is true for; returns as above."""
    known = await _select(connection, "source_key = :key", {"key": source_key})
    return await _change(connection, {claim: id_ for claim, id_ in known.items() if is_settled(claim.entity_ref)}, lost)


async def select_claims_of(connection: AsyncConnection, refs: Collection[str]) -> set[str]:
    """The entities whose names these parents claim and do not hold."""
    statement = f"SELECT DISTINCT entity_ref FROM conflicts WHERE source_entity_ref {among(connection, 'refs')}"
    return {row[0] for row in await connection.execute(text(statement), {"refs": listed(connection, sorted(refs))})}


async def _select(connection: AsyncConnection, condition: str, parameters: dict[str, object]) -> dict[LostClaim, int]:
    statement = f"SELECT id, entity_ref, source_key, source_entity_ref, location_key FROM conflicts WHERE {condition}"
    return {LostClaim(*row[1:]): row[0] for row in await connection.execute(text(statement), parameters)}


async def _change(connection: AsyncConnection, known: dict[LostClaim, int], lost: Collection[LostClaim]) -> set[str]:
    wanted = set(lost)
    new = sorted(wanted - known.keys(), key=str)
    gone = known.keys() - wanted
    await delete_ids(connection, "conflicts", "id", [known[claim] for claim in gone])
    if new:
        at = (await connection.execute(text(f"SELECT {now(connection)}"))).scalar_one()
        await insert_rows(connection, "conflicts", _INSERTED, [(*claim, at) for claim in new])
    changed = [*new, *gone]
    return {ref for claim in changed for ref in (claim.entity_ref, claim.source_ref) if ref is not None}
