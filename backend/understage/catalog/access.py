"""What a caller may do in the catalog: the questions the API asks before it answers.

The composition root connects it to the permission backend; with permissions off everything is allowed.
"""

from typing import Protocol

from understage.catalog.predicate import Predicate
from understage.identity.credentials import Credentials


class Access(Protocol):
    """Decides for one caller at a time."""

    async def readable(self, credentials: Credentials) -> Predicate | None:
        """What the entities the caller may read satisfy; None for all, `NOTHING` for none."""

    async def is_allowed(self, credentials: Credentials, permission: str, resource_ref: str | None = None) -> bool:
        """Whether the caller holds a permission, e.g. `catalog.location.create`."""

    async def require(self, credentials: Credentials, permission: str, resource_ref: str | None = None) -> None:
        """Raises NotAllowedError with an empty message, as the stock backend does, unless `is_allowed`."""
