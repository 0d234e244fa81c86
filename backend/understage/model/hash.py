"""Hashes of JSON values that do not depend on the order of keys.

The catalog uses them to see that nothing changed (processing results, final entities) and for names of locations.
"""

import hashlib
from typing import Any

import orjson


def stable_hash(value: Any) -> str:
    """40 hexadecimal digits (SHA-1, as Backstage uses it for etags) that identify a JSON value, not protect it."""
    content = orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()


def text_hash(text: str) -> str:
    """40 hexadecimal digits of a text; the stock name of a location is `generated-` and this of `type:target`."""
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
