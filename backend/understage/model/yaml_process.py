"""A process that parses: takes texts from its standard input, and writes what they hold, until the input ends.

Started by `platform.document_processes`, which puts the documents together again. What is broken is told by nobody but
`model.yaml.parse_each`, so a text that is, has no answer here.
"""

import gc
import pickle
import sys
from typing import Any

from understage.errors import SourceError
from understage.model.yaml import Document, Span, decode_text, parse_each, protect_breaks

LENGTH_BYTES = 8
"""Of the number before each answer that says how long it is."""

Part = tuple[Any, int, int, int]
"""A document's value, and where it stands: start, first line, end."""


def take_apart(content: bytes, file: str) -> list[Part] | None:
    """The documents of a text, to be handed to another process; None for one that is broken."""
    parts: list[Part] = []
    for document in parse_each(content, file):
        if not isinstance(document, Document):
            return None
        parts.append((document.value, *document.span.place))
    return parts


def put_together(content: bytes, file: str, parts: list[Part]) -> list[Document | SourceError]:
    """The documents of a text, of what `take_apart` gave for it."""
    text, _ = protect_breaks(decode_text(content, file))
    return [Document(value, Span(text, *place), file) for value, *place in parts]


def main() -> None:
    """Answer until the input ends."""
    # It makes trees, which hold no circles.
    gc.disable()
    while True:
        try:
            content, file = pickle.load(sys.stdin.buffer)  # from the process that started this one
        except EOFError:
            return
        answer = pickle.dumps(take_apart(content, file))
        sys.stdout.buffer.write(len(answer).to_bytes(LENGTH_BYTES))
        sys.stdout.buffer.write(answer)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
