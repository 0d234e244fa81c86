"""The final form of one entity: what processing made of it, plus what others say about it."""

from dataclasses import dataclass
from typing import Any

from understage.catalog.stitching.search_values import search_values
from understage.catalog.stitching.status import STATUS_TYPE, status_items
from understage.catalog.store.select_stitch_inputs import StitchInput
from understage.catalog.store.select_troubles import Troubles
from understage.catalog.store.write_final import SearchValue
from understage.model.entity import ANNOTATION_EDIT_URL, ANNOTATION_ORPHAN, ANNOTATION_VIEW_URL, Entity
from understage.model.hash import stable_hash
from understage.model.ref import is_script_url
from understage.platform.json import dumps_text, loads

REJECTED_URL = "https://backstage.io/annotation-rejected-for-security-reasons"


@dataclass(frozen=True, slots=True)
class FinalForm:
    """Ready for the store: the served JSON, its hash, and the rows of the search index."""

    json: str
    hash: str
    values: list[SearchValue]

    @property
    def stored(self) -> tuple[str, str]:
        """The JSON and its hash, as columns."""
        return self.json, self.hash


def build_final(source: StitchInput, troubles: Troubles | None = None) -> FinalForm | None:
    """The final form; None when it is the same as before, or when there is nothing to serve yet.

    Raises InputError when the entity cannot be indexed.
    """
    if source.processed_entity is None:
        return None
    return build_from(loads(source.processed_entity), source, troubles)


def build_from(entity: Entity, source: StitchInput, troubles: Troubles | None = None) -> FinalForm | None:
    """`build_final` of an entity that need not be read again; it becomes the final one."""
    metadata: dict[str, Any] = entity["metadata"]
    metadata["uid"] = source.uid
    _mark_annotations(metadata, is_orphan=source.is_orphan)
    entity["relations"] = [{"type": type_, "targetRef": target} for type_, target in source.relations]
    _set_status(entity, source.errors, troubles)
    # The etag of the source is part of the entity; ours cannot be part of what it is the hash of.
    etag = stable_hash(entity)
    if etag == source.final_hash:
        return None
    values = search_values(entity, source.relations)
    metadata.setdefault("etag", etag)
    return FinalForm(dumps_text(entity), etag, values)


def build_kept(source: StitchInput, last: str, troubles: Troubles) -> FinalForm | None:
    """The last good final form (its JSON) with the status of now, for an entity that cannot be stitched any more."""
    entity: Entity = loads(last)
    if entity["metadata"].get("etag") == source.final_hash:
        del entity["metadata"]["etag"]
    _set_status(entity, source.errors, troubles)
    etag = stable_hash(entity)
    if etag == source.final_hash:
        return None
    relations = [(relation["type"], relation["targetRef"]) for relation in entity["relations"]]
    values = search_values(entity, relations)
    entity["metadata"].setdefault("etag", etag)
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


def _set_status(entity: Entity, errors: str, troubles: Troubles | None) -> None:
    if errors == "[]" and troubles is None:
        return
    status = entity.get("status") or {}
    others = [item for item in status.get("items") or () if item.get("type") != STATUS_TYPE]
    entity["status"] = {**status, "items": [*others, *status_items(loads(errors), troubles)]}
    if not entity["status"]["items"]:
        del entity["status"]
