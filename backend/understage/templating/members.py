"""The members of values: what `value.key` and `value[key]` find. The only way from a value to anything inside of it."""

from understage.templating.text import length, units
from understage.templating.values import MISSING, RESERVED, SafeString, Value, admit, is_index


def own_member(value: Value, key: str) -> Value:
    """The member of `value` itself (an element, a member of an object, a length), MISSING when there is none."""
    if isinstance(value, dict):
        return admit(value[key]) if key in value and key not in RESERVED else MISSING
    if isinstance(value, list):
        if key == "length":
            return len(value)
        if is_index(key) and int(key) < len(value):
            return admit(value[int(key)])
    elif isinstance(value, str):
        return _text_member(value, key)
    elif type(value) is SafeString:
        return value.text if key == "val" else _text_member(value.text, key)
    return MISSING


def _text_member(text: str, key: str) -> Value:
    if key == "length":
        return length(text)
    if is_index(key):
        spelled = units(text)
        if int(key) < len(spelled):
            return spelled[int(key)]
    return MISSING
