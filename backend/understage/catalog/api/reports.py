"""`/understage/v1/…`: what is wrong with files and entities, for their owners. The stock backend has nothing like it.

Who may read an entity may read its report; of an entity that was never admitted, who could read it as it came in.
"""

import base64
from typing import Any

from fastapi import APIRouter, Request, Response

from understage.catalog.access import Access
from understage.catalog.api.answers import answer_with_etag
from understage.catalog.predicate import Predicate, equals
from understage.catalog.query.reports import OUTCOMES, Report, find_reports, list_reports, summarize_reports
from understage.catalog.service import CatalogService
from understage.catalog.store.select_reports import Outcome, ReportQuery
from understage.errors import InputError, NotFoundError
from understage.identity.permissions import CATALOG_LOCATION_READ
from understage.model.ref import EntityRef
from understage.platform.database import Database
from understage.platform.json import dumps
from understage.platform.openapi import OBJECT, STRING, array_of, describe, object_of
from understage.platform.requests import Parameter, parse_query

PATH = "/understage/v1"
DEFAULT_LIMIT = 100
MOST = 1000
PUBLIC = ("entityRef", "location", "sources", "outcome", "lastReadAt", "nextReadAt")
"""What a report tells of a location to those who may list locations and may not read its entity."""
PAGE = {"limit": Parameter("integer", minimum=1), "cursor": Parameter()}
FILTERS = {
    "outcome": Parameter("list", choices=OUTCOMES),
    "location": Parameter(),
    "owner": Parameter(),
    "below": Parameter(),
}


REPORT_PARAMETERS = {**PAGE, **FILTERS}
REPORTS = object_of({"items": array_of(OBJECT), "pageInfo": object_of({}, {"nextCursor": STRING})})


def create_reports_router(database: Database, access: Access, service: CatalogService) -> APIRouter:
    """The routes."""
    router = APIRouter()

    @router.get(
        f"{PATH}/reports",
        openapi_extra=describe("What is wrong with entities", query=REPORT_PARAMETERS, answers={200: REPORTS}),
    )
    async def get_reports(request: Request) -> Response:
        query = parse_query(request, REPORT_PARAMETERS)
        wanted = ReportQuery(
            outcomes=_outcomes(query.get("outcome", [])),
            location=query.get("location"),
            below=query["below"].lower() if "below" in query else None,
            after=_decode(query.get("cursor")),
        )
        readable = await access.readable(request.state.credentials)
        async with database.read() as connection:
            page = await list_reports(
                connection, wanted, readable=readable, owned=_owned(query.get("owner")), limit=_limit(query)
            )
        return _answer_page(request, page.items, page.after)

    @router.get(
        f"{PATH}/reports/by-entity/{{kind}}/{{namespace}}/{{name}}",
        openapi_extra=describe("What is wrong with an entity", answers={200: OBJECT}),
    )
    async def get_report(request: Request, kind: str, namespace: str, name: str) -> Response:
        parse_query(request, {})
        ref = f"{kind}:{namespace}/{name}".lower()
        readable = await access.readable(request.state.credentials)
        async with database.read() as connection:
            found = await find_reports(connection, [ref], readable=readable)
        if ref not in found:
            raise NotFoundError(f"No entity named '{name}' found, with kind '{kind}' in namespace '{namespace}'")
        return answer_with_etag(request, dumps(found[ref]))

    @router.get(
        f"{PATH}/locations", openapi_extra=describe("How locations are doing", query=PAGE, answers={200: REPORTS})
    )
    async def get_location_reports(request: Request) -> Response:
        query = parse_query(request, PAGE)
        if not await access.is_allowed(request.state.credentials, CATALOG_LOCATION_READ):
            return _answer_page(request, [], None)
        readable = await access.readable(request.state.credentials)
        ids = {location.entity_ref: location.id for location in await service.list_locations()}
        wanted = ReportQuery(roots=True, after=_decode(query.get("cursor")))
        async with database.read() as connection:
            page = await list_reports(connection, wanted, readable=None, owned=None, limit=_limit(query))
            told = await find_reports(connection, [report["entityRef"] for report in page.items], readable=readable)
        items = [{"id": ids.get(report["entityRef"]), **_limited(report, told)} for report in page.items]
        return _answer_page(request, items, page.after)

    @router.get(
        f"{PATH}/locations/{{location_id}}/report",
        openapi_extra=describe("What is wrong with what a location leads to", answers={200: OBJECT}),
    )
    async def get_location_report(request: Request, location_id: str) -> Response:
        parse_query(request, {})
        if not await access.is_allowed(request.state.credentials, CATALOG_LOCATION_READ):
            raise NotFoundError(f"Found no location with ID {location_id}")
        location = await service.get_location(location_id)
        readable = await access.readable(request.state.credentials)
        ref = location.entity_ref
        wanted = ReportQuery(below=ref, outcomes=("errors", "never-admitted"))
        async with database.read() as connection:
            own = await find_reports(connection, [ref], readable=None)
            told = await find_reports(connection, [ref], readable=readable)
            summary = await summarize_reports(connection, ReportQuery(below=ref), readable=readable)
            problems = await list_reports(connection, wanted, readable=readable, owned=None, limit=DEFAULT_LIMIT)
        body = {
            "location": location.to_json(),
            "report": _limited(own[ref], told) if ref in own else None,
            "summary": summary,
            "problems": problems.items,
        }
        return answer_with_etag(request, dumps(body))

    return router


def _limited(report: Report, told: dict[str, Report]) -> Report:
    return told.get(report["entityRef"]) or {name: report[name] for name in PUBLIC}


def _answer_page(request: Request, items: list[Report], after: str | None) -> Response:
    info = {} if after is None else {"nextCursor": base64.urlsafe_b64encode(after.encode()).decode()}
    return answer_with_etag(request, dumps({"items": items, "pageInfo": info}))


def _decode(cursor: str | None) -> str:
    try:
        return "" if cursor is None else base64.b64decode(cursor, altchars=b"-_", validate=True).decode()
    except ValueError as error:
        raise InputError("Malformed cursor, unknown encoding") from error


def _limit(query: dict[str, Any]) -> int:
    return min(MOST, int(query.get("limit", DEFAULT_LIMIT)))


def _outcomes(names: list[str]) -> list[Outcome]:
    return [outcome for outcome in OUTCOMES if outcome in names]


def _owned(owner: str | None) -> Predicate | None:
    return None if owner is None else equals("relations.ownedby", str(EntityRef.parse(owner, default_kind="group")))
