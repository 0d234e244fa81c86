"""The documents of an entity file. Called by the processors that read files and URLs.

One document that is no entity makes the whole file fail, with the place of the error; what was stored before stays.
"""

import asyncio
from typing import Any, ClassVar

from understage.errors import SourceError
from understage.model.entity import EnvelopeError, annotations_of, check_envelope
from understage.model.ref import LocationRef
from understage.model.yaml import Document, parse_documents
from understage.sdk.processor import Emit

# Longer texts are parsed in a thread, so that requests are answered meanwhile.
LARGE = 64 * 1024


class EntityFileError(SourceError):
    """A file of entities is no YAML, or holds something else; in the stock backend's words."""

    name: ClassVar[str] = "Error"

    def __init__(self, message: str, error: SourceError) -> None:
        super().__init__(error.reason, file=error.file, line=error.line, column=error.column, text=error.text)
        self.message = message


class EnvelopePlaceError(EntityFileError):
    """A document lacks what every entity has."""

    name: ClassVar[str] = "TypeError"


async def read_entities(content: bytes, location: LocationRef, emit: Emit) -> list[Any]:
    """Emit the file's entities, or what is wrong with it. Returns the entities, none when anything was wrong."""
    try:
        documents = await _parse(content, str(location))
    except SourceError as error:
        emit.error(EntityFileError(f"YAML error at {error}", error))
        return []
    entities: list[Any] = []
    for document in documents:
        if document.value is None:
            continue
        if problem := _problem(document):
            emit.error(problem)
        else:
            entities.append(document.value)
            emit.entity(document.value, location)
    return entities if len(entities) == sum(document.value is not None for document in documents) else []


async def _parse(content: bytes, file: str) -> list[Document]:
    if len(content) < LARGE:
        return parse_documents(content, file)
    return await asyncio.to_thread(parse_documents, content, file)


def _problem(document: Document) -> EntityFileError | None:
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
