"""Facets, kept as long as nothing that is served has changed: pages ask for the same ones again and again."""

import time
from collections import OrderedDict
from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.predicate import Predicate
from understage.catalog.store.changes import Version, select_version
from understage.catalog.store.select_facets import select_facets

Facets = dict[str, list[tuple[str, int]]]

# Answers, and values of one answer.
MOST = 256
LARGEST = 2000
# A replica of the first release notes no changes.
KEPT_SECONDS = 10.0


class FacetCounter:
    """Counts facets for `catalog.api`; one a process."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[tuple[str, ...], Predicate], tuple[Version, float, Facets]] = OrderedDict()

    async def count(self, connection: AsyncConnection, keys: Sequence[str], predicate: Predicate) -> Facets:
        """(original value, entities that have it) by index key; keys are lower case."""
        question = (tuple(keys), predicate)
        version = await select_version(connection)
        kept = self._kept.get(question)
        if kept is not None and kept[0] == version and time.monotonic() - kept[1] < KEPT_SECONDS:
            self._kept.move_to_end(question)
            return kept[2]
        facets = await select_facets(connection, keys, predicate)
        if sum(map(len, facets.values())) <= LARGEST:
            self._kept[question] = (version, time.monotonic(), facets)
        while len(self._kept) > MOST:
            self._kept.popitem(last=False)
        return facets
