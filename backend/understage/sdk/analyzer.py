"""A location analyzer: finds the catalog files that a repository has, for the import page.

    class WikiAnalyzer:
        def __init__(self, setup: AnalyzerSetup) -> None:
            self.http = setup.http

        def supports(self, url: str) -> bool:
            return url.startswith("https://wiki.example.com/")

        async def analyze(self, url: str, trial: Trial) -> Sequence[ExistingFile]:
            return await trial.register(f"{url}/catalog-info.yaml")

The entry point group `understage.analyzers` names the class, or a function; it is called with one argument, an `AnalyzerSetup`.
The first analyzer that supports a URL is asked. When it finds nothing, a component is proposed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from understage.model.entity import Entity
from understage.model.ref import LocationRef
from understage.sdk.ports import Http


@dataclass(frozen=True)
class AnalyzerSetup:
    """What an analyzer gets when it is made: a way to ask the configured hosts, and the merged app-config as plain data."""

    http: Http
    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ExistingFile:
    """One entity that a catalog file holds, where the file is, and whether its location is registered."""

    location: LocationRef
    is_registered: bool
    entity: Entity


class Trial(Protocol):
    """Tries what registering would give; nothing is stored."""

    async def register(self, target: str) -> Sequence[ExistingFile]:
        """The entities that registering a URL would give. Raises what registering it would raise."""


class LocationAnalyzer(Protocol):
    """Looks for catalog files."""

    def supports(self, url: str) -> bool:
        """Whether the URL is one that this analyzer knows to look into."""

    async def analyze(self, url: str, trial: Trial) -> Sequence[ExistingFile]:
        """What is there; nothing, when no catalog file is. Raises ForeignError when the host does not answer."""
