"""YAML as JavaScript's `yaml` package reads it: version 1.2, core schema, several documents in a text.

Called wherever a file from outside is read: entity files, templates, app-config, values files. libyaml turns the text
into events, `yaml_builder` turns events into plain JSON values (dict, list, str, int, float, bool, None). Compared
with PyYAML's own loaders: `on`, `012`, `12:30` and dates keep their meaning, `<<` is an ordinary key, duplicate keys are
errors, mapping keys are strings, and an alias is a copy whose total size is limited. `dump` lives in `yaml_dump`.
"""

from itertools import zip_longest
from typing import Any

import yaml

from understage.errors import SourceError
from understage.model.yaml_builder import Builder, Document, Span, Spent
from understage.model.yaml_dump import dump
from understage.model.yaml_parts import beginning_of, split_documents
from understage.model.yaml_position import line_at

__all__ = ["MAX_BYTES", "Document", "Span", "dump", "parse_document", "parse_documents", "parse_each"]

MAX_BYTES = 10 * 1024 * 1024
"""The longest text read unless the caller allows more."""
MAX_BROKEN = 50
"""After so many broken documents `parse_each` looks at no more of them."""

_OLD_BREAKS = "\x85\u2028\u2029"
_PRIVATE_USE = range(0xE000, 0xF8FF)


def parse_documents(text: str | bytes, file: str = "<text>", *, max_bytes: int = MAX_BYTES) -> list[Document]:
    """All documents of a YAML or JSON text.

    Empty documents between separators are kept with value None; an empty text has none. Raises SourceError with
    `file`, line and column for text that is not YAML, is longer than `max_bytes`, nests too deep, repeats a key, has a
    key that is no scalar, or expands aliases beyond the limit.
    """
    return _parse(decode_text(text, file, max_bytes), file, Spent())


def parse_each(text: str | bytes, file: str = "<text>", *, max_bytes: int = MAX_BYTES) -> list[Document | SourceError]:
    """As `parse_documents`, with an error in place of each document that is broken; nothing is raised.

    This is sound because a line that begins with `---` is no part of any value: what is open there is broken, and a new
    document begins. The list ends with the error after which nothing more was read: a text that is too long or no
    text at all, a limit of all documents together, or fifty broken documents.
    """
    try:
        decoded = decode_text(text, file, max_bytes)
    except SourceError as error:
        return [error]
    try:
        return list(_parse(decoded, file, Spent()))
    except SourceError as error:
        found = _parse_parts(decoded, file)
        # What is wrong with the whole is said, even if its parts are fine.
        is_told = any(isinstance(item, SourceError) and str(item) == str(error) for item in found)
        return found if is_told else [error, *found]


def _parse_parts(text: str, file: str) -> list[Document | SourceError]:
    found: list[Document | SourceError] = []
    spent, broken = Spent(), 0
    parts = list(split_documents(text))
    for (lines, part), (_, following) in zip_longest(parts, parts[1:], fillvalue=(0, "")):
        try:
            documents = _parse(part, file, spent)
        except SourceError as error:
            found.append(_moved(_in_the_middle(error, part, following, file), lines))
            broken += 1
            if spent.is_all:
                break
            if broken == MAX_BROKEN:
                message = f"{MAX_BROKEN} documents before this one are broken; from here on nothing was looked at"
                line = lines + 1 + part.count("\n")
                found.append(SourceError(message, file=file, line=line))
                break
        else:
            for document in documents:
                document.span.move(lines)
            found += documents
    return found


def _in_the_middle(error: SourceError, part: str, following: str, file: str) -> SourceError:
    """The error of a part as it is when another one follows: nobody should read of an end of the text that is none."""
    try:
        _parse(part + beginning_of(following), file, Spent())
    except SourceError as told:
        return told
    return error


def _moved(error: SourceError, lines: int) -> SourceError:
    """The same error, of a text that stands so many lines further down."""
    line = None if error.line is None else error.line + lines
    moved = SourceError(error.reason, file=error.file, line=line, column=error.column, text=error.text)
    moved.__cause__ = error.__cause__
    return moved


def _parse(text: str, file: str, spent: Spent) -> list[Document]:
    decoded, restore = protect_breaks(text)
    try:
        documents = Builder(decoded, file, spent).documents()
        if restore:
            for document in documents:
                document.value = _translate(document.value, restore)
        return documents
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else None
        column = mark.column + 1 if mark else None
        reason = " ".join(part for part in (error.problem, error.context) if part) or "not YAML"
        raise SourceError(
            reason, file=file, line=line, column=column, text=line_at(decoded, line, column or 1) if line else None
        ) from error
    except yaml.YAMLError as error:
        raise _unreadable_character(error, decoded, file) from error
    except UnicodeEncodeError as error:
        raise SourceError(f"not Unicode text: {error.reason}", file=file) from error


def parse_document(text: str | bytes, file: str = "<text>", *, max_bytes: int = MAX_BYTES) -> Document:
    """The only document of a text; an empty text is one document with value None. Errors as `parse_documents`."""
    documents = parse_documents(text, file, max_bytes=max_bytes)
    if not documents:
        return Document(None, Span("", 0, 0), file)
    if len(documents) > 1:
        raise documents[1].error("expected one document, found another one here; remove it or the '---' before it")
    return documents[0]


def decode_text(text: str | bytes, file: str, max_bytes: int = MAX_BYTES) -> str:
    """Raises SourceError for what is longer, or no text."""
    # A character has at most four bytes, so most texts need no encoding to be measured.
    if len(text) > max_bytes or (isinstance(text, str) and len(text) * 4 > max_bytes < len(text.encode())):
        raise SourceError(f"longer than the {max_bytes} bytes that are read", file=file)
    if isinstance(text, str):
        return text
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise SourceError("not UTF-8 text", file=file, line=line) from error


def protect_breaks(text: str) -> tuple[str, dict[int, str] | None]:
    """Stand-ins for the characters that end a line in YAML 1.1 but not in 1.2, and the table that undoes them."""
    present = [character for character in _OLD_BREAKS if character in text]
    if not present:
        return text, None
    unused = (chr(code) for code in _PRIVATE_USE if chr(code) not in text)
    stand_ins = dict(zip(present, unused, strict=False))
    if len(stand_ins) < len(present):
        return text, None
    protected = text.translate({ord(character): stand_in for character, stand_in in stand_ins.items()})
    return protected, {ord(stand_in): character for character, stand_in in stand_ins.items()}


def _translate(value: Any, table: dict[int, str]) -> Any:
    if isinstance(value, str):
        return value.translate(table)
    if isinstance(value, list):
        return [_translate(item, table) for item in value]
    if isinstance(value, dict):
        return {key.translate(table): _translate(child, table) for key, child in value.items()}
    return value


def _unreadable_character(error: yaml.YAMLError, text: str, file: str) -> SourceError:
    position = getattr(error, "position", None)
    character = getattr(error, "character", None)
    if not isinstance(position, int):
        return SourceError(str(error), file=file)
    # libyaml counts bytes where it decodes itself.
    before = text.encode()[:position].decode(errors="ignore")
    line = before.count("\n") + 1
    shown = f"U+{character:04X}" if isinstance(character, int) else repr(character)
    return SourceError(f"the character {shown} is not allowed in YAML", file=file, line=line)
