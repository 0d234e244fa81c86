"""The installed third-party providers, and the start of all of them."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.providers.connection import Connection
from understage.catalog.providers.mutation import replace_all
from understage.catalog.store.references import select_source_keys
from understage.catalog.store.retry import write_with_retry
from understage.config.catalog_settings import ProcessorOptions
from understage.errors import InputError
from understage.platform.database import Database
from understage.platform.extensions import installed
from understage.sdk.incremental import IncrementalEntityProvider
from understage.sdk.provider import EntityProvider, ProviderSetup

log = structlog.get_logger(__name__)

GROUP = "understage.providers"
BY_CONFIGURATION = "catalog.providers."


def installed_providers(setup: ProviderSetup) -> list[EntityProvider | IncrementalEntityProvider]:
    """Make the providers that entry points name, of those named `catalog.providers.<key>` the ones that are configured.

    One that cannot be made stops the start: an InputError says what to change in the configuration, any other error names the
    package to repair.
    """
    configured = (setup.config.get("catalog") or {}).get("providers") or {}
    providers: list[EntityProvider | IncrementalEntityProvider] = []
    for entry in sorted(installed(GROUP), key=lambda entry: entry.name):
        key = entry.name.removeprefix(BY_CONFIGURATION)
        if key != entry.name and configured.get(key) is None:
            continue
        try:
            made = entry.load()(setup)
        except InputError:
            raise
        except Exception as error:
            package = entry.dist.name if entry.dist else "unknown"
            raise InputError(
                f"the provider {entry.value} of package {package} cannot be made: {error}; repair or remove the package"
            ) from error
        providers += made if isinstance(made, list | tuple) else [made]
    return providers


def enabled_providers(
    providers: Sequence[EntityProvider], options: Mapping[str, ProcessorOptions]
) -> list[EntityProvider]:
    """Those that `catalog.providerOptions` does not disable. Raises InputError for a name that stands twice."""
    names = [provider.name for provider in providers]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"two entity providers have the name {name}; rename one of them")
    return [provider for provider in providers if not options.get(provider.name, ProcessorOptions()).disabled]


async def connect_providers(
    database: Database, providers: Sequence[EntityProvider], wake: Callable[[], None], *, core: frozenset[str]
) -> None:
    """Connect all at once. One of `core` that fails stops the start; of the others a failure is logged."""

    async def connect_one(provider: EntityProvider) -> None:
        try:
            await provider.connect(Connection(database, provider.name, wake))
        except Exception:
            if provider.name in core:
                raise
            log.exception(
                "an entity provider could not be connected; what it gave before stays", provider=provider.name
            )

    await asyncio.gather(*(connect_one(provider) for provider in providers))


async def remove_absent_providers(database: Database, present: Sequence[str]) -> None:
    """Remove what providers gave that are not installed any more (`catalog.orphanProviderStrategy: delete`)."""
    async with database.read() as connection:
        absent = sorted(set(await select_source_keys(connection)) - set(present))
    for source_key in absent:

        async def remove(write: AsyncConnection, key: str = source_key) -> None:
            await replace_all(write, key, [])

        log.warning("a provider is not installed any more, its entities are removed", provider=source_key)
        await write_with_retry(database, remove)
