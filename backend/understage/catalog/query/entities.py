"""One page of by-query: from the question, or a cursor, to items, total and the cursors of the neighbours.

The page fetches one row more than asked to know whether another page exists. With an order, entities without a value of the
order field are in neither items nor total (stock behaviour).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypedDict

from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.predicate import EVERYTHING, Predicate, both
from understage.catalog.query.cursor import Cursor, FullText, Order, Place
from understage.catalog.query.kept import KeptAnswers
from understage.catalog.query.predicates import Wire, read_predicate
from understage.catalog.query.served import Served
from understage.catalog.store.count_entities import Text, count_entities
from understage.catalog.store.select_page import PageRow, select_page

DEFAULT_LIMIT = 200


@dataclass(frozen=True)
class Question:
    """What by-query asks. `query` is a clean predicate; `offset` counts on the first page only."""

    query: Wire | None = None
    orders: tuple[Order, ...] = ()
    full_text: FullText | None = None
    limit: int = DEFAULT_LIMIT
    offset: int = 0
    with_total: bool = True
    cursor: Cursor | None = None

    @property
    def order(self) -> Order | None:
        """The order that counts: the first."""
        return self.orders[0] if self.orders else None

    @property
    def predicate(self) -> Predicate:
        """What the entities asked for satisfy. Raises InputError for what the index cannot answer."""
        if self.cursor is not None:
            return self.cursor.predicate
        return EVERYTHING if self.query is None else read_predicate(self.query)


@dataclass(frozen=True)
class Page:
    """The answer: stored JSON of the entities, the total, and encoded cursors."""

    items: list[str | bytes]
    total: float
    next_cursor: str | None = None
    previous_cursor: str | None = None


def question_of(cursor: Cursor, limit: int) -> Question:
    """The question a cursor carries on with."""
    return Question(cursor.query, cursor.orders, cursor.full_text, limit, cursor=cursor)


def searched_fields(question: Question) -> tuple[str, ...]:
    """The index keys full text looks at: those asked for, else the order field, else the uid."""
    if question.full_text is not None and question.full_text.fields is not None:
        return question.full_text.fields
    return (question.order.field.lower(),) if question.order is not None else ("metadata.uid",)


Totals = KeptAnswers[int]


@dataclass(frozen=True)
class _Conditions:
    predicate: Predicate
    field: str | None
    text: Text | None

    @classmethod
    def of(cls, question: Question, access: Predicate | None) -> "_Conditions":
        field = None if question.order is None else question.order.field.lower()
        term = "" if question.full_text is None else question.full_text.term.strip()
        text = (term, searched_fields(question)) if term else None
        return cls(both(question.predicate, access), field, text)


async def query_entities(
    connection: AsyncConnection, question: Question, access: Predicate | None, totals: Totals | None = None
) -> Page:
    """Answer a question for a caller who may read what satisfies `access` (None: everything)."""
    if (known := _known_answer(question)) is not None:
        return known
    asked = _Conditions.of(question, access)
    total = _known_total(question)
    if total is None:
        total = await _count(connection, asked, totals)
    rows: Sequence[PageRow] = []
    if _has_rows(question):
        rows = await select_page(connection, asked.predicate, text=asked.text, order=asked.field, **_place_of(question))
    return _with_cursors(question, rows, total)


async def query_served(served: Served, question: Question, access: Predicate | None) -> Page | None:
    """As `query_entities`, from memory; None: the database has to answer."""
    if (known := _known_answer(question)) is not None:
        return known
    asked = _Conditions.of(question, access)
    place = () if question.cursor is None else question.cursor.place
    snapshot = await served.find(asked.predicate, order=asked.field, text=asked.text, values=place)
    if snapshot is None:
        return None
    total = _known_total(question)
    if total is None:
        total = snapshot.count(asked.predicate, asked.field, asked.text)
    rows: Sequence[PageRow] = []
    if _has_rows(question):
        rows = snapshot.page(asked.predicate, text=asked.text, order=asked.field, **_place_of(question))
    return _with_cursors(question, rows, total)


def _known_answer(question: Question) -> Page | None:
    """The answer that needs no looking: no rows and no count were asked for. What the predicate means does not matter then."""
    total = _known_total(question)
    return Page([], total) if question.limit == 0 and total is not None else None


def _known_total(question: Question) -> float | None:
    """The total that needs no counting: that of the first page, or none that anybody asked for."""
    if question.cursor is not None:
        return question.cursor.total
    return None if question.with_total else 0


def _has_rows(question: Question) -> bool:
    return question.limit > 0 and (question.cursor is None or question.cursor.place[1] is not None)


class _PlaceAsked(TypedDict):
    descending: bool
    after: Place | None
    backwards: bool
    limit: int
    offset: int


def _place_of(question: Question) -> _PlaceAsked:
    """Where the page begins; one row more than asked for tells whether another page comes."""
    cursor = question.cursor
    backwards = cursor is not None and cursor.is_previous
    return {
        "descending": question.order is not None and question.order.descending,
        "after": None if cursor is None else cursor.place,
        "backwards": backwards,
        "limit": question.limit if backwards else question.limit + 1,
        "offset": question.offset if cursor is None else 0,
    }


async def _count(connection: AsyncConnection, asked: _Conditions, totals: Totals | None) -> int:
    of = (asked.predicate, asked.field, asked.text)
    if totals is None:
        return await count_entities(connection, *of)
    return await totals.find(connection, of, lambda: count_entities(connection, *of))


def _with_cursors(question: Question, rows: Sequence[PageRow], total: float) -> Page:
    if question.limit == 0:
        return Page([], total)
    backwards = question.cursor is not None and question.cursor.is_previous
    has_next = backwards or len(rows) > question.limit
    rows = rows[: question.limit]
    if backwards:
        rows = rows[::-1]
    items = [row.final_entity for row in rows]
    first, last = (_place(rows[0]), _place(rows[-1])) if rows else ((None, None), (None, None))
    cursor = question.cursor
    beginning = None if cursor is None else cursor.first
    start = Cursor(question.query, question.orders, question.full_text, last, beginning or first, total)
    base = start if cursor is None else replace(start, filter=cursor.filter)
    has_previous = bool(rows) and beginning is not None and first != beginning
    return Page(
        items,
        total,
        next_cursor=base.encode() if has_next else None,
        previous_cursor=replace(base, place=first, is_previous=True).encode() if has_previous else None,
    )


def _place(row: PageRow) -> Place:
    return (row.sorted_by, row.uid)
