"""An entity's envelope: what every kind has in common, and the checks that precede all others.

On the catalog road this is the first thing done to what a location yields, and the policy step between the two
processor passes. Entities are plain JSON objects (`dict`) from reading to storing; nothing here changes its argument.
Rules and words are those of Backstage catalog-model 1.10.1.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

from understage.errors import InputError
from understage.model.ref import DEFAULT_NAMESPACE, LONGEST_REMEMBERED, LocationRef
from understage.model.url import is_absolute_url
from understage.model.violations import Schema

Entity = dict[str, Any]
"""`{apiVersion, kind, metadata: {name, namespace?, …}, spec?, relations?, status?}`, plain JSON."""

ANNOTATION_LOCATION = "backstage.io/managed-by-location"
ANNOTATION_ORIGIN_LOCATION = "backstage.io/managed-by-origin-location"
ANNOTATION_SOURCE_LOCATION = "backstage.io/source-location"
ANNOTATION_VIEW_URL = "backstage.io/view-url"
ANNOTATION_EDIT_URL = "backstage.io/edit-url"
ANNOTATION_ORPHAN = "backstage.io/orphan"


class EnvelopeError(InputError):
    """The envelope breaks its schema."""

    name: ClassVar[str] = "TypeError"


class PolicyError(InputError):
    """The entity breaks a rule that holds for every kind."""

    name: ClassVar[str] = "Error"


_TEXT = {"type": "string", "minLength": 1}
_TEXT_MAP = {"type": "object", "patternProperties": {"^.+$": {"type": "string"}}}
_LINK = {"type": "object", "required": ["url"], "properties": dict.fromkeys(("url", "title", "icon", "type"), _TEXT)}
_METADATA = {
    "type": "object",
    "required": ["name"],
    "properties": {
        **dict.fromkeys(("uid", "etag", "name", "namespace", "title"), _TEXT),
        "description": {"type": "string"},
        "labels": _TEXT_MAP,
        "annotations": _TEXT_MAP,
        "tags": {"type": "array", "items": _TEXT},
        "links": {"type": "array", "items": _LINK},
    },
}
_ROOT_REQUIRED = ["apiVersion", "kind", "metadata"]
_RELATION = {
    "type": "object",
    "required": ["type", "targetRef"],
    "properties": {"type": {**_TEXT, "pattern": r"^\w+$"}, "targetRef": _TEXT},
}
_STATUS_ITEM = {
    "type": "object",
    "required": ["type", "level", "message"],
    "properties": {"type": _TEXT, "level": {"enum": ["info", "warning", "error"]}, "message": {"type": "string"}},
}
_ENVELOPE = Schema(
    {
        "type": "object",
        "required": _ROOT_REQUIRED,
        "properties": {
            "apiVersion": _TEXT,
            "kind": _TEXT,
            "metadata": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": _TEXT, "namespace": _TEXT},
            },
        },
    }
)
_ENTITY = Schema(
    {
        "type": "object",
        "required": _ROOT_REQUIRED,
        "additionalProperties": False,
        "properties": {
            "apiVersion": _TEXT,
            "kind": _TEXT,
            "metadata": _METADATA,
            "spec": {"type": "object"},
            "relations": {"type": "array", "items": _RELATION},
            "status": {"type": "object", "properties": {"items": {"type": "array", "items": _STATUS_ITEM}}},
        },
    }
)
_SOURCE_ROOT_FIELDS = frozenset(("apiVersion", "kind", "metadata", "spec"))


def check_envelope(value: Any) -> Entity:
    """The same value, proved to have apiVersion, kind and metadata.name, so that it has a reference.

    Raises EnvelopeError with AJV's words, such as `/metadata must have required property 'name' - …`.
    """
    if not _ENVELOPE.is_valid(value):
        first, *others = (EnvelopeError(found.text).at(*found.path) for found in _ENVELOPE.violations(value))
        first.also = others
        raise first
    entity: Entity = value
    return entity


def annotations_of(entity: Entity) -> dict[str, Any]:
    """The annotations of an entity with a valid envelope, empty when it has none. Raises EnvelopeError for another type."""
    annotations = entity["metadata"].get("annotations")
    if annotations is None:
        return {}
    if not isinstance(annotations, dict):
        raise EnvelopeError("/metadata/annotations must be object - type: object").at("metadata", "annotations")
    return annotations


def check_policies(entity: Entity, formats: "FieldFormats | None" = None) -> Entity:
    """Apply the rules that hold for every kind, in the stock order, and give the entity its default namespace.

    Schema of the whole entity, namespace, no root fields but the four of a source file, field formats. Returns the
    entity, or a copy with `metadata.namespace` filled. Raises PolicyError with the stock message; other breaches of the
    same step are in its `also`.
    """
    if not _ENTITY.is_valid(entity):
        _raise(_schema_problems(entity))
    entity = _with_namespace(entity)
    if not _SOURCE_ROOT_FIELDS.issuperset(entity):
        _raise(_foreign_fields(entity))
    _raise(_format_problems(entity, formats or STOCK_FORMATS))
    return entity


def _raise(problems: Iterator[PolicyError]) -> None:
    for problem in problems:
        problem.also = list(problems)
        raise problem


def _schema_problems(entity: Entity) -> Iterator[PolicyError]:
    for violation in _ENTITY.violations(entity):
        path, key = violation.place
        message = f"Malformed envelope, {violation.pointer or '<root>'} {violation.message}"
        yield PolicyError(message).at(*path, key=key)


def _with_namespace(entity: Entity) -> Entity:
    metadata = entity["metadata"]
    if "namespace" in metadata:
        return entity
    return {**entity, "metadata": {**metadata, "namespace": DEFAULT_NAMESPACE}}


def _foreign_fields(entity: Entity) -> Iterator[PolicyError]:
    for name in entity:
        if name in ("relations", "status"):
            yield PolicyError(f"Unknown field {name}").at(name, key=True)


def source_location(entity: Mapping[str, Any]) -> LocationRef | None:
    """Where the entity's sources are: its source-location annotation, else the location it was read from."""
    annotations = entity.get("metadata", {}).get("annotations") or {}
    text = annotations.get(ANNOTATION_SOURCE_LOCATION) or annotations.get(ANNOTATION_LOCATION)
    return LocationRef.parse(text) if text else None


