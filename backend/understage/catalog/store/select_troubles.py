"""Select what is wrong with entities besides their own errors: conflicts, failures of stitching, children that never got in.

One query tells that nothing is wrong with anybody, which is the rule.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.store.bulk import among, listed
from understage.catalog.store.failures import Stage

MOST = 20
"""How many conflicts, and how many children, are selected of each entity."""


class Failure(NamedTuple):
    """A row of `failures`."""

    since: int
    is_kept: bool
    error: str | None


class Conflict(NamedTuple):
    """A name that two claim. Of each: where the entity was read, and the parent or provider that gives it."""

    entity_ref: str
    loser_location: str | None
    loser_source: str
    holder_location: str | None
    holder_source: str | None
    since: int


class Unadmitted(NamedTuple):
    """A child that has never been served, and why: `errors` is a JSON array."""

    entity_ref: str
    location: str | None
    errors: str


@dataclass(slots=True)
class Troubles:
    """What is wrong with one entity; the counts are of all, the lists hold the first twenty."""

    failures: dict[Stage, Failure] = field(default_factory=dict)
    lost: list[Conflict] = field(default_factory=list)
    lost_count: int = 0
    won: list[Conflict] = field(default_factory=list)
    won_count: int = 0
    unadmitted: list[Unadmitted] = field(default_factory=list)
    unadmitted_count: int = 0


async def select_troubles(connection: AsyncConnection, refs: Sequence[str]) -> dict[str, Troubles]:
    """Those of `refs` with which anything is wrong."""
    found: dict[str, Troubles] = {}
    exists = "SELECT EXISTS (SELECT 1 FROM failures), EXISTS (SELECT 1 FROM conflicts)"
    any_failures, any_conflicts = (await connection.execute(text(exists))).one()
    parameters = {"refs": listed(connection, refs), "most": MOST}
    if any_failures:
        await _add_failures(connection, parameters, found)
        await _add_unadmitted(connection, parameters, found)
    if any_conflicts:
        await _add_conflicts(connection, parameters, found)
    return found


async def _add_failures(connection: AsyncConnection, parameters: dict[str, Any], found: dict[str, Troubles]) -> None:
    statement = f"""
        SELECT s.entity_ref, f.stage, f.since, f.is_kept, f.error
        FROM failures f JOIN refresh_state s ON s.id = f.entity_id
        WHERE s.entity_ref {among(connection, "refs")} AND (f.stage = 'stitching' OR s.errors <> '[]')
    """
    for ref, stage, since, is_kept, error in await connection.execute(text(statement), {"refs": parameters["refs"]}):
        found.setdefault(ref, Troubles()).failures[stage] = Failure(since, bool(is_kept), error)


async def _add_unadmitted(connection: AsyncConnection, parameters: dict[str, Any], found: dict[str, Troubles]) -> None:
    # What is processed and not stitched yet is on its way.
    statement = f"""
        SELECT * FROM (
            SELECT r.source_entity_ref, s.entity_ref, s.location_key,
                   CASE f.stage WHEN 'stitching' THEN '[' || f.error || ']' ELSE s.errors END,
                   count(*) OVER (PARTITION BY r.source_entity_ref) AS total,
                   row_number() OVER (PARTITION BY r.source_entity_ref ORDER BY s.entity_ref) AS place
            FROM failures f JOIN refresh_state s ON s.id = f.entity_id
            JOIN refresh_state_references r ON r.target_entity_ref = s.entity_ref
            WHERE r.source_entity_ref {among(connection, "refs")} AND CASE f.stage
                WHEN 'stitching' THEN NOT EXISTS (SELECT 1 FROM final_entities e WHERE e.entity_id = s.id)
                ELSE s.processed_entity IS NULL AND s.errors <> '[]' END
        ) AS children WHERE place <= :most ORDER BY source_entity_ref, place
    """
    for parent, ref, location, errors, total, _ in await connection.execute(text(statement), parameters):
        troubles = found.setdefault(parent, Troubles())
        troubles.unadmitted.append(Unadmitted(ref, location, errors))
        troubles.unadmitted_count = total


async def _add_conflicts(connection: AsyncConnection, parameters: dict[str, Any], found: dict[str, Troubles]) -> None:
    for column in ("source_entity_ref", "entity_ref"):
        statement = f"""
            SELECT * FROM (
                SELECT c.{column}, c.entity_ref AS ref, c.location_key, coalesce(c.source_entity_ref, c.source_key),
                       s.location_key AS holder_location,
                       (SELECT min(coalesce(r.source_entity_ref, r.source_key)) FROM refresh_state_references r
                        WHERE r.target_entity_ref = c.entity_ref) AS holder_source, c.since,
                       count(*) OVER (PARTITION BY c.{column}) AS total,
                       row_number() OVER (PARTITION BY c.{column} ORDER BY c.entity_ref, c.id) AS place
                FROM conflicts c JOIN refresh_state s ON s.entity_ref = c.entity_ref
                WHERE c.{column} {among(connection, "refs")}
            ) AS claims WHERE place <= :most ORDER BY 2, place
        """
        for owner, *values, total, _ in await connection.execute(text(statement), parameters):
            troubles = found.setdefault(owner, Troubles())
            if column == "entity_ref":
                troubles.won.append(Conflict(*values))
                troubles.won_count = total
            else:
                troubles.lost.append(Conflict(*values))
                troubles.lost_count = total
