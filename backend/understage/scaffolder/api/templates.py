"""What the form and the reference pages ask: `…/parameter-schema`, `/v2/actions`, `/v2/templating-extensions`, autocomplete."""

from fastapi import APIRouter, Request, Response

from understage.identity.audit import Auditor
from understage.model.ref import EntityRef
from understage.platform.openapi import OBJECT, STRING, array_of, describe, object_of
from understage.platform.plugin import json_response
from understage.platform.requests import SCAFFOLDER_BODY_LIMIT, Body, Member, check_body, parse_query, read_json
from understage.scaffolder.assembly import Assembly

FORM = object_of({"title": STRING, "steps": array_of(OBJECT)}, {"description": STRING})
SUGGEST_BODY = Body(
    {"context": Member("object", required=True, values="string"), "token": Member("string", required=True)}
)
SUGGESTIONS = object_of({"results": array_of(OBJECT)})


def create_template_router(assembly: Assembly, auditor: Auditor) -> APIRouter:
    """The routes."""
    router = APIRouter()

    @router.get(
        "/v2/templates/{namespace}/{kind}/{name}/parameter-schema",
        openapi_extra=describe("The form of a template", answers={200: FORM}),
    )
    async def get_parameter_schema(request: Request, namespace: str, kind: str, name: str) -> Response:
        parse_query(request, {})
        credentials = request.state.credentials
        ref = EntityRef(kind, namespace, name)
        meta = {"templateRef": str(ref)}
        with auditor.event("template-parameter-schema", credentials=credentials, meta=meta):
            visible = await assembly.templates.get(ref, credentials)
        return json_response(visible.parameter_schema())

    @router.get("/v2/actions", openapi_extra=describe("All actions", answers={200: array_of(OBJECT)}))
    async def list_actions(request: Request) -> Response:
        parse_query(request, {})
        credentials = request.state.credentials
        with auditor.event("action-fetch", credentials=credentials):
            return json_response(await assembly.actions.describe(credentials))

    @router.get(
        "/v2/templating-extensions", openapi_extra=describe("Filters and globals of templates", answers={200: OBJECT})
    )
    async def list_extensions(request: Request) -> Response:
        parse_query(request, {})
        return json_response(assembly.templating_extensions)

    @router.post(
        "/v2/autocomplete/{provider}/{resource}",
        openapi_extra=describe("Suggest values for a field", body=SUGGEST_BODY, answers={200: SUGGESTIONS}),
    )
    async def suggest(request: Request, provider: str, resource: str) -> Response:
        parse_query(request, {})
        body = check_body(await read_json(request, limit=SCAFFOLDER_BODY_LIMIT), SUGGEST_BODY.members)
        results = await assembly.autocomplete.suggest(provider, resource, body["token"], body["context"])
        return json_response({"results": results})

    return router
