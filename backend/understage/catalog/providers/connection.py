"""The connection that a provider is given; implements `sdk.provider.ProviderConnection`."""

from collections.abc import Callable, Sequence

import orjson

from understage.catalog.providers.mutation import apply_delta, replace_all
from understage.catalog.store.retry import write_with_retry
from understage.catalog.store.schedule import schedule_keys
from understage.catalog.store.select_given import select_given
from understage.catalog.store.write_states import UnprocessedEntity
from understage.catalog.unprocessed import make_unprocessed
from understage.model.entity import EnvelopeError, check_envelope
from understage.model.ref import EntityRef, entity_ref
from understage.platform.database import Database
from understage.sdk.provider import ProvidedEntity


class Connection:
    """Applies one provider's mutations; `wake` tells the loops that there is work."""

    def __init__(self, database: Database, source_key: str, wake: Callable[[], None]) -> None:
        self._database = database
        self._source_key = source_key
        self._wake = wake

    async def replace_all(self, entities: Sequence[ProvidedEntity]) -> None:
        """See `ProviderConnection`."""
        rows = unprocessed(entities)
        await write_with_retry(self._database, lambda write: replace_all(write, self._source_key, rows))
        self._wake()

    async def apply_delta(
        self, added: Sequence[ProvidedEntity] = (), removed: Sequence[str | ProvidedEntity] = ()
    ) -> None:
        """See `ProviderConnection`."""
        rows = unprocessed(added)
        gone = {_ref_of(item) for item in removed}
        await write_with_retry(self._database, lambda write: apply_delta(write, self._source_key, rows, gone))
        self._wake()

    async def list_given(self) -> Sequence[ProvidedEntity]:
        """See `ProviderConnection`."""
        async with self._database.read() as connection:
            rows = await select_given(connection, self._source_key)
        return [ProvidedEntity(orjson.loads(entity), key) for entity, key in rows]

    async def refresh(self, keys: Sequence[str]) -> None:
        """See `ProviderConnection`."""
        await write_with_retry(self._database, lambda write: schedule_keys(write, keys))
        self._wake()


def unprocessed(entities: Sequence[ProvidedEntity]) -> list[UnprocessedEntity]:
    """The rows of what a provider gives. Raises EnvelopeError when one of them has no valid envelope."""
    rows = []
    for provided in entities:
        _check(provided)
        rows.append(make_unprocessed(provided.entity, provided.location_key))
    return rows


def _ref_of(removed: str | ProvidedEntity) -> str:
    if isinstance(removed, str):
        return str(EntityRef.parse(removed)).lower()
    _check(removed)
    return entity_ref(removed.entity)


def _check(provided: ProvidedEntity) -> None:
    try:
        check_envelope(provided.entity)
    except EnvelopeError as error:
        raise EnvelopeError(f"Malformed entity envelope, {error.message}") from error
