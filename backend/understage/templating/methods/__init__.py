"""The methods that strings, numbers, lists and regular expressions have, in tables by kind of receiver.

A method that stands in no table does not exist. Methods take the render, the receiver and the evaluated arguments; how many of
these are allowed is checked before they are evaluated.
"""

from understage.templating.methods import lists, numbers, objects, patterns, strings
from understage.templating.methods.method import Method
from understage.templating.values import Regex, SafeString, Value, is_number

__all__ = ["Method", "find_method"]


def find_method(value: Value, name: str, *, compatible: bool) -> Method | None:
    """The method `name` of `value`; those of Python's lists and dicts only in templates compatible with cookiecutter."""
    if isinstance(value, str | SafeString):
        return strings.METHODS.get(name)
    if isinstance(value, list):
        found = lists.PYTHON_METHODS.get(name) if compatible else None
        return found or lists.METHODS.get(name)
    if isinstance(value, dict):
        return objects.METHODS.get(name) if compatible else None
    if is_number(value):
        return numbers.METHODS.get(name)
    return patterns.METHODS.get(name) if isinstance(value, Regex) else None
