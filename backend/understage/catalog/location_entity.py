"""The Location entity that stands for a configured, registered or emitted location."""

import hashlib
from collections.abc import Mapping

from understage.model.entity import ANNOTATION_LOCATION, ANNOTATION_ORIGIN_LOCATION, Entity
from understage.model.ref import LocationRef

GENERATED = "generated-"


def location_name(location: LocationRef) -> str:
    """`generated-<sha1 of type:target>`: stable, and valid for any target."""
    return GENERATED + hashlib.sha1(str(location).encode(), usedforsecurity=False).hexdigest()


def location_entity_ref(location: LocationRef) -> str:
    """The reference of the location's entity."""
    return f"location:default/{location_name(location)}"


def make_location_entity(
    location: LocationRef,
    *,
    name: str | None = None,
    annotations: Mapping[str, str] | None = None,
    optional: bool | None = None,
) -> Entity:
    """A Location entity whose managed-by annotations name the location itself, unless `annotations` say otherwise."""
    own = {ANNOTATION_LOCATION: str(location), ANNOTATION_ORIGIN_LOCATION: str(location)}
    spec: dict[str, str] = {"type": location.type, "target": location.target}
    if optional is not None:
        spec["presence"] = "optional" if optional else "required"
    return {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Location",
        "metadata": {"name": name or location_name(location), "annotations": dict(annotations or own)},
        "spec": spec,
    }
