"""`POST /api/permission/authorize` for standalone mode, as plugin-permission-backend 0.7 answers it.

The stock page asks it which buttons to show, if `permission.enabled` is true. The decision is not made here.
"""

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, Literal, Protocol

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from understage.errors import InputError
from understage.identity.credentials import Credentials, UserPrincipal
from understage.platform.requests import read_json

Decision = Literal["ALLOW", "DENY"]


class Permission(BaseModel):
    """The permission asked for, for example `catalog.entity.delete`."""

    model_config = ConfigDict(extra="ignore")

    type: Literal["basic", "resource"] = "basic"
    name: str
    attributes: dict[str, Any] = Field(default_factory=dict)
    resource_type: str | None = Field(default=None, alias="resourceType")


class PermissionQuery(BaseModel):
    """One question of the page: may the caller do this, to this resource?"""

    model_config = ConfigDict(extra="ignore")

    id: str
    permission: Permission
    resource_ref: str | list[str] | None = Field(default=None, alias="resourceRef")

    @property
    def names_no_resource(self) -> bool:
        """Whether it is about resources without saying which."""
        return self.permission.type == "resource" and not self.resource_ref


class _Questions(BaseModel):
    items: list[PermissionQuery]


class Authorize(Protocol):
    """Decides about a batch of questions."""

    def __call__(
        self, queries: Sequence[PermissionQuery], *, credentials: Credentials
    ) -> Awaitable[Sequence[Decision | list[Decision]]]:
        """Return one decision for each query, in order; a list of them where `resource_ref` is a list.

        `credentials` are those of a person, or of nobody.
        """
        ...


async def allow_everything(
    queries: Sequence[PermissionQuery], *, credentials: Credentials
) -> Sequence[Decision | list[Decision]]:
    """What holds without a permission policy, and whenever `permission.enabled` is false."""
    return [
        ["ALLOW"] * len(query.resource_ref) if isinstance(query.resource_ref, list) else "ALLOW" for query in queries
    ]


def create_permission_router(config: Mapping[str, Any], authorize: Authorize | None) -> APIRouter:
    """The routes below `/api/permission`; without `authorize` everything is allowed."""
    permission = config.get("permission")
    enabled = isinstance(permission, Mapping) and permission.get("enabled") is True
    decide: Authorize = authorize if enabled and authorize else allow_everything
    router = APIRouter()

    @router.post("/authorize")
    async def answer(request: Request) -> dict[str, Any]:
        credentials: Credentials = request.state.credentials.require("user", "none")
        queries = _parse_queries(await read_json(request))
        if _is_direct(credentials) and any(query.names_no_resource for query in queries):
            raise InputError(
                "Resource permissions require a resourceRef to be set. Direct user requests without a resourceRef are "
                "not allowed."
            )
        decisions = await decide(queries, credentials=credentials)
        pairs = zip(queries, decisions, strict=True)
        return {"items": [{"id": query.id, "result": decision} for query, decision in pairs]}

    return router


def _parse_queries(body: Any) -> list[PermissionQuery]:
    try:
        return _Questions.model_validate(body).items
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in problem["loc"]) or "the body"
        raise InputError(f"Invalid authorize request: {where}: {problem['msg']}") from error


def _is_direct(credentials: Credentials) -> bool:
    """Whether no service asks on behalf of the caller: only services can handle decisions about unnamed resources."""
    return not isinstance(credentials.principal, UserPrincipal) or credentials.principal.actor is None
