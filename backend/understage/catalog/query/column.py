"""The values of one key of the search index in memory, ordered as the database orders them, and sets of entities as bits.

Part of a `snapshot`, where an entity is a number: its place in the order of uids. Python compares texts by code points, which is
the order of their UTF-8, as the collation C and SQLite have it.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cached_property

Bits = int
"""A set of entities: bit n is entity n."""

SEPARATOR = "\0"
# Above this share of the rows, to look at all of them one by one is cheaper.
OFTEN = 0.05


def bits_of(numbers: Iterable[int], size: int) -> Bits:
    """The set of these entities, of `size` there are."""
    octets = bytearray(size // 8 + 1)
    for number in numbers:
        octets[number >> 3] |= 1 << (number & 7)
    return int.from_bytes(octets, "little")


def members(bits: Bits, *, start: int = 0, end: int | None = None, down: bool = False) -> Iterator[int]:
    """The entities of a set from `start` to before `end`, upwards or downwards."""
    digits = bin(bits)[:1:-1]
    stop = len(digits) if end is None else min(end, len(digits))
    if down:
        while (number := digits.rfind("1", start, stop)) >= 0:
            yield number
            stop = number
        return
    number = digits.find("1", start, stop)
    while number >= 0:
        yield number
        number = digits.find("1", number + 1, stop)


class Column:
    """Made of (value, entity) rows. `values` and `entities` are its rows that have a value, by value, then by uid."""

    def __init__(self, rows: Sequence[tuple[str | None, int]], size: int) -> None:
        self._size = size
        known = sorted((value, number) for value, number in rows if value is not None)
        self.values = [value for value, _ in known]
        self.entities = array("I", [number for _, number in known])
        self.present = bits_of((number for _, number in rows), size)
        self.with_value = bits_of(self.entities, size)
        self.is_single = self.with_value.bit_count() == len(self.entities)
        self.rows = len(rows)

    @cached_property
    def positions(self) -> "array[int]":
        """The row of each entity in a column where none has two; of those without a value the number of rows."""
        positions = array("I", [len(self.entities)]) * self._size
        for position, number in enumerate(self.entities):
            positions[number] = position
        return positions

    def has_rows(self, rows: Sequence[tuple[str | None, int]], numbers: Collection[int]) -> bool:
        """Whether `rows` are all that the column has of these entities."""
        present = {number for _, number in rows}
        if any((self.present >> number & 1) != (number in present) for number in numbers):
            return False
        mine = [row for row in zip(self.values, self.entities, strict=True) if row[1] in numbers]
        return mine == sorted((value, number) for value, number in rows if value is not None)

    def equal(self, value: str) -> Bits:
        """The entities that have the value."""
        start = bisect_left(self.values, value)
        return bits_of(self.entities[start : bisect_right(self.values, value, start)], self._size)

    def beginning(self, prefix: str) -> Bits:
        """The entities that have a value with this beginning."""
        start = bisect_left(self.values, prefix)
        end = bisect_right(self.values, prefix, start, key=lambda value: value[: len(prefix)])
        return bits_of(self.entities[start:end], self._size)

    def holding(self, term: str) -> Bits:
        """The entities that have a value with this text in it."""
        text, starts = self._text
        if not text or text.count(term) > OFTEN * len(self.values):
            found = [number for value, number in zip(self.values, self.entities, strict=True) if term in value]
            return bits_of(found, self._size)
        rows: list[int] = []
        place = text.find(term)
        while place >= 0:
            row = bisect_right(starts, place) - 1
            rows.append(row)
            if row + 1 == len(starts):
                break
            place = text.find(term, starts[row + 1])
        return bits_of((self.entities[row] for row in rows), self._size)

    @cached_property
    def _text(self) -> "tuple[str, array[int]]":
        """All values one after the other, and where each begins; nothing if a value holds what separates them."""
        text = SEPARATOR.join(self.values)
        if text.count(SEPARATOR) >= max(1, len(self.values)):
            return "", array("I")
        starts, start = array("I"), 0
        for value in self.values:
            starts.append(start)
            start += len(value) + 1
        return text, starts
