"""Cursors of by-query: base64 of a JSON object, as the stock client peeks into them.

A cursor carries the whole question (order, predicate, full text, total) and the place it stopped at. It is not signed:
clients may forge one, so it is checked like any input, and the caller's own rights are applied on every page.
"""

import base64
import binascii
from dataclasses import dataclass
from typing import Any

import orjson

from understage.catalog.predicate import EVERYTHING, Predicate
from understage.catalog.query.filter import parse_legacy_filter
from understage.catalog.query.predicates import dump_predicate, parse_predicate
from understage.errors import InputError

Place = tuple[str | None, str]
"""Value of the order field (None without one) and uid of the row."""


@dataclass(frozen=True)
class Order:
    """The order field, lower-cased on use, and its direction."""

    field: str
    descending: bool = False


@dataclass(frozen=True)
class FullText:
    """Text to look for in the values of `fields`; without fields in the order field, else in the uid.

    `term` is as it was sent: blanks around it do not count, and a blank one looks for nothing.
    """

    term: str
    fields: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cursor:
    """A place in the answer of a question. `is_previous` walks backwards from it."""

    predicate: Predicate
    order: Order | None
    full_text: FullText | None
    place: Place
    first: Place | None
    total: int
    is_previous: bool = False

    def encode(self) -> str:
        """The text the client sends back."""
        query = dump_predicate(self.predicate)
        order = (
            []
            if self.order is None
            else [{"field": self.order.field, "order": "desc" if self.order.descending else "asc"}]
        )
        content = {
            "orderFields": order,
            "isPrevious": self.is_previous,
            **({} if query is None else {"query": query}),
            **({} if self.full_text is None else {"fullTextFilter": _dump_full_text(self.full_text)}),
            "orderFieldValues": _place_values(self.place, self.order),
            "firstSortFieldValues": None if self.first is None else _place_values(self.first, self.order),
            "totalItems": self.total,
        }
        return base64.b64encode(orjson.dumps(content)).decode()


def _dump_full_text(text: FullText) -> dict[str, Any]:
    return {"term": text.term, **({"fields": list(text.fields)} if text.fields else {})}


def _place_values(place: Place, order: Order | None) -> list[str | None]:
    return [place[1]] if order is None else [place[0], place[1]]


def decode_cursor(text: str) -> Cursor:
    """Parse a cursor. Raises InputError `Malformed cursor: …`."""
    content = _decode_json(text)
    order = _order(content.get("orderFields", []))
    place = _place(content.get("orderFieldValues"), order)
    if place is None:
        raise InputError("Malformed cursor: orderFieldValues")
    total = content.get("totalItems", 0)
    return Cursor(
        predicate=_predicate(content),
        order=order,
        full_text=_full_text(content.get("fullTextFilter")),
        place=place,
        first=_place(content.get("firstSortFieldValues"), order),
        total=total if isinstance(total, int) and 0 <= total < 2**53 else 0,
        is_previous=content.get("isPrevious") is True,
    )


def _decode_json(text: str) -> dict[str, Any]:
    try:
        raw = base64.b64decode(
            text.replace("-", "+").replace("_", "/").rstrip("=") + "=" * (-len(text.rstrip("=")) % 4)
        )
        content = orjson.loads(raw)
    except (binascii.Error, ValueError) as error:
        raise InputError("Malformed cursor: unknown encoding") from error
    if not isinstance(content, dict):
        raise InputError("Malformed cursor: expected an object")
    return content


def _predicate(content: dict[str, Any]) -> Predicate:
    if content.get("query") is not None:
        return parse_predicate(content["query"])
    if content.get("filter") is not None:
        return parse_legacy_filter(content["filter"])
    return EVERYTHING


def _order(value: Any) -> Order | None:
    match value:
        case [] | None:
            return None
        case [{"field": str(field), "order": "asc" | "desc" as direction}, *_]:
            return Order(field, direction == "desc")
    raise InputError("Malformed cursor: orderFields")


def _place(value: Any, order: Order | None) -> Place | None:
    match value:
        case None:
            return None
        case [str(uid)] if order is None:
            return (None, uid)
        case [str(sorted_by), str(uid)] if order is not None:
            return (sorted_by, uid)
    raise InputError("Malformed cursor: sort field values do not fit the order")


def _full_text(value: Any) -> FullText | None:
    match value:
        case {"term": str(term), "fields": list(fields)}:
            return FullText(term, tuple(str(field) for field in fields))
        case {"term": str(term)}:
            return FullText(term)
    return None
