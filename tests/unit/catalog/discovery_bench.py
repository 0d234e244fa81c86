"""The providers of a configuration, made as the entry points make them, under the service's rules for outgoing requests.

Their scheduler is held by hand.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from understage.catalog.providers.registry import installed_providers
from understage.config.backend_settings import Reading
from understage.config.integration_settings import IntegrationSettings
from understage.integrations.http import PolicedHttp
from understage.integrations.sources import create_policy
from understage.platform.http import HttpClient
from understage.sdk import ProvidedEntity, ProviderSetup, Schedule
from understage.sdk.testing import FakeProviderConnection, FakeReader, FakeScheduler


class Recorder(FakeProviderConnection):
    """The connection of one provider; `full` counts what replaced all."""

    full = 0

    async def replace_all(self, entities: Sequence[ProvidedEntity]) -> None:
        await super().replace_all(entities)
        self.full += 1

    @property
    def given(self) -> Mapping[str, ProvidedEntity]:
        """What the provider gives now, by reference."""
        return self.entities

    @property
    def targets(self) -> list[str]:
        """The targets of the locations, sorted."""
        return sorted(provided.entity["spec"]["target"] for provided in self.entities.values())

    def entity(self, ref: str) -> Any:
        return self.entities[ref].entity


class Discovery:
    """The providers of a configuration, connected."""

    def __init__(self, providers: Mapping[str, Any], integrations: Mapping[str, Any] | None = None) -> None:
        self.scheduler = FakeScheduler()
        config = {"catalog": {"providers": providers}, "integrations": integrations or {}}
        settings = IntegrationSettings.model_validate(config["integrations"])
        http = HttpClient()
        policed = PolicedHttp(http, create_policy(settings, Reading(), http))
        setup = ProviderSetup(FakeReader(), policed, self.scheduler, config)
        self.providers = {provider.name: provider for provider in installed_providers(setup)}
        self.connections = {name: Recorder() for name in self.providers}

    @property
    def schedules(self) -> dict[str, Schedule]:
        """The schedules of all tasks."""
        return {name: schedule for name, (schedule, _) in self.scheduler.tasks.items()}

    async def connect(self) -> "Discovery":
        for name, provider in self.providers.items():
            await provider.connect(self.connections[name])
        return self

    async def run(self, name: str) -> Recorder:
        """One round of a provider by its schedule."""
        await self.scheduler.tasks[f"{name}:refresh"][1]()
        return self.connections[name]

    async def send(self, name: str, topic: str, payload: Mapping[str, Any]) -> Recorder:
        """One event for a provider."""
        provider: Any = self.providers[name]
        assert topic in provider.topics
        await provider.on_event(topic, payload, {})
        return self.connections[name]
