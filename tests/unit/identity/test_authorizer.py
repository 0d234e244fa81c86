import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from tests.unit.identity.conftest import Installation

from understage.errors import ForeignError, NotAllowedError, ServiceUnavailableError
from understage.identity import permissions as p
from understage.identity import tokens
from understage.identity.authorizer import PermissionAuthorizer
from understage.identity.credentials import AccessRestrictions, Credentials, ServicePrincipal
from understage.identity.outgoing import Answer

ALICE = "user:default/alice"
URL = "http://localhost:7007/api/permission/authorize"
Install = Callable[..., Installation]


class Backend:
    """A permission backend that answers with one result per permission name."""

    def __init__(self, installation: Installation, *, enabled: bool = True) -> None:
        self.results: dict[str, Any] = {}
        self.answer: Answer | None = None
        self.network = installation.network
        self.network.handlers[URL] = self._handle
        self.authorizer = PermissionAuthorizer(
            enabled=enabled,
            issuer=installation.scaffolder,
            discovery=installation.discovery,
            fetch=installation.network,
        )
        self.user = Credentials.user(ALICE, installation.users.issue(ALICE, [])[0])

    async def _handle(self, _headers: Mapping[str, str], json: Any) -> Answer:
        if self.answer is not None:
            return self.answer
        items = [{"id": item["id"], **self.results[item["permission"]["name"]]} for item in json["items"]]
        return Answer(200, {"items": items[::-1]})

    def decide(self, *queries: p.Query, credentials: Credentials | None = None) -> list[p.Decision]:
        return asyncio.run(self.authorizer.decide(queries, credentials or self.user))

    @property
    def asked(self) -> list[tuple[str, str, dict[str, str], Any]]:
        return [request for request in self.network.requests if request[1] == URL]


def test_everything_is_allowed_without_asking_while_permissions_are_off(install: Install) -> None:
    backend = Backend(install(), enabled=False)
    assert backend.decide(p.Query(p.CATALOG_ENTITY_READ), p.Query(p.CATALOG_LOCATION_CREATE)) == ["ALLOW", "ALLOW"]
    assert backend.decide(p.Query(p.CATALOG_ENTITY_READ), credentials=Credentials.none()) == ["ALLOW"]
    assert backend.asked == []


def test_person_is_asked_about_on_their_behalf(install: Install) -> None:
    backend = Backend(install())
    condition = {"rule": "IS_ENTITY_OWNER", "resourceType": "catalog-entity", "params": {"claims": ["group:a/b"]}}
    backend.results = {
        "catalog.entity.read": {
            "result": "CONDITIONAL",
            "pluginId": "catalog",
            "resourceType": "catalog-entity",
            "conditions": {"anyOf": [condition, {"not": {"allOf": [condition]}}]},
        },
        "catalog.location.create": {"result": "DENY"},
        "catalog.entity.delete": {"result": "ALLOW"},
    }
    decisions = backend.decide(
        p.Query(p.CATALOG_ENTITY_READ),
        p.Query(p.CATALOG_LOCATION_CREATE),
        p.Query(p.CATALOG_ENTITY_DELETE, "component:default/a"),
    )
    rule = p.Rule("IS_ENTITY_OWNER", "catalog-entity", {"claims": ["group:a/b"]})
    assert decisions == [
        p.Conditional("catalog", "catalog-entity", p.AnyOf((rule, p.Not(p.AllOf((rule,)))))),
        "DENY",
        "ALLOW",
    ]
    (request,) = backend.asked
    items = request[3]["items"]
    assert [{name: value for name, value in item.items() if name != "id"} for item in items] == [
        {
            "permission": {
                "type": "resource",
                "name": "catalog.entity.read",
                "attributes": {"action": "read"},
                "resourceType": "catalog-entity",
            }
        },
        {"permission": {"type": "basic", "name": "catalog.location.create", "attributes": {"action": "create"}}},
        {
            "permission": {
                "type": "resource",
                "name": "catalog.entity.delete",
                "attributes": {"action": "delete"},
                "resourceType": "catalog-entity",
            },
            "resourceRef": "component:default/a",
        },
    ]
    claims = tokens.read_claims(request[2]["Authorization"].removeprefix("Bearer "))
    assert (claims["sub"], claims["aud"]) == ("scaffolder", "permission")
    assert tokens.read_claims(claims["obo"])["sub"] == ALICE


