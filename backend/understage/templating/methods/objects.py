"""Methods of objects, those of Python's dicts; only in templates compatible with cookiecutter."""

from understage.templating.members import own_member
from understage.templating.methods.method import Method, argument
from understage.templating.scope import Run
from understage.templating.values import MISSING, Value, record_items, to_string


def _get(run: Run, receiver: dict[str, Value], arguments: list[Value]) -> Value:
    found = own_member(receiver, to_string(arguments[0]))
    return argument(arguments, 1) if found is MISSING else found


def _has_key(run: Run, receiver: dict[str, Value], arguments: list[Value]) -> Value:
    return own_member(receiver, to_string(arguments[0])) is not MISSING


METHODS = {
    "get": Method(_get, 1, 2),
    "has_key": Method(_has_key, 1, 1),
    "items": Method(lambda run, receiver, arguments: [[key, value] for key, value in record_items(receiver)], 0, 0),
    "keys": Method(lambda run, receiver, arguments: [key for key, _ in record_items(receiver)], 0, 0),
    "values": Method(lambda run, receiver, arguments: [value for _, value in record_items(receiver)], 0, 0),
}