_KIND = re.compile(r"[a-zA-Z][a-z0-9A-Z]{0,62}")
_NAME = re.compile(r"(?=.{1,63}\Z)(?:[A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_DNS_LABEL = re.compile(r"(?=.{1,63}\Z)[a-z0-9]+(?:-+[a-z0-9]+)*")
_TAG = re.compile(r"(?=.{1,63}\Z)[a-z0-9:+#]+(?:-[a-z0-9:+#]+)*")
_VERSION = re.compile(r"[a-z0-9A-Z]{1,63}")


def is_object_name(text: str) -> bool:
    """Letters and digits separated by `-`, `_` or `.`, at most 63: the form of names, label values, key suffixes."""
    return _NAME.fullmatch(text) is not None


def is_dns_label(text: str) -> bool:
    """Lower-case letters and digits separated by `-`, at most 63: the form of namespaces."""
    return _DNS_LABEL.fullmatch(text) is not None


def is_dns_subdomain(text: str) -> bool:
    """DNS labels separated by dots, at most 253 characters."""
    return 1 <= len(text) <= 253 and all(map(is_dns_label, text.split(".")))


def is_qualified_name(text: str) -> bool:
    """`[prefix/]name`: the form of label and annotation keys."""
    return _has_known_form(text, is_object_name) if len(text) <= LONGEST_REMEMBERED else _has_form(text, is_object_name)


def is_api_version(text: str) -> bool:
    """`[prefix/]version`: the form of apiVersion."""
    return _has_known_form(text, _is_version) if len(text) <= LONGEST_REMEMBERED else _has_form(text, _is_version)


def _is_version(text: str) -> bool:
    return _VERSION.fullmatch(text) is not None


def _has_form(text: str, is_suffix: Callable[[str], bool]) -> bool:
    prefix, slash, suffix = text.rpartition("/")
    return is_suffix(suffix) and (not slash or is_dns_subdomain(prefix))


_has_known_form = lru_cache(maxsize=8192)(_has_form)


@dataclass(frozen=True)
class FieldFormats:
    """The tests of the fields that an installation may redefine; each takes the text and says whether it is valid."""

    api_version: Callable[[str], bool] = is_api_version
    kind: Callable[[str], bool] = lambda text: _KIND.fullmatch(text) is not None
    entity_name: Callable[[str], bool] = is_object_name
    namespace: Callable[[str], bool] = is_dns_label
    label_key: Callable[[str], bool] = is_qualified_name
    label_value: Callable[[str], bool] = lambda text: text == "" or is_object_name(text)
    annotation_key: Callable[[str], bool] = is_qualified_name
    tag: Callable[[str], bool] = lambda text: _TAG.fullmatch(text) is not None


STOCK_FORMATS = FieldFormats()

_NAME_FORM = "a string that is sequences of [a-zA-Z0-9] separated by any of [-_.], at most 63 characters in total"
_QUALIFIED_FORM = "a valid prefix and/or suffix"
_NAMESPACE_FORM = "a string that is sequences of [a-z0-9] separated by [-], at most 63 characters in total"
_TAG_FORM = "a string that is sequences of [a-z0-9+#] separated by [-], at most 63 characters in total"
_KIND_FORM = "a string that is a sequence of [a-zA-Z][a-z0-9A-Z], at most 63 characters in total"
_FILE_FORMAT_PAGE = (
    "https://github.com/backstage/backstage/blob/master/docs/architecture-decisions/"
    "adr002-default-catalog-file-format.md"
)


def _format_problems(entity: Entity, formats: FieldFormats) -> Iterator[PolicyError]:
    metadata = entity["metadata"]
    if not formats.api_version(entity["apiVersion"]):
        yield _malformed("apiVersion", entity["apiVersion"], _QUALIFIED_FORM).at("apiVersion")
    if not formats.kind(entity["kind"]):
        yield _malformed("kind", entity["kind"], _KIND_FORM).at("kind")
    if not formats.entity_name(metadata["name"]):
        yield _malformed("metadata.name", metadata["name"], _NAME_FORM).at("metadata", "name")
    if not formats.namespace(metadata["namespace"]):
        yield _malformed("metadata.namespace", metadata["namespace"], _NAMESPACE_FORM).at("metadata", "namespace")
    for key, value in metadata.get("labels", {}).items():
        if not formats.label_key(key):
            yield _malformed(f"labels.{key}", key, _QUALIFIED_FORM).at("metadata", "labels", key, key=True)
        if not formats.label_value(value):
            yield _malformed(f"labels.{key}", value, _NAME_FORM).at("metadata", "labels", key)
    for key, value in metadata.get("annotations", {}).items():
        if not formats.annotation_key(key):
            yield _malformed(f"annotations.{key}", key, _QUALIFIED_FORM).at("metadata", "annotations", key, key=True)
        if not isinstance(value, str):
            yield _malformed(f"annotations.{key}", value, "a string").at("metadata", "annotations", key)
    for index, tag in enumerate(metadata.get("tags", ())):
        if not formats.tag(tag):
            yield _malformed(f"tags.{index}", tag, _TAG_FORM).at("metadata", "tags", index)
    for index, link in enumerate(metadata.get("links", ())):
        yield from _link_problems(index, link)


def _link_problems(index: int, link: Mapping[str, str]) -> Iterator[PolicyError]:
    if not is_absolute_url(link["url"]):
        yield _malformed(f"links.{index}.url", link["url"], "a string that is a valid url").at(
            "metadata", "links", index, "url"
        )
    for part in ("title", "icon"):
        if part in link and not link[part].strip():
            yield _malformed(f"links.{index}.{part}", link[part], "a non empty string").at(
                "metadata", "links", index, part
            )


def _malformed(field: str, value: str, expectation: str) -> PolicyError:
    return PolicyError(
        f'"{field}" is not valid; expected {expectation} but found "{value}". '
        f"To learn more about catalog file format, visit: {_FILE_FORMAT_PAGE}"
    )
