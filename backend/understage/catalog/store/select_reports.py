"""Select how reading and processing went, entity by entity: what the reports to owners are made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from sqlalchemy import ColumnElement, and_, case, func, not_, or_, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.predicate import Predicate
from understage.catalog.store.match import matches
from understage.catalog.store.read_times import last_read_at, next_read_at, with_schedule
from understage.catalog.store.tables import conflicts, failures, final_entities, references, refresh_state

Outcome = Literal["ok", "errors", "never-admitted", "waiting"]
WRONG = frozenset(("errors", "never-admitted"))


class ReportRow(NamedTuple):
    """One entity; times in milliseconds. `unprocessed` is its JSON if it is not served, whose readers are not known yet."""

    entity_ref: str
    uid: str
    location: str | None
    last_read_at: int | None
    next_read_at: int
    errors: str
    outcome: Outcome
    unprocessed: str | None


@dataclass(frozen=True, slots=True)
class ReportQuery:
    """Which reports. Entities that are served satisfy `served`; those that are not are for the caller to look at.

    `below` is an entity: it and all that it leads to. `roots` are the locations that providers give.
    """

    outcomes: Sequence[Outcome] = ()
    refs: Sequence[str] | None = None
    location: str | None = None
    below: str | None = None
    roots: bool = False
    served: Predicate | None = None
    after: str = ""


_failing = or_(
    refresh_state.c.errors != "[]",
    refresh_state.c.id.in_(select(failures.c.entity_id).where(failures.c.stage == "stitching")),
    refresh_state.c.entity_ref.in_(
        select(conflicts.c.source_entity_ref).where(conflicts.c.source_entity_ref.is_not(None))
    ),
)
# The few that fail, found by the indexes that hold nothing else: not one by one among all.
_other = refresh_state.alias("other")
_is_among_failing = refresh_state.c.id.in_(
    union_all(
        select(_other.c.id).where(_other.c.errors != "[]"),
        select(failures.c.entity_id).where(failures.c.stage == "stitching"),
        select(_other.c.id).join(conflicts, conflicts.c.source_entity_ref == _other.c.entity_ref),
    )
)
_is_served = final_entities.c.entity_id.is_not(None)
_outcome = case(
    (and_(_is_served, _failing), "errors"), (_is_served, "ok"), (_failing, "never-admitted"), else_="waiting"
)
_joined = refresh_state.outerjoin(final_entities, final_entities.c.entity_id == refresh_state.c.id)
_CONDITIONS: dict[Outcome, ColumnElement[bool]] = {
    "ok": and_(_is_served, not_(_failing)),
    "errors": and_(_is_served, _failing),
    "never-admitted": and_(not_(_is_served), _failing),
    "waiting": and_(not_(_is_served), not_(_failing)),
}


async def select_reports(connection: AsyncConnection, query: ReportQuery, limit: int) -> list[ReportRow]:
    """The first reports, by reference."""
    columns = (
        refresh_state.c.entity_ref,
        refresh_state.c.uid,
        refresh_state.c.location_key,
        last_read_at,
        next_read_at,
        refresh_state.c.errors,
        _outcome.label("outcome"),
        case((_is_served, None), else_=refresh_state.c.unprocessed_entity).label("unprocessed"),
    )
    statement = select(*columns).select_from(with_schedule(_joined)).where(*_conditions(query))
    statement = statement.order_by(refresh_state.c.entity_ref).limit(limit)
    return [ReportRow(*row) for row in await connection.execute(statement)]


async def count_reports(connection: AsyncConnection, query: ReportQuery) -> dict[Outcome, int]:
    """How many there are of each outcome."""
    statement = select(_outcome.label("outcome"), func.count()).select_from(_joined)
    rows = await connection.execute(statement.where(*_conditions(query)).group_by("outcome"))
    return {row[0]: row[1] for row in rows}


def _conditions(query: ReportQuery) -> list[Any]:
    conditions: list[Any] = []
    if query.outcomes:
        conditions.append(or_(*(_CONDITIONS[outcome] for outcome in query.outcomes)))
        if WRONG.issuperset(query.outcomes):
            conditions.append(_is_among_failing)
    if query.refs is not None:
        conditions.append(refresh_state.c.entity_ref.in_(query.refs))
    if query.location is not None:
        conditions.append(refresh_state.c.location_key == query.location)
    if query.below is not None:
        conditions.append(refresh_state.c.entity_ref.in_(_below(query.below)))
    if query.roots:
        given = select(references.c.target_entity_ref).where(references.c.source_key.is_not(None))
        conditions += [refresh_state.c.entity_ref.in_(given), refresh_state.c.entity_ref.like("location:%")]
    if query.served is not None:
        conditions.append(or_(not_(_is_served), matches(refresh_state.c.id, query.served)))
    if query.after:
        conditions.append(refresh_state.c.entity_ref > query.after)
    return conditions


def _below(ref: str) -> Any:
    tree = (
        select(refresh_state.c.entity_ref.label("ref"))
        .where(refresh_state.c.entity_ref == ref)
        .cte("tree", recursive=True)
    )
    # UNION, not UNION ALL: locations may lead to each other in a circle.
    tree = tree.union(select(references.c.target_entity_ref).join(tree, references.c.source_entity_ref == tree.c.ref))
    return select(tree.c.ref)
