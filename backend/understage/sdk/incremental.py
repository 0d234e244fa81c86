"""An incremental provider: a source too large to be read at once, given page by page.

    class Assets:
        name = "assets"
        options = IncrementalOptions(
            burst_interval=timedelta(seconds=30), burst_length=timedelta(seconds=10), rest_length=timedelta(hours=1)
        )

        async def pages(self, cursor: Any) -> AsyncGenerator[Page, None]:
            while True:
                found = await ask(after=cursor)
                cursor = found.next
                yield Page([ProvidedEntity(asset_entity(asset)) for asset in found.assets], cursor, is_last=found.is_last)
                if found.is_last:
                    return

The entry point group is that of all providers, `understage.providers`. Each page is one transaction: its entities, and the
mark from which a later burst, another replica or the next start goes on. What a whole cycle did not give any more is removed
with its last page. Semantics as in Backstage's catalog-backend-module-incremental-ingestion 0.8.0.
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol, runtime_checkable

from understage.sdk.provider import ProvidedEntity

SHORTEST_INTERVAL = timedelta(seconds=5)
STOCK_BACKOFF = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=3))


@dataclass(frozen=True)
class Page:
    """Some entities. `cursor` is JSON, and what `pages` is called with to go on after this page."""

    entities: Sequence[ProvidedEntity]
    cursor: Any = None
    is_last: bool = False


@dataclass(frozen=True)
class IncrementalOptions:
    """How a source is read.

    A burst lasts `burst_length`, a page that has begun is finished; bursts begin `burst_interval` (at least 5 seconds) apart.
    After the last page the provider rests for `rest_length`. A burst that fails is tried again after the first `backoff`, then
    the second and so on. `reject_empty_source_collections` keeps everything when a whole cycle gave nothing;
    `reject_removals_above_percentage` when more than so many percent of what it gave would be removed.
    """

    burst_interval: timedelta
    burst_length: timedelta
    rest_length: timedelta
    backoff: Sequence[timedelta] = STOCK_BACKOFF
    reject_empty_source_collections: bool = False
    reject_removals_above_percentage: float | None = None


@runtime_checkable
class IncrementalEntityProvider(Protocol):
    """A provider of pages; `name` as that of an `EntityProvider`."""

    @property
    def name(self) -> str:
        """The name in the database and in the configuration."""

    @property
    def options(self) -> IncrementalOptions:
        """How the source is read."""

    def pages(self, cursor: Any) -> AsyncGenerator[Page, None]:
        """The pages after `cursor`, None for the first. An async generator: it is closed when a burst ends.

        An error ends the burst, not the cycle: what was given stays given.
        """
