"""Gives freed memory back to the system, which the C library keeps for itself otherwise."""

import ctypes
from functools import cache
from typing import Any


def give_back_memory() -> None:
    """After much was freed: a start, a large ingestion. Does nothing where the C library has no such call."""
    trim = _find_trim()
    if trim is not None:
        trim(0)


@cache
def _find_trim() -> Any:
    try:
        return getattr(ctypes.CDLL(None), "malloc_trim", None)
    except (OSError, TypeError):
        return None
