"""What the measures ask other plugins, with the credentials of whoever asks: which entities there are, how tasks ended."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from understage.errors import ForeignError, NotAllowedError
from understage.identity.credentials import Credentials
from understage.identity.outgoing import Fetch
from understage.measures.events import Service, Start, parse_time

APPLICATION = "argocd/app-name"
REGISTERING = "catalog:register"
PAGE = 500

HeadersFor = Callable[[str, Credentials], Awaitable[Mapping[str, str]]]
UrlOf = Callable[[str], str]


@dataclass(frozen=True)
class Plugins:
    """Catalog and scaffolder over HTTP. `headers_for` carries a token for a plugin, `url_of` tells where it is."""

    fetch: Fetch
    headers_for: HeadersFor
    url_of: UrlOf
    own_credentials: Credentials

    async def readable(self, credentials: Credentials, filters: Sequence[str]) -> set[str]:
        """References of the entities that satisfy one of the filters (of the catalog's API) and may be read."""
        return {_ref(item) async for item in self._entities(credentials, filters)}

    async def services_by_application(self) -> dict[str, Service]:
        """The component that each Application belongs to, by its annotation."""
        found: dict[str, Service] = {}
        filters = [f"kind=component,metadata.annotations.{APPLICATION}"]
        async for item in self._entities(self.own_credentials, filters):
            names = item["metadata"].get("annotations", {}).get(APPLICATION, "")
            found.update((name.strip(), _ref(item)) for name in str(names).split(","))
        return found

    async def ended_tasks(self, page: int) -> list[dict[str, Any]]:
        """A page of the tasks that completed, the newest first."""
        query = urlencode({"status": "completed", "order": "desc:created_at", "limit": PAGE, "offset": page * PAGE})
        answer = await self._ask("scaffolder", f"/v2/tasks?{query}", self.own_credentials)
        return list(answer["tasks"])

    async def start_of(self, task: Mapping[str, Any]) -> list[Start]:
        """The components that a task put into the catalog: they began when it was created."""
        spec = task.get("spec") or {}
        if not any(step.get("action") == REGISTERING for step in spec.get("steps") or []):
            return []
        events = await self._ask("scaffolder", f"/v2/tasks/{task['id']}/events", self.own_credentials)
        outputs = [event["body"].get("output") or {} for event in events if event["type"] == "completion"]
        refs = {
            str(ref).lower()
            for output in outputs
            for ref in [output.get("entityRef"), *(link.get("entityRef") for link in output.get("links") or [])]
            if ref
        }
        at = parse_time(task["createdAt"], "createdAt of a task")
        return [Start(ref, at, f"task:{task['id']}") for ref in sorted(refs) if ref.startswith("component:")]

    async def _entities(self, credentials: Credentials, filters: Sequence[str]) -> Any:
        query: list[tuple[str, Any]] = [
            ("limit", PAGE),
            ("fields", "kind,metadata.name,metadata.namespace,metadata.annotations"),
            ("orderField", "metadata.uid,asc"),
        ]
        pairs = [*query, *(("filter", text) for text in filters)]
        while True:
            answer = await self._ask("catalog", f"/entities/by-query?{urlencode(pairs)}", credentials)
            for item in answer["items"]:
                yield item
            cursor = answer["pageInfo"].get("nextCursor")
            if cursor is None:
                return
            pairs = [*query[:2], ("cursor", cursor)]

    async def _ask(self, plugin: str, path: str, credentials: Credentials) -> Any:
        headers = await self.headers_for(plugin, credentials)
        answer = await self.fetch(f"{self.url_of(plugin)}{path}", headers=headers)
        if answer.status == 403:
            raise NotAllowedError(f"The {plugin} does not let you read what these measures are about")
        if answer.status != 200:
            raise ForeignError(f"The {plugin} answered {answer.status} to the measures of success")
        return answer.body


def _ref(item: Mapping[str, Any]) -> str:
    metadata = item["metadata"]
    return f"{item['kind']}:{metadata.get('namespace', 'default')}/{metadata['name']}".lower()
