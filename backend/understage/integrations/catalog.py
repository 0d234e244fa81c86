"""The port `Catalog`: the catalog's HTTP interface, with the credentials of whoever started the task.

Endpoints as in Backstage catalog-backend 4.0.0; the catalog may be this service's own or that of another backend.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote

from understage.errors import (
    AuthenticationError,
    ConflictError,
    ForeignError,
    InputError,
    NotAllowedError,
    NotFoundError,
)

TokenOf = Callable[[], Awaitable[str | None]]


class Answer(Protocol):
    """What a service answered; `body` is parsed JSON, None where it was none."""

    @property
    def status(self) -> int:
        """The status code."""

    @property
    def body(self) -> Any:
        """The JSON body."""


class Fetch(Protocol):
    """Makes a JSON request, following the rules for outgoing requests; raises UnderstageError when nobody answers.

    The service hands requests to itself over without a socket.
    """

    async def __call__(
        self, url: str, *, method: str = "GET", headers: Mapping[str, str] | None = None, json: Any = None
    ) -> Answer:
        """The answer, whatever its status."""


_CHUNK = 500
_UNKNOWN = (
    "It looks for our keys where its discovery places this plugin; commands, whose keys are nowhere, need a token of it in "
    "`understage.commands.token`"
)
_REFUSALS = {400: InputError, 401: AuthenticationError, 403: NotAllowedError, 404: NotFoundError, 409: ConflictError}


@dataclass(frozen=True)
class HttpCatalog:
    """Implements `understage.sdk.Catalog`.

    `base_url` is the plugin's, e.g. `http://localhost:7007/api/catalog`. `token_of` mints a token for each call, addressed to the
    catalog on behalf of the task's initiator; None sends none.
    """

    fetch: Fetch
    base_url: str
    token_of: TokenOf

    async def get_entities(self, refs: Sequence[str]) -> list[dict[str, Any] | None]:
        """Entities in the order of `refs`; None where absent or not readable."""
        found: list[dict[str, Any] | None] = []
        for start in range(0, len(refs), _CHUNK):
            chunk = list(refs[start : start + _CHUNK])
            answer = await self._post("/entities/by-refs", {"entityRefs": chunk}, "reading entities")
            found += _items(answer, len(chunk))
        return found

    async def existing(self, refs: Sequence[str]) -> set[str]:
        """Which of these references are there and readable; the entities themselves are not sent."""
        found: set[str] = set()
        for start in range(0, len(refs), _CHUNK):
            chunk = list(refs[start : start + _CHUNK])
            answer = await self._post(
                "/entities/by-refs", {"entityRefs": chunk, "fields": ["kind"]}, "looking up references"
            )
            found.update(ref for ref, item in zip(chunk, _items(answer, len(chunk)), strict=True) if item is not None)
        return found

    async def add_location(self, target: str, *, dry_run: bool = False) -> dict[str, Any]:
        """Register a `url` location: `{location, entities, exists?}`. Raises ConflictError when it is registered already."""
        query = "?dryRun=true" if dry_run else ""
        return await self._post(f"/locations{query}", {"type": "url", "target": target}, f"registering {target}")

    async def remove_location(self, target: str) -> bool:
        """Unregister a `url` location; False when it is not registered."""
        known = (await self._ask("GET", "/locations", None, "reading locations")).body
        entries = [entry.get("data") for entry in known if isinstance(entry, dict)] if isinstance(known, list) else []
        found = [entry for entry in entries if entry and (entry.get("type"), entry.get("target")) == ("url", target)]
        for entry in found:
            await self._ask("DELETE", f"/locations/{quote(str(entry['id']), safe='')}", None, f"unregistering {target}")
        return bool(found)

    async def _ask(self, method: str, path: str, body: dict[str, Any] | None, doing: str) -> Answer:
        token = await self.token_of()
        answer = await self.fetch(
            f"{self.base_url.rstrip('/')}{path}",
            method=method,
            headers={"Authorization": f"Bearer {token}"} if token else None,
            json=body,
        )
        if answer.status >= 300:
            raise _refusal(answer, doing)
        return answer

    async def _post(self, path: str, body: dict[str, Any], doing: str) -> dict[str, Any]:
        found = (await self._ask("POST", path, body, doing)).body
        if not isinstance(found, dict):
            raise ForeignError(f"The catalog failed at {doing}: its answer is no object")
        return found


def _items(answer: dict[str, Any], count: int) -> list[dict[str, Any] | None]:
    items = answer.get("items")
    if not isinstance(items, list) or len(items) != count:
        raise ForeignError("The catalog answered another number of entities than was asked for")
    return items


def _refusal(answer: Answer, doing: str) -> Exception:
    try:
        message = str(answer.body["error"]["message"])
    except (KeyError, TypeError):
        message = f"status {answer.status}"
    if answer.status == 401:
        message += f". {_UNKNOWN}"
    return _REFUSALS.get(answer.status, ForeignError)(f"The catalog refused {doing}: {message}")
