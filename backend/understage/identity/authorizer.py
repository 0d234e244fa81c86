"""What a caller may do: asked by the API edges before every operation.

Services are decided here, by the restrictions of their token; people by the permission backend, asked over HTTP with a
plugin token on their behalf. While `permission.enabled` is false, everything is allowed without asking.
"""

import uuid
from collections.abc import Sequence
from typing import Any, Literal, Protocol

from understage.errors import ForeignError, NotAllowedError
from understage.identity.credentials import AccessRestrictions, Credentials, NonePrincipal, ServicePrincipal
from understage.identity.discovery import Discovery
from understage.identity.issuing import PluginTokenIssuer
from understage.identity.outgoing import Fetch
from understage.identity.permissions import Conditional, Decision, Permission, Query, parse_criteria

PLUGIN = "permission"


class Authorizer(Protocol):
    """Decides for a caller."""

    async def decide(self, queries: Sequence[Query], credentials: Credentials) -> list[Decision]:
        """A decision for each query, in order; conditional where the plugin must look at the resource itself."""
        ...

    async def is_allowed(
        self, permission: Permission, credentials: Credentials, resource_ref: str | None = None
    ) -> bool:
        """Whether the caller holds the permission, for the resource if it is about one."""
        ...

    async def require(self, permission: Permission, credentials: Credentials, resource_ref: str | None = None) -> None:
        """Raises NotAllowedError with an empty message, as the stock backend does, unless `is_allowed`."""
        ...


class PermissionAuthorizer:
    """The authorizer of one plugin."""

    def __init__(self, *, enabled: bool, issuer: PluginTokenIssuer, discovery: Discovery, fetch: Fetch) -> None:
        self._enabled = enabled
        self._issuer = issuer
        self._discovery = discovery
        self._fetch = fetch

    async def decide(self, queries: Sequence[Query], credentials: Credentials) -> list[Decision]:
        """As the protocol says. Raises ForeignError when the permission backend fails: no answer is no permission."""
        if isinstance(credentials.principal, ServicePrincipal):
            limits = credentials.principal.access_restrictions
            return [_decide_service(query.permission, limits) for query in queries]
        if not self._enabled or not queries:
            return ["ALLOW"] * len(queries)
        return await self._ask(queries, credentials)

    async def is_allowed(
        self, permission: Permission, credentials: Credentials, resource_ref: str | None = None
    ) -> bool:
        """As the protocol says; a condition about an unnamed resource is no permission."""
        (decision,) = await self.decide([Query(permission, resource_ref)], credentials)
        return decision == "ALLOW"

    async def require(self, permission: Permission, credentials: Credentials, resource_ref: str | None = None) -> None:
        """As the protocol says."""
        if not await self.is_allowed(permission, credentials, resource_ref):
            raise NotAllowedError("")

    async def _ask(self, queries: Sequence[Query], credentials: Credentials) -> list[Decision]:
        items = [_to_item(query) for query in queries]
        is_nobody = isinstance(credentials.principal, NonePrincipal)
        headers = {} if is_nobody else await self._issuer.headers(PLUGIN, credentials)
        url = f"{self._discovery.internal(PLUGIN)}/authorize"
        answer = await self._fetch(url, method="POST", headers=headers, json={"items": items})
        if answer.status != 200:
            raise ForeignError(f"The permission backend at {url} answered {answer.status}{_reason(answer.body)}")
        return _read_decisions([item["id"] for item in items], answer.body)


def _decide_service(permission: Permission, limits: AccessRestrictions | None) -> Literal["ALLOW", "DENY"]:
    if limits is None:
        return "ALLOW"
    if limits.permission_names and permission.name not in limits.permission_names:
        return "DENY"
    if limits.actions and permission.action not in limits.actions:
        return "DENY"
    return "ALLOW"


def _to_item(query: Query) -> dict[str, Any]:
    item: dict[str, Any] = {"id": str(uuid.uuid4()), "permission": query.permission.to_wire()}
    return item if query.resource_ref is None else {**item, "resourceRef": query.resource_ref}


def _read_decisions(ids: Sequence[str], body: Any) -> list[Decision]:
    items = body.get("items") if isinstance(body, dict) else None
    by_id = {item.get("id"): item for item in items if isinstance(item, dict)} if isinstance(items, list) else {}
    if set(by_id) != set(ids) or len(items or ()) != len(ids):
        raise ForeignError("The permission backend's answer does not match the request")
    return [_read_decision(by_id[id_]) for id_ in ids]


def _read_decision(item: dict[str, Any]) -> Decision:
    match item:
        case {"result": "ALLOW"}:
            return "ALLOW"
        case {"result": "DENY"}:
            return "DENY"
        case {"result": "CONDITIONAL", "pluginId": str(plugin), "resourceType": str(kind), "conditions": conditions}:
            return Conditional(plugin, kind, parse_criteria(conditions))
    raise ForeignError("The permission backend answered with a decision that is not understood")


def _reason(body: Any) -> str:
    error = body.get("error") if isinstance(body, dict) else None
    message = error.get("message") if isinstance(error, dict) else None
    return f": {message}" if message else ""
