"""How filters read their input."""

from understage.templating.members import own_member
from understage.templating.scope import Run
from understage.templating.text import units
from understage.templating.values import (
    MISSING,
    UNDEFINED,
    SafeString,
    Value,
    admit,
    is_text,
    text_of,
)


def text_or_empty(value: Value) -> Value:
    """`value`, or empty text for null, undefined and false."""
    return "" if value is None or value is UNDEFINED or value is False else value


def like(value: Value, text: str) -> Value:
    """`text`, safe when the input was."""
    return SafeString(text) if isinstance(value, SafeString) else text


def sequence(run: Run, value: Value) -> list[Value] | None:
    """A new list of the elements of a list, or of the code units of a string; None for all else."""
    if isinstance(value, list):
        run.meter.work(len(value))
        return [admit(item) for item in value]
    if is_text(value):
        spelled = units(text_of(value))
        run.meter.list_of(len(spelled))
        return list(spelled)
    return None


def direct_length(value: Value) -> Value:
    """value.length, undefined without one."""
    found = own_member(value, "length")
    return UNDEFINED if found is MISSING else found
