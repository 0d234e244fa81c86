"""What of the catalog listens on the event bus: the bridge of forges' events, and providers that are `EventSubscriber`s.

Called once by `CatalogEngine`, when its providers are made.
"""

from collections.abc import Mapping, Sequence

from understage.catalog.providers.location_store import LocationStore
from understage.catalog.providers.scm_locations import ScmLocations
from understage.catalog.providers.scm_refresh import GenericScmEventRefreshProvider
from understage.catalog.scm.bridge import Act, ScmBridge
from understage.catalog.scm.github import ReadCommit
from understage.config.catalog_settings import ScmEvents
from understage.errors import InputError
from understage.platform.event_bus import Event, EventBus
from understage.sdk.events import EventSubscriber
from understage.sdk.provider import EntityProvider


def listen(
    bus: EventBus,
    providers: Sequence[EntityProvider],
    settings: ScmEvents,
    locations: ScmLocations,
    read_commit: ReadCommit | None,
) -> None:
    """Subscribe them. What `catalog.providerOptions` or `catalog.scmEvents` switch off does not listen."""
    actors: list[Act] = []
    for provider in providers:
        if isinstance(provider, LocationStore) and (settings.unregister or settings.move):
            actors.append(locations.act)
        if isinstance(provider, GenericScmEventRefreshProvider) and settings.refresh:
            actors.append(provider.act)
        if isinstance(provider, EventSubscriber):
            _subscribe(bus, provider)
    ScmBridge(actors, read_commit).listen(bus)


def _subscribe(bus: EventBus, subscriber: EventSubscriber) -> None:
    async def hand_over(event: Event) -> None:
        if not isinstance(event.payload, Mapping):
            raise InputError("the payload is no object")
        await subscriber.on_event(event.topic, event.payload, event.metadata)

    bus.subscribe(subscriber.topics, hand_over)
