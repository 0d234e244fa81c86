"""Relations between entities: their names, opposites and the way they are stored.

Processors emit relations in both directions; stitching collects them into the `relations` of a final entity.
"""

from typing import NamedTuple

OWNED_BY = "ownedBy"
OWNER_OF = "ownerOf"
CONSUMES_API = "consumesApi"
API_CONSUMED_BY = "apiConsumedBy"
PROVIDES_API = "providesApi"
API_PROVIDED_BY = "apiProvidedBy"
DEPENDS_ON = "dependsOn"
DEPENDENCY_OF = "dependencyOf"
PARENT_OF = "parentOf"
CHILD_OF = "childOf"
MEMBER_OF = "memberOf"
HAS_MEMBER = "hasMember"
PART_OF = "partOf"
HAS_PART = "hasPart"

_PAIRS = (
    (OWNED_BY, OWNER_OF),
    (CONSUMES_API, API_CONSUMED_BY),
    (PROVIDES_API, API_PROVIDED_BY),
    (DEPENDS_ON, DEPENDENCY_OF),
    (PARENT_OF, CHILD_OF),
    (MEMBER_OF, HAS_MEMBER),
    (PART_OF, HAS_PART),
)
OPPOSITES: dict[str, str] = {left: right for pair in _PAIRS for left, right in (pair, pair[::-1])}


class Relation(NamedTuple):
    """One directed relation; `source` and `target` are stored references (`kind:namespace/name`, lower case)."""

    source: str
    type: str
    target: str
