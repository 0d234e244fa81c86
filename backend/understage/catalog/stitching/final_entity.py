"""The final form of one entity: what processing made of it, plus what others say about it."""

from dataclasses import dataclass
from typing import Any

from understage.catalog.stitching.search_values import search_values
from understage.catalog.store.select_stitch_inputs import StitchInput
from understage.catalog.store.write_final import SearchValue
from understage.catalog.unprocessed import stable_hash
from understage.model.entity import ANNOTATION_EDIT_URL, ANNOTATION_ORPHAN, ANNOTATION_VIEW_URL, Entity
from understage.model.ref import is_script_url
from understage.platform.json import dumps_text, loads

REJECTED_URL = "https://backstage.io/annotation-rejected-for-security-reasons"
STATUS_TYPE = "backstage.io/catalog-processing"


@dataclass(frozen=True, slots=True)
class FinalForm:
    """Ready for the store: the served JSON, its hash, and the rows of the search index."""

    json: str
    hash: str
    values: list[SearchValue]


def build_final(source: StitchInput) -> FinalForm | None:
    """The final form; None when it is the same as before, or when there is nothing to serve yet.

    Raises InputError when the entity cannot be indexed.
    """
    if source.processed_entity is None:
        return None
    entity: Entity = loads(source.processed_entity)
    metadata: dict[str, Any] = entity["metadata"]
    metadata["uid"] = source.uid
    _mark_annotations(metadata, is_orphan=source.is_orphan)
    entity["relations"] = [{"type": type_, "targetRef": target} for type_, target in source.relations]
    if errors := loads(source.errors):
        _add_status(entity, errors)
    # The etag of the source is part of the entity; ours cannot be part of what it is the hash of.
    etag = stable_hash(entity)
    if etag == source.final_hash:
        return None
    values = search_values(entity, source.relations)
    metadata.setdefault("etag", etag)
    return FinalForm(dumps_text(entity), etag, values)


def _mark_annotations(metadata: dict[str, Any], *, is_orphan: bool) -> None:
    annotations = metadata.get("annotations")
    if is_orphan:
        annotations = metadata["annotations"] = {**(annotations or {}), ANNOTATION_ORPHAN: "true"}
    if annotations:
        for name in (ANNOTATION_VIEW_URL, ANNOTATION_EDIT_URL):
            value = annotations.get(name)
            if isinstance(value, str) and is_script_url(value):
                annotations[name] = REJECTED_URL


def _add_status(entity: Entity, errors: list[dict[str, Any]]) -> None:
    items = [
        {"type": STATUS_TYPE, "level": "error", "message": f"{error['name']}: {error['message']}", "error": error}
        for error in errors
    ]
    before = (entity.get("status") or {}).get("items") or []
    entity["status"] = {**(entity.get("status") or {}), "items": [*before, *items]}
