"""JSON as a Node backend writes it: compact, UTF-8, whole floats as integers, NaN as null.

orjson does the work; `normalize_numbers` is only needed where a value may hold a whole float (`1.0` is `1` in JavaScript).
"""

import math
from typing import Any

import orjson


def dumps(value: Any) -> bytes:
    """Serialise; keys keep their order. Raises TypeError for what JSON has no form for.

    Half of a pair of surrogates has no form in UTF-8, and becomes a question mark: names of files that are not UTF-8 have such.
    """
    try:
        return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)
    except orjson.JSONEncodeError as error:
        if "surrogates" not in str(error):
            raise
        return orjson.dumps(_without_halves(value), option=orjson.OPT_NON_STR_KEYS)


def dumps_text(value: Any) -> str:
    """`dumps`, as text for a database column."""
    return dumps(value).decode()


def loads(data: bytes | str) -> Any:
    """Parse. Raises `orjson.JSONDecodeError` (a ValueError)."""
    return orjson.loads(data)


def _without_halves(value: Any) -> Any:
    if isinstance(value, str):
        return str.encode(value, "utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_without_halves(key): _without_halves(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_halves(item) for item in value]
    return value


def normalize_numbers(value: Any) -> Any:
    """A copy in which whole floats are integers and NaN and infinities are None, as JSON.stringify has them."""
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return int(value) if value.is_integer() and abs(value) < 1e21 else value
    if isinstance(value, dict):
        return {key: normalize_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [normalize_numbers(item) for item in value]
    return value
