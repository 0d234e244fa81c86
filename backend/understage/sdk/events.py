"""What listens to the events of forges: pushes, renamed repositories, changed teams.

A provider that is also an `EventSubscriber` is handed the events of its topics; the catalog's event intake calls it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class EventSubscriber(Protocol):
    """Takes events of some topics (`github.push`, `gitlab.push`, `bitbucketCloud.repo:push`)."""

    @property
    def topics(self) -> Sequence[str]:
        """Exactly these topics are delivered."""

    async def on_event(self, topic: str, payload: Mapping[str, Any], metadata: Mapping[str, str]) -> None:
        """Act on one event.

        `payload` is the JSON object that the forge sent: its signature was checked, its members were not. `metadata` is
        what came beside it, names in lower case. What is of no concern is ignored. Raises InputError for a payload that
        cannot be what the topic says; other errors are logged and cost this event only.
        """
