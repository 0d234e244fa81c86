"""Careful looks into JSON values from outside, for extensions: manifests and answers whose members may be anything."""

from understage.model.members import list_at, map_at, member_at, objects_in

__all__ = ["list_at", "map_at", "member_at", "objects_in"]
