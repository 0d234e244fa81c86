"""All that is served at one moment, in memory: answers what `store.select_page`, `count_entities`, `select_by_refs` and
`select_dump` answer by SQL, row for row.

Kept up to date by `served`, which gives it the columns that a question is about before it asks.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy

from understage.catalog.predicate import EVERYTHING, All, Any, Has, In, Not, Predicate, StartsWith
from understage.catalog.query.column import Bits, Column, members
from understage.catalog.store.changes import Version
from understage.catalog.store.count_entities import SINGLE, Text
from understage.catalog.store.select_page import PageRow
from understage.catalog.store.select_served import ServedEntity, Sums

DUMP_PART = 256
KEPT_BYTES = 8 << 20
# What Python needs for a number besides its digits, and for its place.
OVERHEAD = 200


class Snapshot:
    """The entities as of a version. `sums` are those of the table, `checked_at` when they were compared last (monotonic),
    `written` tells when each was written in the database's milliseconds, by row id."""

    def __init__(
        self,
        version: Version,
        sums: Sums,
        entities: Iterable[ServedEntity],
        checked_at: float,
        written: Mapping[int, int],
    ) -> None:
        self.version = version
        self.sums = sums
        self.checked_at = checked_at
        self.written = dict(written)
        self.newest = max(self.written.values(), default=0)
        ordered = sorted(entities, key=lambda entity: entity.uid)
        self.ids = [entity.id for entity in ordered]
        self.hashes = [entity.hash for entity in ordered]
        self.numbers = {entity.id: number for number, entity in enumerate(ordered)}
        self.columns: dict[str, Column] = {}
        self.refused: set[str] = set()
        self._uids = [entity.uid for entity in ordered]
        self._refs = [entity.ref for entity in ordered]
        self._bodies = [entity.body for entity in ordered]
        self._by_ref = {ref: number for number, ref in enumerate(self._refs)}
        self._all: Bits = (1 << len(ordered)) - 1
        self._kept: dict[tuple[str, ...], Bits] = {}
        self._most_kept = KEPT_BYTES // (len(ordered) // 8 + OVERHEAD)

    def has(self, entity: ServedEntity) -> bool:
        """Whether it is one of them, with any content: SQLite gives row ids of what is gone to what comes."""
        number = self.numbers.get(entity.id)
        return number is not None and (self._uids[number], self._refs[number]) == (entity.uid, entity.ref)

    def updated(
        self,
        version: Version,
        sums: Sums,
        entities: Iterable[ServedEntity],
        checked_at: float,
        written: Mapping[int, int],
    ) -> "Snapshot":
        """The same entities but for the contents of some; without columns."""
        new = copy(self)
        new.version, new.sums, new.checked_at = version, sums, checked_at
        new.written = {**self.written, **written}
        new.newest = max(self.newest, *written.values())
        new.hashes, new._bodies = self.hashes.copy(), self._bodies.copy()
        for entity in entities:
            number = self.numbers[entity.id]
            new.hashes[number], new._bodies[number] = entity.hash, entity.body
        new.columns, new.refused, new._kept = {}, set(), {}
        return new

    def entity(self, number: int) -> ServedEntity:
        """One of them by its place in the order of uids."""
        return ServedEntity(
            self.ids[number], self._uids[number], self._refs[number], self._bodies[number], self.hashes[number]
        )

    def by_refs(self, refs: Sequence[str], predicate: Predicate) -> list[bytes | None]:
        """JSON of the entities with these references, None for those that are not there or do not match."""
        find, bodies = self._by_ref.get, self._bodies
        if predicate == EVERYTHING:
            return [None if (number := find(ref)) is None else bodies[number] for ref in refs]
        bits = self._matching(predicate)
        return [bodies[number] if (number := find(ref)) is not None and bits >> number & 1 else None for ref in refs]

    def by_uid(self, uid: str, predicate: Predicate) -> bytes | None:
        """JSON of the entity with this uid (any case), if it matches."""
        number = bisect_left(self._uids, uid.lower())
        if number == len(self._uids) or self._uids[number] != uid.lower():
            return None
        return self._bodies[number] if self._matching(predicate) >> number & 1 else None

    def dump(self, predicate: Predicate) -> Iterator[bytes]:
        """JSON of the entities that match by uid, with commas between, in parts of some hundred kilobytes."""
        bodies = self._bodies
        if predicate != EVERYTHING:
            bodies = [self._bodies[number] for number in members(self._matching(predicate))]
        for start in range(0, len(bodies), DUMP_PART):
            yield b",".join(bodies[start : start + DUMP_PART])

    def count(self, predicate: Predicate, order: str | None, text: Text | None) -> int:
        """How many entities match; with an order, only those that have a value of the order field."""
        bits = self._matching(predicate)
        if text is not None:
            bits &= self._holding(text)
        if order is not None and order not in SINGLE:
            bits &= self.columns[order].with_value
        return bits.bit_count()

    def page(
        self,
        predicate: Predicate,
        *,
        order: str | None,
        descending: bool,
        text: Text | None,
        after: tuple[str | None, str | None] | None,
        backwards: bool,
        limit: int,
        offset: int,
    ) -> list[PageRow]:
        """As `select_page`."""
        bits = self._matching(predicate)
        if text is not None:
            bits &= self._holding(text)
        if not bits:
            return []
        down = descending != backwards
        if order is None:
            uid = None if after is None else after[1]
            start = 0 if uid is None or down else bisect_right(self._uids, uid)
            end = bisect_left(self._uids, uid) if uid is not None and down else None
            found = _some(members(bits, start=start, end=end, down=down), offset, limit)
            return [PageRow(None, self._uids[number], self._bodies[number]) for number in found]
        column = self.columns[order]
        term = text[0].lower() if text is not None and text[1] == (order,) else None
        rows = self._rows_between(column, after, down=down)
        positions = _some(_ordered(column, bits, rows, term, offset + limit, down=down), offset, limit)
        numbers = [(position, column.entities[position]) for position in positions]
        return [
            PageRow(column.values[position], self._uids[number], self._bodies[number]) for position, number in numbers
        ]

    def _rows_between(self, column: Column, after: tuple[str | None, str | None] | None, *, down: bool) -> range:
        """The rows of the column strictly after a place (or before it, `down`)."""
        if after is None:
            return range(len(column.values))
        value, uid = after
        if value is None or uid is None:
            return range(0)
        first = bisect_left(column.values, value)
        last = bisect_right(column.values, value, first)
        if down:
            return range(bisect_left(column.entities, bisect_left(self._uids, uid), first, last))
        return range(bisect_left(column.entities, bisect_right(self._uids, uid), first, last), len(column.values))

    def _matching(self, predicate: Predicate) -> Bits:
        match predicate:
            case Has(key):
                return self.columns[key].present
            case In(key, values):
                bits = 0
                for value in values:
                    bits |= self._keep(("equal", key, value))
                return bits
            case StartsWith(key, prefix):
                return self._keep(("beginning", key, prefix))
            case All(of):
                bits = self._all
                for item in of:
                    bits &= self._matching(item)
                return bits
            case Any(of):
                bits = 0
                for item in of:
                    bits |= self._matching(item)
                return bits
            case Not(of):
                return self._all ^ self._matching(of)

    def _holding(self, text: Text) -> Bits:
        bits = 0
        for field in text[1]:
            bits |= self._keep(("holding", field.lower(), text[0].lower()))
        return bits

    def _keep(self, leaf: tuple[str, str, str]) -> Bits:
        """A condition on one key, which the next question may have too."""
        bits = self._kept.get(leaf)
        if bits is None:
            kind, key, value = leaf
            column = self.columns[key]
            if kind == "equal":
                bits = column.equal(value)
            else:
                bits = column.beginning(value) if kind == "beginning" else column.holding(value)
            while len(self._kept) >= self._most_kept:
                del self._kept[next(iter(self._kept))]
            self._kept[leaf] = bits
        return bits


def _ordered(column: Column, bits: Bits, rows: range, term: str | None, wanted: int, *, down: bool) -> Iterator[int]:
    """The rows of a column, among `rows`, of the entities of a set, by value then uid; with a term those that hold it."""
    few = bits.bit_count()
    if column.is_single and few * few < wanted * len(column.values):
        # Fewer entities than rows that would have to be looked at to find as many of them.
        positions = sorted(column.positions[number] for number in members(bits))
        yield from (position for position in (reversed(positions) if down else positions) if position in rows)
        return
    octets = bits.to_bytes(bits.bit_length() // 8 + 1, "little")
    size = len(octets)
    for position in reversed(rows) if down else rows:
        number = column.entities[position]
        octet = number >> 3
        if octet < size and octets[octet] >> (number & 7) & 1 and (term is None or term in column.values[position]):
            yield position


def _some(numbers: Iterator[int], offset: int, limit: int) -> list[int]:
    found: list[int] = []
    for place, number in enumerate(numbers):
        if place >= offset + limit:
            break
        if place >= offset:
            found.append(number)
    return found
