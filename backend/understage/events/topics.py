"""Which narrower topic an event of a forge also has: `github` and a push are `github.push` too.

Rules of Backstage's events-backend modules.
"""

from collections.abc import Mapping
from typing import Any

from understage.platform.event_bus import Event

HEADERS = {"github": "x-github-event", "gitea": "x-gitea-event", "bitbucketCloud": "x-event-key"}
LONGEST = 100


def narrow(event: Event) -> Event | None:
    """The same event under its narrower topic; None where nothing tells which."""
    kind = _kind(event.topic, event.payload, event.metadata)
    if not isinstance(kind, str) or not 0 < len(kind) <= LONGEST:
        return None
    return Event(f"{event.topic}.{kind}", event.payload, event.metadata, event.is_trusted)


def _kind(topic: str, payload: Any, metadata: Mapping[str, str]) -> Any:
    if topic == "gitlab":
        return payload.get("event_name") if isinstance(payload, dict) else None
    return metadata.get(HEADERS[topic]) if topic in HEADERS else None
