"""One page of by-query: from the question, or a cursor, to items, total and the cursors of the neighbours.

The page fetches one row more than asked to know whether another page exists. With an order, entities without a value of the
order field are in neither items nor total (stock behaviour).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.predicate import Predicate, both
from understage.catalog.query.cursor import Cursor, FullText, Order, Place
from understage.catalog.store.count_entities import count_entities
from understage.catalog.store.select_page import PageRow, select_page

DEFAULT_LIMIT = 200


@dataclass(frozen=True)
class Question:
    """What by-query asks. `place` None is the first page; `offset` counts there only."""

    predicate: Predicate
    order: Order | None = None
    full_text: FullText | None = None
    limit: int = DEFAULT_LIMIT
    offset: int = 0
    with_total: bool = True
    cursor: Cursor | None = None


@dataclass(frozen=True)
class Page:
    """The answer: stored JSON of the entities, the total, and encoded cursors."""

    items: list[str]
    total: int
    next_cursor: str | None = None
    previous_cursor: str | None = None


def question_of(cursor: Cursor, limit: int) -> Question:
    """The question a cursor carries on with."""
    return Question(cursor.predicate, cursor.order, cursor.full_text, limit, cursor=cursor)


def searched_fields(question: Question) -> tuple[str, ...]:
    """The index keys full text looks at: those asked for, else the order field, else the uid."""
    if question.full_text is not None and question.full_text.fields:
        return question.full_text.fields
    return (question.order.field,) if question.order is not None else ("metadata.uid",)


async def query_entities(connection: AsyncConnection, question: Question, access: Predicate | None) -> Page:
    """Answer a question for a caller who may read what satisfies `access` (None: everything)."""
    predicate = both(question.predicate, access)
    field = None if question.order is None else question.order.field.lower()
    term = "" if question.full_text is None else question.full_text.term.strip()
    text = (term, searched_fields(question)) if term else None
    cursor = question.cursor
    if cursor is not None:
        total = cursor.total
    else:
        total = await count_entities(connection, predicate, field, text) if question.with_total else 0
    if question.limit == 0:
        return Page([], total)
    backwards = cursor is not None and cursor.is_previous
    rows = await select_page(
        connection,
        predicate,
        order=field,
        descending=question.order is not None and question.order.descending,
        text=text,
        after=None if cursor is None else cursor.place,
        backwards=backwards,
        limit=question.limit + 1,
        offset=question.offset if cursor is None else 0,
    )
    more = len(rows) > question.limit
    rows = rows[: question.limit]
    if backwards:
        rows = rows[::-1]
    return _with_cursors(question, rows, total, more, backwards)


def _with_cursors(question: Question, rows: Sequence[PageRow], total: int, more: bool, backwards: bool) -> Page:
    items = [row.final_entity for row in rows]
    if not rows:
        return Page(items, total)
    first, last = _place(rows[0]), _place(rows[-1])
    cursor = question.cursor
    # A walk that began at an offset ends there when it goes back: what lies before is not part of it.
    beginning = first if cursor is None else cursor.first
    base = Cursor(question.predicate, question.order, question.full_text, last, beginning, total)
    has_previous = beginning is not None and first != beginning and (not backwards or more)
    return Page(
        items,
        total,
        next_cursor=base.encode() if more or backwards else None,
        previous_cursor=replace(base, place=first, is_previous=True).encode() if has_previous else None,
    )


def _place(row: PageRow) -> Place:
    return (row.sorted_by, row.uid)
