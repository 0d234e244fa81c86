"""What a processor emits while others are to come before it: kept, and passed on in its turn. Called by `location_stage`."""

from collections.abc import Callable
from typing import Any

from understage.model.ref import LocationRef
from understage.sdk.processor import Emit


class Delayed:
    """Takes what is emitted; implements `sdk.processor.Emit`."""

    def __init__(self) -> None:
        self._calls: list[Callable[[Emit], None]] = []

    def pass_on(self, emit: Emit) -> None:
        """Emit all of it, in order. Raises what `emit` raises."""
        calls, self._calls = self._calls, []
        for call in calls:
            call(emit)

    def entity(self, entity: Any, location: LocationRef, *, location_key: str | None = None) -> None:
        """See `Emit`."""
        self._calls.append(lambda emit: emit.entity(entity, location, location_key=location_key))

    def location(self, location: LocationRef, *, optional: bool = False) -> None:
        """See `Emit`."""
        self._calls.append(lambda emit: emit.location(location, optional=optional))

    def relation(self, source: str, type: str, target: str) -> None:
        """See `Emit`."""
        self._calls.append(lambda emit: emit.relation(source, type, target))

    def refresh_key(self, key: str) -> None:
        """See `Emit`."""
        self._calls.append(lambda emit: emit.refresh_key(key))

    def error(self, error: Exception) -> None:
        """See `Emit`."""
        self._calls.append(lambda emit: emit.error(error))
