"""`/.backstage/actions/v1` and `/v2`: the endpoints by which other backends list and call a plugin's actions.

Protocol of Backstage backend-defaults 0.18.0: in version 1 the body is the input, in version 2 it is
`{input, secrets?}`. `identity.actions.ActionsRegistry` answers.
"""

from typing import Any, Protocol

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from understage.platform.light_imports import OLD_MODELS, absent
from understage.platform.openapi import OBJECT, STRING, array_of, describe, object_of
from understage.platform.plugin import json_response
from understage.platform.requests import CATALOG_BODY_LIMIT, Body, Member, read_json

PREFIX = "/.backstage/actions"
ACTION = object_of(
    {
        **dict.fromkeys(("id", "name", "title", "description", "pluginId"), STRING),
        "attributes": OBJECT,
        "schema": OBJECT,
    }
)
OUTPUT = object_of({"output": {}})
INPUT = Body({}, required=False)
INPUT_AND_SECRETS = Body({"input": Member("object"), "secrets": Member("object")}, required=False)


class Registry(Protocol):
    """What is served."""

    async def describe(self, credentials: Any) -> list[dict[str, Any]]:
        """The actions that the caller may use."""

    async def invoke(self, action_id: str, input: Any, secrets: Any, credentials: Any) -> Any:
        """The output of one of them."""


@absent(OLD_MODELS)
def create_actions_router(registry: Registry) -> APIRouter:
    """The routes."""
    router = APIRouter()

    @router.get(
        f"{PREFIX}/v1/actions",
        openapi_extra=describe("Actions for other backends", answers={200: object_of({"actions": array_of(ACTION)})}),
    )
    async def list_offered_actions(request: Request) -> Response:
        return json_response({"actions": await registry.describe(request.state.credentials)})

    @router.post(
        f"{PREFIX}/v1/actions/{{action_id}}/invoke",
        openapi_extra=describe("Call an action with the body as input", body=INPUT, answers={200: OUTPUT}),
    )
    async def invoke_action(request: Request, action_id: str) -> Response:
        body = await _read(request)
        return json_response({"output": await registry.invoke(action_id, body, None, request.state.credentials)})

    @router.post(
        f"{PREFIX}/v2/actions/{{action_id}}/invoke",
        openapi_extra=describe(
            "Call an action, with secrets if it takes some", body=INPUT_AND_SECRETS, answers={200: OUTPUT}
        ),
    )
    async def invoke_action_with_secrets(request: Request, action_id: str) -> Response:
        body = await _read(request)
        sent = body if isinstance(body, dict) else {}
        output = await registry.invoke(action_id, sent.get("input"), sent.get("secrets"), request.state.credentials)
        return json_response({"output": output})

    return router


async def _read(request: Request) -> Any:
    body = await read_json(request, limit=CATALOG_BODY_LIMIT)
    return {} if body is None else body
