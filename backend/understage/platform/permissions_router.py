"""`/.well-known/backstage/permissions/…`: what may be permitted in a plugin, and whether its resources satisfy conditions.

The permission backend asks here when a policy answers with conditions about a resource that is named
(Backstage permission-node 0.11.4). `identity.conditions.ResourceConditions` answers.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from understage.platform.openapi import OBJECT, STRING, any_of, array_of, describe, object_of
from understage.platform.plugin import json_response
from understage.platform.requests import Body, Member, check_body, read_required_json

PATH = "/.well-known/backstage/permissions"
QUESTION = {
    "resourceType": Member("string", required=True),
    "conditions": Member("object", required=True),
    "id": Member("string", required=True),
}
QUESTIONS = Body({"items": Member("array", required=True, items="object", members=QUESTION)})
METADATA = object_of({"permissions": array_of(OBJECT), "rules": array_of(OBJECT)})
DECISIONS = object_of({"items": array_of(object_of({"id": STRING, "result": any_of(STRING, array_of(STRING))}))})


class Conditions(Protocol):
    """What is served."""

    def describe(self) -> dict[str, Any]:
        """`{permissions, rules}`."""

    def require_service(self, credentials: Any) -> None:
        """Raises NotAllowedError unless a backend asks."""

    async def decide(self, questions: Sequence[dict[str, Any]]) -> list[str | list[str]]:
        """ALLOW or DENY for each question, or a list of them where it is about a list of resources."""


def create_permissions_router(conditions: Conditions) -> APIRouter:
    """The routes."""
    router = APIRouter()

    @router.get(
        f"{PATH}/metadata", openapi_extra=describe("Permissions, and rules for conditions", answers={200: METADATA})
    )
    async def get_metadata(_request: Request) -> Response:
        return json_response(conditions.describe())

    @router.post(
        f"{PATH}/apply-conditions",
        openapi_extra=describe("Whether resources satisfy conditions", body=QUESTIONS, answers={200: DECISIONS}),
    )
    async def apply_conditions(request: Request) -> Response:
        conditions.require_service(request.state.credentials)
        questions: list[dict[str, Any]] = check_body(await read_required_json(request), QUESTIONS.members)["items"]
        results = await conditions.decide(questions)
        items = [{"id": asked["id"], "result": result} for asked, result in zip(questions, results, strict=True)]
        return json_response({"items": items})

    return router
