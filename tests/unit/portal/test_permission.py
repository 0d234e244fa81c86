"""`POST /api/permission/authorize`, over HTTP."""

from collections.abc import Sequence
from typing import Any

import pytest
from fastapi import FastAPI, Request
from tests.portal.issuer import MemoryIssuer
from tests.unit.portal.client import Client

from understage.identity.credentials import Credentials, UserPrincipal
from understage.portal import create_portal
from understage.portal.permission import Authorize, Decision, PermissionQuery

CALLERS = {
    "nobody": Credentials.none(),
    "root": Credentials.user("user:default/root"),
    "plugin": Credentials.service("plugin:catalog"),
    "plugin for root": Credentials(UserPrincipal("user:default/root", actor="plugin:catalog")),
}
CREATE = {
    "id": "1",
    "permission": {"type": "basic", "name": "catalog.entity.create", "attributes": {"action": "create"}},
}
DELETE = {
    "id": "2",
    "permission": {
        "type": "resource",
        "name": "catalog.entity.delete",
        "attributes": {"action": "delete"},
        "resourceType": "catalog-entity",
    },
    "resourceRef": "component:default/cart",
}


async def deny_deletion(
    queries: Sequence[PermissionQuery], *, credentials: Credentials
) -> Sequence[Decision | list[Decision]]:
    """A policy that shows what it was given: the root may do everything, nobody else may delete a cart."""
    denied = ("catalog.entity.delete", "component:default/cart")
    return [
        "DENY"
        if (query.permission.name, query.resource_ref) == denied and credentials.user_ref != "user:default/root"
        else "ALLOW"
        for query in queries
    ]


def permission(*, enabled: bool, authorize: Authorize | None = None) -> Client:
    async def ownership_of(user_ref: str) -> list[str] | None:
        return None

    async def authenticate(request: Request) -> Credentials:
        return CALLERS[request.headers.get("caller", "nobody")]

    app = FastAPI()
    config = {"permission": {"enabled": enabled}}
    portal = create_portal(
        config, issuer=MemoryIssuer(), ownership_of=ownership_of, authorize=authorize, development=True
    )
    portal.mount(app, authenticate=authenticate)
    return Client(app)


@pytest.mark.parametrize(("enabled", "authorize"), [(False, None), (False, deny_deletion), (True, None)])
def test_everything_is_allowed_without_a_policy_or_with_permissions_off(
    enabled: bool, authorize: Authorize | None
) -> None:
    answer = permission(enabled=enabled, authorize=authorize).post(
        "/api/permission/authorize", json={"items": [CREATE, DELETE]}
    )

    assert answer.json() == {"items": [{"id": "1", "result": "ALLOW"}, {"id": "2", "result": "ALLOW"}]}


def test_a_policy_decides_by_permission_resource_and_caller() -> None:
    client = permission(enabled=True, authorize=deny_deletion)
    question = {"items": [DELETE, CREATE]}

    guest = client.post("/api/permission/authorize", json=question)
    root = client.post("/api/permission/authorize", json=question, headers={"caller": "root"})

    assert guest.json() == {"items": [{"id": "2", "result": "DENY"}, {"id": "1", "result": "ALLOW"}]}
    assert root.json() == {"items": [{"id": "2", "result": "ALLOW"}, {"id": "1", "result": "ALLOW"}]}


def test_several_resources_get_several_results() -> None:
    many = {**DELETE, "resourceRef": ["component:default/a", "component:default/b"]}

    answer = permission(enabled=True).post("/api/permission/authorize", json={"items": [many]})

    assert answer.json() == {"items": [{"id": "2", "result": ["ALLOW", "ALLOW"]}]}


def test_only_a_plugin_may_ask_without_naming_the_resource() -> None:
    question = {"items": [{key: value for key, value in DELETE.items() if key != "resourceRef"}]}
    client = permission(enabled=True)

    answer = client.post("/api/permission/authorize", json=question, headers={"caller": "root"})
    for_root = client.post("/api/permission/authorize", json=question, headers={"caller": "plugin for root"})

    assert for_root.json() == {"items": [{"id": "2", "result": "ALLOW"}]}
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == (
        "Resource permissions require a resourceRef to be set. Direct user requests without a resourceRef are not "
        "allowed."
    )


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({}, "items"),
        ({"items": "x"}, "items"),
        ({"items": [{"id": "1"}]}, "items.0.permission"),
        ({"items": [{**CREATE, "id": 1}]}, "items.0.id"),
        ([], "the body"),
    ],
)
def test_a_malformed_question_is_refused_and_the_place_is_named(body: Any, where: str) -> None:
    answer = permission(enabled=True).post("/api/permission/authorize", json=body)

    assert answer.status_code == 400
    assert answer.json()["error"]["name"] == "InputError"
    assert where in answer.json()["error"]["message"]


def test_services_do_not_ask() -> None:
    answer = permission(enabled=True).post(
        "/api/permission/authorize", json={"items": [CREATE]}, headers={"caller": "plugin"}
    )

    assert answer.status_code == 403
    assert answer.json()["error"]["message"] == "This endpoint does not allow 'service' credentials"
