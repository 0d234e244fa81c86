"""Reads again what forges report as changed. Called by `scm.bridge`; the provider gives no entities of its own.

It is a provider, as in the stock backend, so that `catalog.providerOptions` can disable it.
"""

from collections.abc import Callable, Iterable, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.scm.bridge import count_action
from understage.catalog.scm.event import ScmEvent, names_repository
from understage.catalog.store.retry import write_with_retry
from understage.catalog.store.schedule_urls import schedule_urls, schedule_urls_below
from understage.platform.database import Database
from understage.sdk.provider import ProviderConnection


class GenericScmEventRefreshProvider:
    """Makes entities due; `wake` runs the loops at once."""

    name = "GenericScmEventRefreshProvider"

    def __init__(self, database: Database, wake: Callable[[], None]) -> None:
        self._database = database
        self._wake = wake

    async def connect(self, connection: ProviderConnection) -> None:
        """Nothing to give."""

    async def act(self, events: Sequence[ScmEvent]) -> None:
        """Make due what was read from updated files and repositories."""
        exact = _variations(event.url for event in events if event.type == "location.updated")
        updated = (event.url for event in events if event.type == "repository.updated")
        below = _variations(url.rstrip("/") + "/" for url in updated if names_repository(url))
        if not exact and not below:
            return

        async def schedule(write: AsyncConnection) -> int:
            count = await schedule_urls(write, exact) if exact else 0
            for prefix in below:
                count += await schedule_urls_below(write, prefix)
            return count

        count_action("refresh", await write_with_retry(self._database, schedule))
        self._wake()


def _variations(urls: Iterable[str]) -> list[str]:
    """The URLs as refresh keys and annotations may have them."""
    return sorted({f"url:{form}" for url in urls for form in (url, url.replace("/blob/", "/tree/", 1))})
