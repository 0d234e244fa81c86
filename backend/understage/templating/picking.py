"""What stands at a path in a value: the rule of the filter `pick`, which is lodash's `get`."""

import re

from understage.templating.members import own_member
from understage.templating.values import MISSING, UNDEFINED, Value, admit, to_string

_PATH_KEY = re.compile(r"[^.\[\]]+|\[(?:(-?\d+)|([\"'])(.*?)\2)\]")


def pick(value: Value, path: Value = UNDEFINED) -> Value:
    """What stands at `path` (`a.b[0]`, or a list of keys) in `value`; UNDEFINED when nothing does."""
    keys = [to_string(key) for key in path] if isinstance(path, list) else _keys(value, to_string(path))
    for key in keys:
        value = own_member(value, key)
        if value is MISSING:
            return UNDEFINED
    return admit(value)


def _keys(value: Value, path: str) -> list[str]:
    if isinstance(value, dict) and path in value:
        return [path]
    return keys_of(path)


def keys_of(path: str) -> list[str]:
    """The keys that a path is made of."""
    return [match[1] or match[3] or match[0] for match in _PATH_KEY.finditer(path)]
