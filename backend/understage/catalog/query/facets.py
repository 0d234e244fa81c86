"""Facets: how many entities have which value."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.predicate import Predicate
from understage.catalog.query.kept import KeptAnswers
from understage.catalog.store.select_facets import select_facets

Facets = dict[str, list[tuple[str, int]]]

MOST = 256
LARGEST = 2000


class FacetCounter:
    """Counts facets for `catalog.api`; one a process."""

    def __init__(self) -> None:
        self._kept = KeptAnswers[Facets](MOST, lambda facets: sum(map(len, facets.values())) <= LARGEST)

    async def count(self, connection: AsyncConnection, keys: Sequence[str], predicate: Predicate) -> Facets:
        """(original value, entities that have it) by index key; keys are lower case."""
        return await self._kept.find(
            connection, (tuple(keys), predicate), lambda: select_facets(connection, keys, predicate)
        )
