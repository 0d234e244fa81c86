"""Cursors of by-query: base64 of a JSON object, as the stock client peeks into them.

A cursor carries the whole question (order, predicate, full text, total) and the place it stopped at. It is not signed:
clients may forge one, so it is checked like any input, and the caller's own rights are applied on every page.
"""

import base64
from dataclasses import dataclass
from typing import Any

import orjson

from understage.catalog.predicate import Predicate, both
from understage.catalog.query.filter import parse_legacy_filter
from understage.catalog.query.predicates import Wire, clean_predicate, read_predicate
from understage.errors import InputError
from understage.platform.requests import decode_base64

Place = tuple[str | None, str | None]
"""Value of the order field (None without one) and uid of the row; both None where a page had no rows."""


@dataclass(frozen=True)
class Order:
    """The order field, lower-cased on use, and its direction."""

    field: str
    descending: bool = False


@dataclass(frozen=True)
class FullText:
    """Text to look for in the values of `fields`; None: in the order field, else in the uid.

    `term` is as it was sent: blanks around it do not count, and a blank one looks for nothing.
    """

    term: str
    fields: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Cursor:
    """A place in the answer of a question. `is_previous` walks backwards from it.

    Only the first of `orders` counts; the others are carried along. `query` is the predicate of the question in JSON, as it was
    asked; `filter` the form that older backends wrote.
    """

    query: Wire | None
    orders: tuple[Order, ...]
    full_text: FullText | None
    place: Place
    first: Place | None
    total: float
    is_previous: bool = False
    filter: Wire | None = None

    @property
    def order(self) -> Order | None:
        """The order that counts."""
        return self.orders[0] if self.orders else None

    @property
    def predicate(self) -> Predicate:
        """What the entities of the answer satisfy. Raises InputError for what the index cannot answer."""
        return both(
            None if self.query is None else read_predicate(self.query),
            None if self.filter is None else parse_legacy_filter(self.filter),
        )

    def encode(self) -> str:
        """The text the client sends back."""
        orders = [{"field": order.field, "order": "desc" if order.descending else "asc"} for order in self.orders]
        first = None if self.first is None else _place_values(self.first, self.order)
        optional = {
            "query": self.query,
            "filter": self.filter,
            "fullTextFilter": None if self.full_text is None else _dump_full_text(self.full_text),
            "firstSortFieldValues": first,
        }
        content = {
            "orderFields": orders,
            "isPrevious": self.is_previous,
            "orderFieldValues": _place_values(self.place, self.order),
            "totalItems": self.total,
            **{name: value for name, value in optional.items() if value is not None},
        }
        return base64.b64encode(orjson.dumps(content)).decode()


def _dump_full_text(text: FullText) -> dict[str, Any]:
    return {"term": text.term, **({} if text.fields is None else {"fields": list(text.fields)})}


def _place_values(place: Place, order: Order | None) -> list[str | None]:
    return [place[1]] if order is None else [place[0], place[1]]


def decode_cursor(text: str) -> Cursor:
    """Parse a cursor. Raises InputError `Malformed cursor: …`."""
    content = _decode_json(text)
    orders = _orders(content.get("orderFields"))
    order = orders[0] if orders else None
    backwards = content.get("isPrevious")
    if not isinstance(backwards, bool):
        raise InputError("Malformed cursor: isPrevious")
    cursor = Cursor(
        query=clean_predicate(content["query"]) if "query" in content else None,
        orders=orders,
        full_text=_full_text(content["fullTextFilter"]) if "fullTextFilter" in content else None,
        place=_place(content.get("orderFieldValues"), order),
        first=_place(content["firstSortFieldValues"], order) if "firstSortFieldValues" in content else None,
        total=_total(content.get("totalItems", 0)),
        is_previous=backwards,
        filter=content.get("filter"),
    )
    if "filter" in content:
        parse_legacy_filter(content["filter"])
    return cursor


def _decode_json(text: str) -> dict[str, Any]:
    try:
        content = orjson.loads(decode_base64(text))
    except ValueError as error:
        raise InputError("Malformed cursor: unknown encoding") from error
    if not isinstance(content, dict):
        raise InputError("Malformed cursor: expected an object")
    return content


def _orders(value: Any) -> tuple[Order, ...]:
    if not isinstance(value, list):
        raise InputError("Malformed cursor: orderFields")
    return tuple(map(_order, value))


def _order(value: Any) -> Order:
    match value:
        case {"field": str(field), "order": "asc" | "desc" as direction}:
            return Order(field, direction == "desc")
    raise InputError("Malformed cursor: orderFields")


def _place(value: Any, order: Order | None) -> Place:
    match value:
        case [str() | None as uid] if order is None:
            return (None, uid)
        case [str() | None as sorted_by, str() | None as uid] if order is not None:
            return (sorted_by, uid)
    raise InputError("Malformed cursor: sort field values do not fit the order")


def _total(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError("Malformed cursor: totalItems")
    return value


def _full_text(value: Any) -> FullText:
    match value:
        case {"term": str(term), "fields": list(fields)} if all(isinstance(field, str) for field in fields):
            return FullText(term, tuple(fields))
        case {"term": str(term), **rest} if "fields" not in rest:
            return FullText(term)
    raise InputError("Malformed cursor: fullTextFilter")
