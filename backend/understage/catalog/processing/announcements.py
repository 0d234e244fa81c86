"""Tells the event bus what processing found wrong: errors of entities, and names that two places claim.

Called by `processing.rounds` after a commit. Topics and payloads are those of Backstage's catalog-backend 4.0.0, where they are
experimental.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from understage.catalog.processing.outcome import Outcome
from understage.platform.event_bus import Event, EventBus
from understage.platform.json import loads

ERRORS_TOPIC = "experimental.catalog.errors"
CONFLICT_TOPIC = "experimental.catalog.conflict"


class Announcements:
    """Announces without waiting; where nobody listens, nothing is put together."""

    def __init__(self, bus: EventBus) -> None:
        self._bus = bus

    def tell(self, outcomes: Iterable[Outcome]) -> None:
        """Tell of all that is wrong with these."""
        errors, conflicts = self._bus.has_listeners(ERRORS_TOPIC), self._bus.has_listeners(CONFLICT_TOPIC)
        for outcome in outcomes:
            if errors and outcome.errors:
                self._announce(ERRORS_TOPIC, _errors_of(outcome))
            for child, existing_key in outcome.conflicts if conflicts else ():
                conflict = {
                    "unprocessedEntity": loads(child.json),
                    "entityRef": child.entity_ref,
                    "newLocationKey": child.location_key,
                    "existingLocationKey": existing_key,
                    "lastConflictAt": datetime.now(UTC).isoformat(timespec="milliseconds"),
                }
                self._announce(CONFLICT_TOPIC, conflict)

    def _announce(self, topic: str, payload: dict[str, Any]) -> None:
        self._bus.announce(Event(topic, payload, is_trusted=True))


def _errors_of(outcome: Outcome) -> dict[str, Any]:
    metadata = loads(outcome.claimed.unprocessed_entity).get("metadata") or {}
    location = (metadata.get("annotations") or {}).get("backstage.io/managed-by-location")
    payload = {"entity": outcome.claimed.entity_ref, "location": location, "errors": outcome.errors}
    return {name: value for name, value in payload.items() if value is not None}
