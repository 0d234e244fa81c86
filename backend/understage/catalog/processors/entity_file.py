"""The documents of an entity file. Called by the processors that read files and URLs.

One document that is broken, or no entity, makes the whole file fail; what was stored before stays. All such documents are
told, each with its place, and the entities beside them are emitted, so that validation can look at them as well.
"""

from typing import Any, ClassVar

from understage.errors import SourceError
from understage.model.entity import EnvelopeError, annotations_of, check_envelope
from understage.model.ref import LocationRef
from understage.model.yaml import Document, parse_each
from understage.sdk.processor import Emit, ParseDocuments

# Longer texts are parsed elsewhere, so that requests are answered meanwhile.
LARGE = 64 * 1024
MOST_PROBLEMS = 100
"""So many errors of a file are told, the others are counted."""


class EntityFileError(SourceError):
    """A file of entities is no YAML, or holds something else; in the stock backend's words."""

    name: ClassVar[str] = "Error"

    def __init__(self, message: str, error: SourceError) -> None:
        super().__init__(error.reason, file=error.file, line=error.line, column=error.column, text=error.text)
        self.message = message


class EnvelopePlaceError(EntityFileError):
    """A document lacks what every entity has."""

    name: ClassVar[str] = "TypeError"


async def read_entities(content: bytes, location: LocationRef, emit: Emit, parse: ParseDocuments) -> list[Any]:
    """Emit the file's entities and what is wrong with it. Returns the entities, none when anything was wrong."""
    entities: list[Any] = []
    problems = 0
    for document in await _parse(content, str(location), parse):
        if isinstance(document, Document) and document.value is None:
            continue
        problem = _problem(document)
        if problem is not None:
            problems += 1
            if problems <= MOST_PROBLEMS:
                emit.error(problem)
        elif isinstance(document, Document):
            entities.append(document.value)
            emit.entity(document.value, location)
    if problems > MOST_PROBLEMS:
        rest = SourceError(f"{problems - MOST_PROBLEMS} more errors in this file", file=str(location))
        emit.error(EntityFileError(str(rest), rest))
    return [] if problems else entities


async def _parse(content: bytes, file: str, parse: ParseDocuments) -> list[Document | SourceError]:
    if len(content) < LARGE:
        return parse_each(content, file)
    return await parse(content, file)


def _problem(document: Document | SourceError) -> EntityFileError | None:
    if isinstance(document, SourceError):
        return EntityFileError(f"YAML error at {document}", document)
    value = document.value
    if not isinstance(value, dict):
        message = f"Expected object at root, got {_type_name(value)}"
        error = document.error(message)
        return EntityFileError(f"{message}, at {error.file}:{error.line}:{error.column}", error)
    try:
        annotations_of(check_envelope(value))
    except EnvelopeError as problem:
        error = document.error(problem.message, problem.place.path if problem.place else ())
        return EnvelopePlaceError(f"{problem.message}, at {error.file}:{error.line}:{error.column}", error)
    return None


def _type_name(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    return "string" if isinstance(value, str) else "object"
