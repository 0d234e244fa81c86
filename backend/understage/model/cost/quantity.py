"""Quantities of Kubernetes (`250m`, `1.5Gi`, `1e3`) as exact numbers. `requests` and `estimate` read them.

The grammar is that of the API server (apimachinery's resource.Quantity).
"""

import re
from decimal import Decimal
from typing import Any

from understage.errors import InputError

# Twenty digits are more than any quantity has; without a bound a short text could be a number of a million digits.
_QUANTITY = re.compile(
    r"\+?(?P<number>[0-9]{1,20}(?:\.[0-9]{0,20})?|\.[0-9]{1,20})(?P<suffix>[eE][+-]?[0-9]{1,2}|[KMGTPE]i|[numkMGTPE])?"
)
_DECIMAL = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = "KMGTPE"
MOST = 2**63


def parse_quantity(value: Any, what: str) -> Decimal:
    """The number, in cores or bytes or whatever is counted. InputError, beginning with `what`, for what is none or negative."""
    text = str(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else ""
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise InputError(f"{what} {str(value)[:60]!r} is no quantity; write it like 250m, 2 or 1.5Gi")
    number, suffix = Decimal(match["number"]), match["suffix"] or ""
    if suffix.endswith("i"):
        amount = number * Decimal(1024) ** (_BINARY.index(suffix[0]) + 1)
    elif len(suffix) > 1:
        amount = number.scaleb(int(suffix[1:]))
    else:
        amount = number.scaleb(_DECIMAL.get(suffix, 0))
    if amount >= MOST:
        raise InputError(f"{what} {text} is more than any cluster has")
    return amount
