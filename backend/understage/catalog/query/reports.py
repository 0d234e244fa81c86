"""Reports to owners: of each entity and location when it was read, when it will be, and what is wrong with it.

Called by `catalog.api.reports`, which decides what the caller may read. Nothing of it is kept for entities that are well: the
schedule says when they were read, and no row says that something is wrong.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.predicate import NOTHING, Predicate, both
from understage.catalog.query.satisfaction import satisfies
from understage.catalog.stitching.status import iso_time
from understage.catalog.store.references import select_references
from understage.catalog.store.select_reports import (
    Outcome,
    ReportQuery,
    ReportRow,
    count_reports,
    select_reports,
)
from understage.catalog.store.select_troubles import Conflict, Troubles, select_troubles
from understage.platform.json import loads

Report = dict[str, Any]
"""`{entityRef, uid, location, sources, outcome, lastReadAt, nextReadAt, failingSince?, keptSince?, errors, conflicts}`."""

OUTCOMES: tuple[Outcome, ...] = ("ok", "errors", "never-admitted", "waiting")
CHUNK = 500


@dataclass(frozen=True)
class Reports:
    """A page: `after` is where the next one starts, None when there is none."""

    items: list[Report]
    after: str | None


async def list_reports(
    connection: AsyncConnection, query: ReportQuery, *, readable: Predicate | None, owned: Predicate | None, limit: int
) -> Reports:
    """Up to `limit` reports of entities that are both readable and owned, by reference; None of either is no limit."""
    rows = await _rows(connection, query, _wanted(readable, owned), limit + 1)
    items = await _describe(connection, rows[:limit])
    return Reports(items, rows[limit - 1].entity_ref if len(rows) > limit else None)


async def find_reports(
    connection: AsyncConnection, refs: Sequence[str], *, readable: Predicate | None
) -> dict[str, Report]:
    """The reports of those of `refs` that exist and are readable."""
    page = await list_reports(
        connection, ReportQuery(refs=refs), readable=readable, owned=None, limit=max(1, len(refs))
    )
    return {report["entityRef"]: report for report in page.items}


async def summarize_reports(
    connection: AsyncConnection, query: ReportQuery, *, readable: Predicate | None
) -> dict[Outcome, int]:
    """How many readable entities there are of each outcome."""
    counts = dict.fromkeys(OUTCOMES, 0)
    if readable == NOTHING:
        return counts
    if readable is None:
        return {**counts, **await count_reports(connection, query)}
    known = await count_reports(connection, replace(query, outcomes=("ok", "errors"), served=readable))
    counts.update(known)
    unserved = replace(query, outcomes=("never-admitted", "waiting"))
    for row in await _rows(connection, unserved, readable, None):
        counts[row.outcome] += 1
    return counts


def _wanted(readable: Predicate | None, owned: Predicate | None) -> Predicate | None:
    return None if readable is None and owned is None else both(readable, owned)


async def _rows(
    connection: AsyncConnection, query: ReportQuery, wanted: Predicate | None, limit: int | None
) -> list[ReportRow]:
    """Served entities are chosen by the database; the others are looked at here, chunk by chunk."""
    if wanted == NOTHING:
        return []
    found: list[ReportRow] = []
    query = replace(query, served=wanted)
    while True:
        rows = await select_reports(connection, query, CHUNK if limit is None else min(CHUNK, limit))
        found += [row for row in rows if wanted is None or _may_have(row, wanted)]
        if not rows or (limit is not None and len(found) >= limit):
            return found if limit is None else found[:limit]
        query = replace(query, after=rows[-1].entity_ref)


def _may_have(row: ReportRow, wanted: Predicate) -> bool:
    return row.unprocessed is None or satisfies(loads(row.unprocessed), row.uid, wanted)


async def _describe(connection: AsyncConnection, rows: Sequence[ReportRow]) -> list[Report]:
    refs = [row.entity_ref for row in rows]
    if not refs:
        return []
    troubles = await select_troubles(connection, refs)
    sources: dict[str, list[str]] = {}
    for edge in await select_references(connection, targets=refs):
        sources.setdefault(edge.target, []).append(edge.source_ref or str(edge.source_key))
    return [_report(row, troubles.get(row.entity_ref, Troubles()), sources) for row in rows]


def _report(row: ReportRow, troubles: Troubles, sources: Mapping[str, Sequence[str]]) -> Report:
    stitching = troubles.failures.get("stitching")
    errors = [*loads(row.errors), *([loads(stitching.error)] if stitching is not None and stitching.error else [])]
    report: Report = {
        "entityRef": row.entity_ref,
        "uid": row.uid,
        "location": row.location,
        "sources": sorted(sources.get(row.entity_ref, ())),
        "outcome": row.outcome,
        "lastReadAt": None if row.last_read_at is None else iso_time(row.last_read_at),
        "nextReadAt": iso_time(row.next_read_at),
    }
    if troubles.failures:
        report["failingSince"] = iso_time(min(failure.since for failure in troubles.failures.values()))
    if kept := [failure.since for failure in troubles.failures.values() if failure.is_kept]:
        report["keptSince"] = iso_time(min(kept))
    lost = [_conflict(conflict, "lost") for conflict in troubles.lost]
    held = [_conflict(conflict, "held") for conflict in troubles.won]
    return {**report, "errors": errors, "conflicts": lost + held}


def _conflict(conflict: Conflict, outcome: str) -> dict[str, Any]:
    return {
        "entityRef": conflict.entity_ref,
        "outcome": outcome,
        "holder": {"location": conflict.holder_location, "source": conflict.holder_source},
        "claimant": {"location": conflict.loser_location, "source": conflict.loser_source},
        "since": iso_time(conflict.since),
    }
