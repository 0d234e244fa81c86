"""An entity provider: a source of root entities (a forge's organisation, a directory of people, a list in a file).

    class PeopleProvider:
        name = "people"

        async def connect(self, connection: ProviderConnection) -> None:
            await connection.replace_all([ProvidedEntity(person_entity(p)) for p in await read_people()])

The entry point group `understage.providers` names the class, or a function that returns one provider or a list of them; it
is called with one argument, a `ProviderSetup`. An entry point named `catalog.providers.<key>` is loaded only when the
configuration has that key. Entities must carry both managed-by annotations. A provider that is an `EventSubscriber` too is
handed its events.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from understage.model.entity import Entity
from understage.sdk.plugins import NoPlugins, Plugins
from understage.sdk.ports import Http
from understage.sdk.reader import UrlReader
from understage.sdk.schedule import Scheduler


@dataclass(frozen=True)
class ProviderSetup:
    """What a provider gets when it is made.

    `reader` reads files by URL, `http` asks the hosts that the configuration names, `scheduler` repeats work, `config` is the
    merged app-config as plain data, and `plugins` asks the other plugins of the installation.
    """

    reader: UrlReader
    http: Http
    scheduler: Scheduler
    config: Mapping[str, Any] = field(default_factory=dict)
    plugins: Plugins = field(default_factory=NoPlugins)


@dataclass(frozen=True)
class ProvidedEntity:
    """A root entity. `location_key` is who owns the name: another source with another key cannot take it.

    The same key makes two sources co-owners, of whom the last to write has the entity. Another key for an entity that was
    given before makes it another one, with another uid. An entity without a key may be taken by any source with one.
    """

    entity: Entity
    location_key: str | None = None


class ProviderConnection(Protocol):
    """How a provider tells the catalog what there is. Each call is one transaction, visible when it returns.

    Raises InputError, and applies nothing, when an entity has no valid envelope.
    """

    async def replace_all(self, entities: Sequence[ProvidedEntity]) -> None:
        """These are all; what this provider gave before and is not among them goes, with what only it led to."""

    async def apply_delta(
        self, added: Sequence[ProvidedEntity] = (), removed: Sequence[str | ProvidedEntity] = ()
    ) -> None:
        """Add or change some, and remove others, by reference (`user:default/ada`) or as they were given.

        What is among both stays. What this provider does not give cannot be removed by it, and is no error.
        """

    async def list_given(self) -> Sequence[ProvidedEntity]:
        """What this provider gives at present, whichever replica gave it."""

    async def refresh(self, keys: Sequence[str]) -> None:
        """Process now whatever was made of these (`url:…`)."""


class EntityProvider(Protocol):
    """A provider; `name` is unique, stays the same for ever, and is the key under `catalog.providerOptions`."""

    @property
    def name(self) -> str:
        """The name in the database and in the configuration."""

    async def connect(self, connection: ProviderConnection) -> None:
        """Called once at start. Work that goes on is the provider's own task; keep the connection for it."""
