"""Uids of entities: random UUIDs of version 4, of which a large ingestion draws many."""

import os
from collections.abc import Iterator

AT_ONCE = 256


def new_uid() -> str:
    """The text of a new one; a fifth of what `uuid.uuid4` takes for it. Belongs to one thread."""
    return next(_uids)


def _draw() -> Iterator[str]:
    while True:
        # One question to the system for many of them.
        digits = os.urandom(16 * AT_ONCE).hex()
        for start in range(0, len(digits), 32):
            text = digits[start : start + 32]
            variant = "89ab"[int(text[16], 16) & 3]
            yield f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{variant}{text[17:20]}-{text[20:]}"


_uids = _draw()


def _draw_anew() -> None:
    global _uids
    _uids = _draw()


# A process must not draw what the one that it was forked from draws.
os.register_at_fork(after_in_child=_draw_anew)
