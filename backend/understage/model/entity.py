"""An entity's envelope: what every kind has in common, and the checks that precede all others.

On the catalog road this is the first thing done to what a location yields, and the policy step between the two
processor passes. Entities are plain JSON objects (`dict`) from reading to storing; nothing here changes its argument.
Rules and words are those of Backstage catalog-model 1.10.1.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from understage.errors import InputError
from understage.model.ref import DEFAULT_NAMESPACE, LocationRef
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
        raise EnvelopeError(_ENVELOPE.violations(value)[0].text)
    entity: Entity = value
    return entity


def check_policies(entity: Entity, formats: "FieldFormats | None" = None) -> Entity:
    """Apply the rules that hold for every kind, in the stock order, and give the entity its default namespace.

    Schema of the whole entity, namespace, no root fields but the four of a source file, field formats. Returns the
    entity, or a copy with `metadata.namespace` filled. Raises PolicyError with the stock message.
    """
    if not _ENTITY.is_valid(entity):
        violation = _ENTITY.violations(entity)[0]
        raise PolicyError(f"Malformed envelope, {violation.pointer or '<root>'} {violation.message}")
    metadata = entity["metadata"]
    if "namespace" not in metadata:
        entity = {**entity, "metadata": {**metadata, "namespace": DEFAULT_NAMESPACE}}
    if not _SOURCE_ROOT_FIELDS.issuperset(entity):
        foreign = next(name for name in entity if name not in _SOURCE_ROOT_FIELDS)
        raise PolicyError(f"Unknown field {foreign}")
    _check_formats(entity, formats or STOCK_FORMATS)
    return entity


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
    return _has_form(text, is_object_name)


def is_api_version(text: str) -> bool:
    """`[prefix/]version`: the form of apiVersion."""
    return _has_form(text, lambda suffix: _VERSION.fullmatch(suffix) is not None)


def _has_form(text: str, is_suffix: Callable[[str], bool]) -> bool:
    prefix, slash, suffix = text.rpartition("/")
    return is_suffix(suffix) and (not slash or is_dns_subdomain(prefix))


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


def _check_formats(entity: Entity, formats: FieldFormats) -> None:
    metadata = entity["metadata"]
    _require("apiVersion", entity["apiVersion"], formats.api_version, _QUALIFIED_FORM)
    _require("kind", entity["kind"], formats.kind, _KIND_FORM)
    _require("metadata.name", metadata["name"], formats.entity_name, _NAME_FORM)
    _require("metadata.namespace", metadata["namespace"], formats.namespace, _NAMESPACE_FORM)
    for key, value in metadata.get("labels", {}).items():
        _require(f"labels.{key}", key, formats.label_key, _QUALIFIED_FORM)
        _require(f"labels.{key}", value, formats.label_value, _NAME_FORM)
    for key, value in metadata.get("annotations", {}).items():
        _require(f"annotations.{key}", key, formats.annotation_key, _QUALIFIED_FORM)
        _require(f"annotations.{key}", value, lambda text: isinstance(text, str), "a string")
    for index, tag in enumerate(metadata.get("tags", ())):
        _require(f"tags.{index}", tag, formats.tag, _TAG_FORM)
    for index, link in enumerate(metadata.get("links", ())):
        _require(f"links.{index}.url", link["url"], is_absolute_url, "a string that is a valid url")
        for part in ("title", "icon"):
            if part in link:
                _require(f"links.{index}.{part}", link[part], lambda text: bool(text.strip()), "a non empty string")


def _require(field: str, value: str, is_valid: Callable[[str], bool], expectation: str) -> None:
    if not is_valid(value):
        raise PolicyError(
            f'"{field}" is not valid; expected {expectation} but found "{value}". '
            f"To learn more about catalog file format, visit: {_FILE_FORMAT_PAGE}"
        )
