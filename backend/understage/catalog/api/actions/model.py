"""The action that describes the catalog's model: kinds, their fields and relations, and annotations of the catalog itself."""

from collections.abc import Iterator
from typing import Any

from understage.identity.actions import OfferedAction, schema_of
from understage.identity.credentials import Credentials
from understage.model import entity as model
from understage.model.kinds import Kind, builtin_kinds

METADATA = (
    ("name", "identifies the entity, together with its kind and namespace; at most 63 letters, digits, `-`, `_`, `.`"),
    ("namespace", "`default` where it is left out"),
    ("title", "shown in place of the name"),
    ("description", "a sentence about the entity"),
    ("labels", "keys with short values, for filters"),
    ("annotations", "keys with texts, for tools"),
    ("tags", "a list of short words"),
    ("links", "a list of `url` with `title`, `icon` and `type`"),
)
ANNOTATIONS = (
    (model.ANNOTATION_LOCATION, "where the entity was read from"),
    (model.ANNOTATION_ORIGIN_LOCATION, "the registered location that led to it"),
    (model.ANNOTATION_SOURCE_LOCATION, "the source code that belongs to it"),
    (model.ANNOTATION_VIEW_URL, "where a browser shows the file"),
    (model.ANNOTATION_EDIT_URL, "where a browser edits the file"),
    (model.ANNOTATION_ORPHAN, "`true` when nothing refers to the entity any more"),
)


def create_model_action() -> OfferedAction:
    """`get-catalog-model-description`."""

    async def describe(_input: dict[str, Any], _credentials: Credentials) -> dict[str, Any]:
        return {"description": describe_model()}

    return OfferedAction(
        "get-catalog-model-description",
        "Get a Catalog Model Description",
        "Describes in Markdown what the catalog holds: kinds of entities with their fields, relations and annotations.",
        schema_of({}),
        schema_of({"description": {"type": "string", "description": "The description, in Markdown."}}, ["description"]),
        run=describe,
        read_only=True,
        idempotent=True,
    )


def describe_model() -> str:
    """The Markdown text."""
    lines = [
        "# Model of the catalog",
        "",
        "An entity has `apiVersion`, `kind`, `metadata` and `spec`, and from the catalog `relations` and `status`.",
        "Its reference is `kind:namespace/name`, in lower case.",
        "",
        "## Metadata",
        "",
        *(f"- `metadata.{name}`: {about}" for name, about in METADATA),
        "",
        "## Annotations that the catalog sets",
        "",
        *(f"- `{name}`: {about}" for name, about in ANNOTATIONS),
    ]
    for kind in builtin_kinds().values():
        lines += ["", *_describe_kind(kind)]
    return "\n".join(lines) + "\n"


def _describe_kind(kind: Kind) -> Iterator[str]:
    yield f"## Kind {kind.name}"
    yield ""
    yield kind.description
    yield ""
    yield f"apiVersion: {', '.join(f'`{version}`' for version in kind.api_versions)}"
    required = kind.spec_schema.get("required", ())
    relations = {rule.field: rule for rule in kind.relations}
    for name, schema in kind.spec_schema.get("properties", {}).items():
        rule = relations.get(name)
        parts = [
            _type_of(schema),
            *(["required"] if name in required else []),
            *([f"makes the relation `{rule.forward}`, and `{rule.reverse}` the other way"] if rule else []),
        ]
        yield f"- `spec.{name}`: {', '.join(parts)}"


def _type_of(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return "one of " + ", ".join(f"`{value}`" for value in schema["enum"])
    type = schema.get("type", "any value")
    if type == "array":
        return f"list of {schema.get('items', {}).get('type', 'any value')}"
    return " or ".join(type) if isinstance(type, list) else str(type)
