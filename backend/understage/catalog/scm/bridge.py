"""From the event bus to the catalog: events of forges become those of `scm.event`, and who acts on them is told.

Made by `CatalogEngine`. An event that nobody vouches for may only make files be read again: whoever can reach the service
could have sent it, and shall not unregister anything.
"""

from collections.abc import Awaitable, Callable, Sequence

from opentelemetry import metrics

from understage.catalog.scm import bitbucket_cloud, gitea, gitlab
from understage.catalog.scm.event import Analyze, ScmEvent
from understage.catalog.scm.github import GithubAnalyzer, ReadCommit
from understage.errors import InputError
from understage.platform.event_bus import Event, EventBus

_meter = metrics.get_meter("understage.catalog")

messages = _meter.create_counter(
    "catalog.events.scm.messages", description="Events of forges that the catalog was told of, by type"
)
actions = _meter.create_counter(
    "catalog.events.scm.actions", description="What the catalog did about events of forges, by action"
)

Act = Callable[[Sequence[ScmEvent]], Awaitable[None]]
HARMLESS = frozenset(("location.updated", "repository.updated", "location.created", "repository.created"))


def count_action(action: str, count: int) -> None:
    """Count what was done: `refresh`, `create`, `delete` or `move`."""
    if count:
        actions.add(count, {"action": action})


class ScmBridge:
    """Listens on the bus. `actors` are called one after the other, in their order, each in transactions of its own."""

    def __init__(self, actors: Sequence[Act], read_commit: ReadCommit | None = None) -> None:
        github = GithubAnalyzer(read_commit)
        self._actors = actors
        self._analyzers: dict[str, Analyze] = {
            "github.push": github.push,
            "github.repository": github.repository,
            "gitlab.push": gitlab.analyze_push,
            "gitlab.repository_update": gitlab.analyze_repository,
            "gitea.push": gitea.analyze_push,
            "gitea.repository": gitea.analyze_repository,
            "bitbucketCloud.repo:push": bitbucket_cloud.analyze_push,
            "bitbucketCloud.repo:updated": bitbucket_cloud.analyze_update,
            "bitbucketCloud.repo:transfer": bitbucket_cloud.analyze_update,
            "bitbucketCloud.repo:deleted": bitbucket_cloud.analyze_deletion,
        }

    def listen(self, bus: EventBus) -> None:
        """Start listening."""
        if self._actors:
            bus.subscribe(self._analyzers, self._take)

    async def _take(self, event: Event) -> None:
        if not isinstance(event.payload, dict):
            raise InputError("the payload is no object")
        found = await self._analyzers[event.topic](event.payload)
        for each in found:
            messages.add(1, {"eventType": each.type.partition(".")[0]})
        believed = found if event.is_trusted else [each for each in found if each.type in HARMLESS]
        if believed:
            for act in self._actors:
                await act(believed)
