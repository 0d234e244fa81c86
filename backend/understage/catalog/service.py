"""What the catalog's API asks the ingestion road to do: locations, refresh, deletion, validation, analysis.

Called by `catalog.api` (and by the composition root for in-process callers); `CatalogEngine.service` is the implementation.
Who may do what was decided before. Each mutation is committed when its method returns, and processing is under way.
Semantics and messages are those of Backstage catalog-backend 4.0.0.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from understage.catalog.failure import SerializedError
from understage.model.entity import Entity

ConflictStrategy = Literal["reject", "refresh"]


@dataclass(frozen=True)
class RegisteredLocation:
    """A location registered by API. `entity_ref` is the reference of the Location entity it stands for."""

    id: str
    type: str
    target: str
    entity_ref: str

    def to_json(self) -> dict[str, str]:
        """The location object of the wire."""
        return {"id": self.id, "type": self.type, "target": self.target, "entityRef": self.entity_ref}


@dataclass(frozen=True)
class CreatedLocation:
    """The outcome of `create_location`: `exists` and `entities` are told by dry runs only."""

    location: RegisteredLocation
    entities: Sequence[Entity] = ()
    exists: bool | None = None

    def to_json(self) -> dict[str, Any]:
        """The response body of `POST /locations`."""
        body: dict[str, Any] = {"location": self.location.to_json(), "entities": list(self.entities)}
        return body if self.exists is None else {"exists": self.exists, **body}


class CatalogService(Protocol):
    """The operations of the ingestion road."""

    async def list_locations(self) -> list[RegisteredLocation]:
        """All registered locations, those of type `bootstrap` hidden."""

    async def get_location(self, location_id: str) -> RegisteredLocation:
        """One location. Raises NotFoundError `Found no location with ID <id>`, also for what is no UUID."""

    async def find_location(self, type: str, target: str) -> RegisteredLocation | None:
        """The location of exactly this type and target, if registered."""

    async def create_location(
        self, type: str, target: str, *, dry_run: bool = False, on_conflict: ConflictStrategy | None = None
    ) -> CreatedLocation:
        """Register a location, or say what registering it would give.

        `on_conflict` None means `catalog.defaultLocationConflictStrategy`. A dry run reads and processes everything that
        the location leads to and stores nothing. Raises InputError for a type that is not allowed, an empty or scripting
        target, and for what a dry run finds; ConflictError `Location <type>:<target> already exists`; NotAllowedError in
        readonly mode unless it is a dry run.
        """

    async def update_location(self, location_id: str, type: str, target: str) -> RegisteredLocation:
        """Point a location elsewhere; its id and entity reference stay. Errors as `create_location`, and NotFoundError."""

    async def delete_location(self, location_id: str) -> None:
        """Unregister, and remove at once what only this location gave. Raises NotFoundError, NotAllowedError (readonly)."""

    async def refresh(self, entity_ref: str) -> None:
        """Process an entity and the locations it comes from now. Raises NotFoundError for unknown entities and orphans."""

    async def refresh_by_keys(self, keys: Sequence[str]) -> int:
        """Process now whatever was read from these (`url:…`, `file:…`); returns how many entities that are."""

    async def delete_entity(self, uid: str) -> None:
        """Remove an entity; whoever still emits it is processed now and brings it back. An unknown uid is no error."""

    async def validate_entity(self, entity: Any, location_ref: str) -> list[SerializedError]:
        """Run an entity through all checks as if read from `location_ref` (`url:…`); no errors means valid."""

    async def analyze_location(self, type: str, target: str) -> dict[str, Any]:
        """What could be registered at a target: `{existingEntityFiles: […], generateEntities: […]}`.

        Raises InputError `The given location.target is not a URL`.
        """