def test_nobody_is_asked_about_without_a_token(install: Install) -> None:
    backend = Backend(install())
    backend.results = {"catalog.location.read": {"result": "ALLOW"}}
    assert backend.decide(p.Query(p.CATALOG_LOCATION_READ), credentials=Credentials.none()) == ["ALLOW"]
    assert backend.asked[0][2] == {}


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (None, ["ALLOW", "ALLOW", "ALLOW"]),
        (AccessRestrictions(), ["ALLOW", "ALLOW", "ALLOW"]),
        (AccessRestrictions(("catalog.entity.read",)), ["ALLOW", "DENY", "DENY"]),
        (AccessRestrictions((), ("create",)), ["DENY", "ALLOW", "DENY"]),
        (AccessRestrictions(("catalog.location.create",), ("read",)), ["DENY", "DENY", "DENY"]),
    ],
)
def test_service_is_decided_by_its_own_limits(
    install: Install, limits: AccessRestrictions | None, expected: list[str]
) -> None:
    for enabled in (True, False):
        backend = Backend(install(), enabled=enabled)
        queries = [
            p.Query(p.CATALOG_ENTITY_READ),
            p.Query(p.CATALOG_LOCATION_CREATE),
            p.Query(p.CATALOG_LOCATION_ANALYZE),
        ]
        assert backend.decide(*queries, credentials=Credentials(ServicePrincipal("ci", limits))) == expected
        assert backend.asked == []


@pytest.mark.parametrize(
    "conditions",
    [
        *({}, None, [], "x", {"anyOf": []}, {"allOf": [{}]}, {"not": None}, {"rule": "X"}),
        {"rule": "X", "resourceType": "t", "params": "x"},
        {"rule": 5, "resourceType": "t"},
    ],
)
def test_condition_that_is_not_understood_never_means_yes(install: Install, conditions: Any) -> None:
    backend = Backend(install())
    result = {"result": "CONDITIONAL", "pluginId": "catalog", "resourceType": "t", "conditions": conditions}
    backend.results = {"catalog.entity.read": result}
    with pytest.raises(ForeignError, match="not understood"):
        backend.decide(p.Query(p.CATALOG_ENTITY_READ))


def test_endless_conditions_are_refused() -> None:
    conditions: Any = {"rule": "X", "resourceType": "t"}
    for _ in range(1000):
        conditions = {"not": conditions}
    with pytest.raises(ForeignError, match="nested deeper"):
        p.parse_criteria(conditions)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Answer(200, {"items": []}), "does not match the request"),
        (Answer(200, {"items": [{"id": "other", "result": "ALLOW"}]}), "does not match the request"),
        (Answer(200, None), "does not match the request"),
        (Answer(403, {"error": {"message": "no"}}), "answered 403: no"),
        (Answer(502, "<html>"), "answered 502$"),
    ],
)
def test_failing_permission_backend_allows_nothing(install: Install, answer: Answer, message: str) -> None:
    backend = Backend(install())
    backend.answer = answer
    with pytest.raises(ForeignError, match=message):
        backend.decide(p.Query(p.CATALOG_ENTITY_READ))
    del backend.network.handlers[URL]
    with pytest.raises(ServiceUnavailableError):
        backend.decide(p.Query(p.CATALOG_ENTITY_READ))


def test_unknown_decision_is_no_permission(install: Install) -> None:
    backend = Backend(install())
    backend.results = {"catalog.entity.read": {"result": "MAYBE"}}
    with pytest.raises(ForeignError, match="not understood"):
        backend.decide(p.Query(p.CATALOG_ENTITY_READ))


def test_denied_operation_fails_with_the_stock_empty_message(install: Install) -> None:
    backend = Backend(install())
    condition = {"rule": "X", "resourceType": "catalog-entity"}
    backend.results = {
        "catalog.entity.validate": {"result": "DENY"},
        "catalog.entity.create": {"result": "ALLOW"},
        "catalog.entity.refresh": {
            "result": "CONDITIONAL",
            "pluginId": "catalog",
            "resourceType": "catalog-entity",
            "conditions": condition,
        },
    }
    asyncio.run(backend.authorizer.require(p.CATALOG_ENTITY_CREATE, backend.user))
    for permission in (p.CATALOG_ENTITY_VALIDATE, p.CATALOG_ENTITY_REFRESH):
        with pytest.raises(NotAllowedError) as caught:
            asyncio.run(backend.authorizer.require(permission, backend.user))
        assert str(caught.value) == ""


def test_condition_tree_is_evaluated() -> None:
    def rule(name: str) -> p.Rule:
        return p.Rule(name, "t", {})

    tree = p.AllOf((p.AnyOf((rule("no"), rule("yes"))), p.Not(rule("no"))))
    assert p.holds(tree, lambda leaf: leaf.rule == "yes")
    assert not p.holds(tree, lambda leaf: leaf.rule == "no")
    assert [leaf.rule for leaf in p.rules_of(tree)] == ["no", "yes", "no"]


def test_permissions_are_listed_in_the_order_of_the_stock_metadata() -> None:
    assert [permission.name for permission in p.SCAFFOLDER_PERMISSIONS] == [
        "scaffolder.template.dry-run",
        "scaffolder.template.parameter.read",
        "scaffolder.template.step.read",
        "scaffolder.action.execute",
        "scaffolder.task.cancel",
        "scaffolder.task.create",
        "scaffolder.task.read",
        "scaffolder.template.management",
    ]
    assert p.SCAFFOLDER_TASK_CANCEL.to_wire() == {
        "type": "resource",
        "name": "scaffolder.task.cancel",
        "attributes": {},
        "resourceType": "scaffolder-task",
    }
