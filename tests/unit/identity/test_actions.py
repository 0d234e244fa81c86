"""The registry of actions for other backends: who sees what, and what is said of bad calls."""

from typing import Any

import pytest

from understage.config.backend_settings import BackendActions
from understage.errors import InputError, NotAllowedError, NotFoundError, UnderstageError
from understage.identity.actions import ActionsRegistry, OfferedAction, schema_of
from understage.identity.authorizer import Authorizer
from understage.identity.credentials import Credentials
from understage.identity.permissions import CATALOG_LOCATION_CREATE, Decision, Permission, Query

CALLER = Credentials.user("user:default/ada", "token")
INPUT = schema_of({"name": {"type": "string"}, "size": {"type": "integer", "minimum": 1}}, ["name"])


class Policy:
    def __init__(self, decision: Decision = "ALLOW") -> None:
        self.decision = decision

    async def decide(self, queries: list[Query], credentials: Credentials) -> list[Decision]:
        return [self.decision for _ in queries]

    async def is_allowed(
        self, permission: Permission, credentials: Credentials, resource_ref: str | None = None
    ) -> bool:
        return self.decision == "ALLOW"

    async def require(self, permission: Permission, credentials: Credentials, resource_ref: str | None = None) -> None:
        raise NotImplementedError


async def echo(input: dict[str, Any], credentials: Credentials) -> Any:
    return {"said": input["name"], "by": credentials.user_ref}


async def tell(input: dict[str, Any], secrets: dict[str, Any], _credentials: Credentials) -> Any:
    return {"length": len(secrets["token"])}


def registry(settings: dict[str, Any] | None = None, policy: Authorizer | None = None) -> ActionsRegistry:
    found = ActionsRegistry("shop", BackendActions.model_validate(settings or {}), policy or Policy())
    secrets = schema_of({"token": {"type": "string"}}, ["token"])
    found.register(
        OfferedAction("echo", "Echo", "Says it again.", INPUT, schema_of({}), run=echo, read_only=True),
        OfferedAction("tell", "Tell", "Tells.", schema_of({}), schema_of({}), run_with_secrets=tell, secrets=secrets),
        OfferedAction(
            "hidden", "Hidden", "Is hidden.", INPUT, schema_of({}), run=echo, visible_by=CATALOG_LOCATION_CREATE
        ),
    )
    return found


async def ids(found: ActionsRegistry) -> list[str]:
    return [action["id"] for action in await found.describe(CALLER)]


async def test_actions_are_described_in_the_order_of_registration() -> None:
    [first, second, third] = await registry().describe(CALLER)
    assert first == {
        "id": "shop:echo",
        "name": "echo",
        "title": "Echo",
        "description": "Says it again.",
        "pluginId": "shop",
        "attributes": {"destructive": False, "idempotent": False, "readOnly": True},
        "schema": {"input": INPUT, "output": schema_of({})},
    }
    assert second["attributes"] == {"destructive": True, "idempotent": False, "readOnly": False}
    assert second["schema"]["secrets"]["required"] == ["token"]
    assert third["id"] == "shop:hidden"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"pluginSources": ["other"]}, []),
        ({"pluginSources": ["other", "shop"]}, ["shop:echo", "shop:tell", "shop:hidden"]),
        ({"filter": {"include": [{"id": "shop:e*"}]}}, ["shop:echo"]),
        ({"filter": {"exclude": [{"attributes": {"destructive": True}}]}}, ["shop:echo"]),
        ({"filter": {"include": [{"id": "shop:*"}], "exclude": [{"id": "*:{tell,hidden}"}]}}, ["shop:echo"]),
        ({"filter": {"include": [{"id": "shop:*", "attributes": {"readOnly": True}}]}}, ["shop:echo"]),
        ({"filter": {"include": []}}, ["shop:echo", "shop:tell", "shop:hidden"]),
        ({"pluginSources": []}, []),
    ],
)
async def test_configuration_chooses(settings: dict[str, Any], expected: list[str]) -> None:
    found = registry(settings)
    assert await ids(found) == expected
    for action_id in {"shop:echo", "shop:hidden"} - set(expected):
        with pytest.raises(NotFoundError, match=f'Action "{action_id}" not found'):
            await found.invoke(action_id, {"name": "x"}, None, CALLER)


async def test_what_a_permission_hides_cannot_be_called() -> None:
    found = registry(policy=Policy("DENY"))
    assert await ids(found) == ["shop:echo", "shop:tell"]
    with pytest.raises(NotFoundError, match='Action "shop:hidden" not found'):
        await found.invoke("shop:hidden", {"name": "x"}, None, CALLER)


async def test_the_caller_reaches_the_action_and_unknown_properties_do_not_matter() -> None:
    output = await registry().invoke("shop:echo", {"name": "hello", "more": [1]}, None, CALLER)
    assert output == {"said": "hello", "by": "user:default/ada"}
    assert await registry().invoke("shop:tell", {}, {"token": "12345"}, CALLER) == {"length": 5}


@pytest.mark.parametrize(
    ("action", "input", "secrets", "error", "message"),
    [
        ("nope", {}, None, NotFoundError, 'Action "shop:nope" not found'),
        ("echo", {}, None, InputError, 'Invalid input to action "shop:echo"; caused by ['),
        ("echo", [], None, InputError, "Expected object, received array"),
        ("echo", None, None, InputError, "Expected object, received null"),
        ("echo", {"name": "x", "size": 0}, None, InputError, '"size"'),
        ("echo", {"name": "x"}, {"a": "b"}, InputError, 'Action "shop:echo" does not accept secrets'),
        ("tell", {}, None, InputError, 'Action "shop:tell" requires secrets but none were provided'),
        ("tell", {}, {"a": "b"}, InputError, 'Invalid secrets for action "shop:tell"; caused by ['),
    ],
)
async def test_bad_calls_are_refused(
    action: str, input: Any, secrets: Any, error: type[UnderstageError], message: str
) -> None:
    with pytest.raises(error) as caught:
        await registry().invoke(f"shop:{action}", input, secrets, CALLER)
    assert message in caught.value.message


async def test_a_refusal_names_each_problem() -> None:
    with pytest.raises(InputError) as caught:
        await registry().invoke("shop:echo", {"size": "big"}, None, CALLER)
    cause = caught.value.properties["cause"]
    assert cause["name"] == "ZodError"
    problems = {tuple(issue["path"]): issue["message"] for issue in cause["issues"]}
    assert problems == {("name",): "Required", ("size",): "Expected integer, received string"}


async def test_nobody_in_particular_may_call_nothing() -> None:
    with pytest.raises(NotAllowedError, match="authenticated principal"):
        await registry().invoke("shop:echo", {"name": "x"}, None, Credentials.none())


def test_a_name_is_taken_once() -> None:
    found = registry()
    with pytest.raises(ValueError, match='"shop:echo" is already registered'):
        found.register(OfferedAction("echo", "Echo", "", INPUT, schema_of({}), run=echo))
