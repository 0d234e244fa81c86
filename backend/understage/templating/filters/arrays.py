"""Objects with a `length`, which Nunjucks takes for lists in many filters."""

import math

from understage.templating.errors import Fault
from understage.templating.members import own_member
from understage.templating.scope import Run
from understage.templating.values import MISSING, UNDEFINED, Value, is_number, to_number

_LONGEST = 0xFFFF_FFFF


def array_like(run: Run, record: dict[str, Value], *, strict: bool = False) -> list[Value]:
    """The members 0, 1, … of `record` up to its length. Strict refuses a length that no list can have."""
    found = own_member(record, "length")
    length = to_number(UNDEFINED if found is MISSING else found)
    if strict and is_number(found) and found == found and not (found % 1 == 0 and 0 <= found <= _LONGEST):
        raise Fault("Invalid array-like record length")
    count = _count(run, length)
    members = (own_member(record, str(index)) for index in range(count))
    return [UNDEFINED if member is MISSING else member for member in members]


def present_members(run: Run, record: dict[str, Value]) -> list[Value]:
    """Those of the members 0, 1, … that exist."""
    found = own_member(record, "length")
    length = to_number(UNDEFINED if found is MISSING else found)
    count = _count(run, math.floor(length) if math.isfinite(length) else length)
    members = (own_member(record, str(index)) for index in range(count))
    return [member for member in members if member is not MISSING]


def _count(run: Run, length: float) -> int:
    if not length > 0:
        return 0
    if not math.isfinite(length):
        run.meter.list_of(_LONGEST)
    run.meter.list_of(math.ceil(length))
    return math.ceil(length)
