"""`POST /api/permission/authorize`, over HTTP."""

from collections.abc import Sequence
from typing import Any

import pytest
from fastapi import FastAPI, Request
from tests.portal.issuer import MemoryIssuer
from tests.unit.portal.client import Client

from understage.errors import AuthenticationError
from understage.portal import create_portal
from understage.portal.permission import Authorize, Decision, PermissionQuery

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


async def deny_deletion(queries: Sequence[PermissionQuery], *, credentials: Any) -> Sequence[Decision | list[Decision]]:
    """A policy that shows what it was given: the root may do everything, nobody else may delete a cart."""
    denied = ("catalog.entity.delete", "component:default/cart")
    return [
        "DENY" if (query.permission.name, query.resource_ref) == denied and credentials != "root" else "ALLOW"
        for query in queries
    ]


def permission(*, enabled: bool, authorize: Authorize | None = None) -> Client:
    async def ownership_of(user_ref: str) -> list[str] | None:
        return None

    async def authenticate(request: Request) -> str:
        if request.headers.get("authorization") == "Bearer bad":
            raise AuthenticationError("Illegal token")
        return request.headers.get("authorization", "none").removeprefix("Bearer ")

    app = FastAPI()
    config = {"permission": {"enabled": enabled}}
    portal = create_portal(config, issuer=MemoryIssuer(), ownership_of=ownership_of, authorize=authorize)
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
    root = client.post("/api/permission/authorize", json=question, headers={"Authorization": "Bearer root"})

    assert guest.json() == {"items": [{"id": "2", "result": "DENY"}, {"id": "1", "result": "ALLOW"}]}
    assert root.json() == {"items": [{"id": "2", "result": "ALLOW"}, {"id": "1", "result": "ALLOW"}]}


def test_several_resources_get_several_results() -> None:
    many = {**DELETE, "resourceRef": ["component:default/a", "component:default/b"]}

    answer = permission(enabled=True).post("/api/permission/authorize", json={"items": [many]})

    assert answer.json() == {"items": [{"id": "2", "result": ["ALLOW", "ALLOW"]}]}


def test_a_resource_permission_needs_a_resource() -> None:
    question = {"items": [{key: value for key, value in DELETE.items() if key != "resourceRef"}]}

    answer = permission(enabled=True).post("/api/permission/authorize", json=question)

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


def test_a_bad_token_is_refused() -> None:
    answer = permission(enabled=True).post(
        "/api/permission/authorize", json={"items": [CREATE]}, headers={"Authorization": "Bearer bad"}
    )

    assert answer.status_code == 401
