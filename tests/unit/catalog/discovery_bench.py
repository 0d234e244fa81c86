"""A connection and a scheduler that tests of discovery hold by hand, and providers made as the entry points make them."""

from collections.abc import Mapping, Sequence
from typing import Any

from understage.catalog.providers.registry import installed_providers
from understage.errors import InputError
from understage.platform.http import HttpClient
from understage.sdk import Job, ProvidedEntity, ProviderSetup, Schedule
from understage.sdk.testing import FakeReader


class Recorder:
    """A `ProviderConnection` that keeps what it is told: `given` by reference, `refreshed` in order."""

    def __init__(self) -> None:
        self.given: dict[str, ProvidedEntity] = {}
        self.refreshed: list[str] = []
        self.full = 0

    async def replace_all(self, entities: Sequence[ProvidedEntity]) -> None:
        self.full += 1
        self.given = {ref_of(provided): provided for provided in entities}

    async def apply_delta(self, added: Sequence[ProvidedEntity] = (), removed: Sequence[str] = ()) -> None:
        for ref in removed:
            self.given.pop(ref, None)
        self.given |= {ref_of(provided): provided for provided in added}

    async def refresh(self, keys: Sequence[str]) -> None:
        self.refreshed += keys

    @property
    def targets(self) -> list[str]:
        """The targets of the locations, sorted."""
        return sorted(provided.entity["spec"]["target"] for provided in self.given.values())

    def entity(self, ref: str) -> Any:
        return self.given[ref].entity


def ref_of(provided: ProvidedEntity) -> str:
    entity = provided.entity
    metadata = entity["metadata"]
    return f"{entity['kind']}:{metadata.get('namespace', 'default')}/{metadata['name']}".lower()


class ByHand:
    """A `Scheduler` whose jobs tests run."""

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        self.schedules: dict[str, Schedule] = {}

    def schedule(self, task_id: str, schedule: Schedule, job: Job) -> None:
        if task_id in self.jobs:
            raise InputError(f"two scheduled tasks have the id {task_id}")
        self.jobs[task_id] = job
        self.schedules[task_id] = schedule


class Discovery:
    """The providers of a configuration, connected."""

    def __init__(self, providers: Mapping[str, Any], integrations: Mapping[str, Any] | None = None) -> None:
        self.scheduler = ByHand()
        config = {"catalog": {"providers": providers}, "integrations": integrations or {}}
        setup = ProviderSetup(FakeReader(), HttpClient(), self.scheduler, config)
        self.providers = {provider.name: provider for provider in installed_providers(setup)}
        self.connections = {name: Recorder() for name in self.providers}

    async def connect(self) -> "Discovery":
        for name, provider in self.providers.items():
            await provider.connect(self.connections[name])
        return self

    async def run(self, name: str) -> Recorder:
        """One round of a provider by its schedule."""
        await self.scheduler.jobs[f"{name}:refresh"]()
        return self.connections[name]

    async def send(self, name: str, topic: str, payload: Mapping[str, Any]) -> Recorder:
        """One event for a provider."""
        provider: Any = self.providers[name]
        assert topic in provider.topics
        await provider.on_event(topic, payload, {})
        return self.connections[name]
