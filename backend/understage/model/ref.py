"""Entity references: the names by which entities speak of each other.

Used on every stage of both roads. The rules (where kind, namespace and name are split, what is an error) are those of
Backstage catalog-model 1.10.1; every stored or served reference has the lower-case form that `str(ref)` gives.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple, Self

from understage.errors import InputError

DEFAULT_NAMESPACE = "default"
LONGEST_REMEMBERED = 512
"""What is worked out for the same few texts again and again is remembered; of longer ones nothing: they may be megabytes."""


class RefSyntaxError(InputError):
    """The text is not of the form `[<kind>:][<namespace>/]<name>`."""

    name: ClassVar[str] = "TypeError"


class IncompleteRefError(InputError):
    """A part that has no default is missing."""

    name: ClassVar[str] = "Error"


class EntityRef(NamedTuple):
    """The three parts of a reference, in the case they were written in.

    Tuples compare by exact case; compare `str(ref)` to ask whether two references mean the same entity.
    """

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        """`kind:namespace/name`, lower case whatever the locale: the form stored and sent everywhere."""
        return f"{self.kind}:{self.namespace}/{self.name}".lower()

    @classmethod
    def parse(
        cls, text: str, *, default_kind: str | None = None, default_namespace: str | None = DEFAULT_NAMESPACE
    ) -> Self:
        """Split `[<kind>:][<namespace>/]<name>`, filling absent parts from the defaults.

        Raises RefSyntaxError for an empty part, IncompleteRefError for an empty text or a kind that is neither
        written nor defaulted.
        """
        if not text:
            raise IncompleteRefError("Entity reference must not be empty")
        kind, namespace, name = split_ref(text)
        return cls._complete(kind or default_kind, namespace or default_namespace or DEFAULT_NAMESPACE, name, text)

    @classmethod
    def from_parts(
        cls,
        parts: Mapping[str, Any],
        *,
        default_kind: str | None = None,
        default_namespace: str | None = DEFAULT_NAMESPACE,
    ) -> Self:
        """Build from the object form `{kind?, namespace?, name}` that some requests carry."""
        return cls._complete(
            parts.get("kind") or default_kind,
            parts.get("namespace") or default_namespace or DEFAULT_NAMESPACE,
            parts.get("name"),
            dict(parts),
        )

    @classmethod
    def of(cls, entity: Mapping[str, Any]) -> Self:
        """The reference of an entity with a valid envelope."""
        metadata = entity["metadata"]
        return cls(entity["kind"], metadata.get("namespace") or DEFAULT_NAMESPACE, metadata["name"])

    @classmethod
    def _complete(cls, kind: str | None, namespace: str, name: str | None, written: object) -> Self:
        if not kind:
            raise IncompleteRefError(
                f"Entity reference {json.dumps(written)} had missing or empty kind "
                '(e.g. did not start with "component:" or similar)'
            )
        if not name:
            raise IncompleteRefError(f"Entity reference {json.dumps(written)} had missing or empty name")
        return cls(kind, namespace, name)


def split_ref(text: str) -> tuple[str | None, str | None, str]:
    """Split a reference at its first colon and first slash; absent parts are None.

    A colon after the slash belongs to the name, so `a:b:c` is kind `a` and name `b:c`, `a/b:c` has no kind.
    """
    colon = text.find(":")
    slash = text.find("/")
    if -1 < slash < colon:
        colon = -1
    kind = None if colon == -1 else text[:colon]
    namespace = None if slash == -1 else text[colon + 1 : slash]
    name = text[max(colon, slash) + 1 :]
    if kind == "" or namespace == "" or name == "":
        raise RefSyntaxError(f'Entity reference "{text}" was not on the form [<kind>:][<namespace>/]<name>')
    return kind, namespace, name


def canonical_ref(text: str, *, default_kind: str | None = None, default_namespace: str = DEFAULT_NAMESPACE) -> str:
    """The stored form of a written reference; errors as `EntityRef.parse`."""
    canonical = _known_canonical if len(text) <= LONGEST_REMEMBERED else _canonical
    return canonical(text, default_kind, default_namespace)


def _canonical(text: str, default_kind: str | None, default_namespace: str) -> str:
    return str(EntityRef.parse(text, default_kind=default_kind, default_namespace=default_namespace))


_known_canonical = lru_cache(maxsize=16_384)(_canonical)


def entity_ref(entity: Mapping[str, Any]) -> str:
    """The stored form of an entity's own reference; the entity must have a valid envelope."""
    return str(EntityRef.of(entity))


class LocationRef(NamedTuple):
    """`<type>:<target>`: where an entity was read, as its annotations write it."""

    type: str
    target: str

    def __str__(self) -> str:
        return f"{self.type}:{self.target}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Split at the first colon and trim; raises RefSyntaxError for what can be no location.

        Targets that a browser would run as a script are refused however they are obfuscated, since targets become
        links on pages.
        """
        return cls(*(_known_split if len(text) <= LONGEST_REMEMBERED else _split_location)(text))


# The entities of a file have theirs in common.
def _split_location(text: str) -> tuple[str, str]:
    type_, _, target = (part.strip() for part in text.partition(":"))
    if not type_ or not target:
        raise RefSyntaxError(
            f"Unable to parse location ref '{text}', expected '<type>:<target>', e.g. 'url:https://host/path'"
        )
    if type_ in ("http", "https"):
        raise RefSyntaxError(f"Invalid location ref '{text}', please prefix it with 'url:', e.g. 'url:{text}'")
    if is_script_url(target):
        raise RefSyntaxError(f"Invalid location ref '{text}', target is a javascript: URL")
    return type_, target


_known_split = lru_cache(maxsize=1024)(_split_location)


_CONTROL_OR_SPACE = "".join(map(chr, range(0x21)))
_IGNORED_IN_SCHEME = {ord(character): None for character in "\r\n\t"}


def is_script_url(text: str) -> bool:
    """Whether a browser would run the text as a script when it stands in a link."""
    return text.lstrip(_CONTROL_OR_SPACE).translate(_IGNORED_IN_SCHEME).lower().startswith("javascript:")
