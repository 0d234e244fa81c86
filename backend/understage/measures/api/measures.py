"""`/measures`: figures of a period, and where events and tickets come in.

Figures are of the entities that the caller may read in the catalog. Who writes needs the permission `measures.write`.
"""

from typing import Any

from fastapi import APIRouter, Request, Response

from understage.errors import InputError
from understage.identity.authorizer import Authorizer
from understage.identity.permissions import Permission
from understage.measures.definitions import DEFINITIONS
from understage.measures.events import format_time, parse_time
from understage.measures.figures import DAY, Period
from understage.measures.intake import read_events, read_tickets
from understage.measures.service import Measures, Scope
from understage.platform.light_imports import OLD_MODELS, absent
from understage.platform.openapi import OBJECT, STRING, array_of, describe, object_of
from understage.platform.plugin import json_response
from understage.platform.requests import Body, Member, Parameter, parse_query, read_body, read_json

MEASURES_WRITE = Permission("measures.write", "create")
DEFAULT_DAYS = 30
LONGEST_DAYS = 3660
EVENTS_LIMIT = 1024 * 1024
TICKETS_LIMIT = 20 * 1024 * 1024
FORMS = ("application/json", "text/csv")

QUERY = {"service": Parameter(), "team": Parameter(), "system": Parameter(), "from": Parameter(), "to": Parameter()}
IMPORT_QUERY = {"source": Parameter(required=True)}
INTEGER = {"type": "integer"}
MEASURED = object_of(
    {
        "from": STRING,
        "to": STRING,
        "services": array_of(STRING),
        "measures": OBJECT,
        "definitions": OBJECT,
        "failureWindowSeconds": INTEGER,
        "productionEnvironments": array_of(STRING),
    }
)
EVENT_BODY = Body({"events": Member("array", items="object")})


@absent(OLD_MODELS)
def create_measures_router(measures: Measures, authorizer: Authorizer) -> APIRouter:
    """The routes."""
    router = APIRouter()

    @router.get("/measures", openapi_extra=describe("Measures of success", query=QUERY, answers={200: MEASURED}))
    async def get_measures(request: Request) -> Response:
        query = parse_query(request, QUERY)
        scope = _scope(query)
        period = read_period(query.get("from"), query.get("to"), measures.clock())
        figures, services = await measures.measure(scope, period, request.state.credentials)
        return json_response(
            {
                "from": format_time(period.begin),
                "to": format_time(period.end),
                "services": services,
                "measures": figures,
                "definitions": DEFINITIONS,
                "failureWindowSeconds": measures.failure_window // 1000,
                "productionEnvironments": list(measures.settings.production_environments),
            }
        )

    @router.post(
        "/measures/events",
        openapi_extra=describe(
            "Tell of deployments, health and starts of services",
            body=EVENT_BODY,
            answers={202: object_of({"stored": OBJECT})},
        ),
    )
    async def tell_events(request: Request) -> Response:
        parse_query(request, {})
        await authorizer.require(MEASURES_WRITE, request.state.credentials)
        body = await read_json(request, limit=EVENTS_LIMIT)
        told = read_events(body, measures.clock())
        stored = await measures.store(told.deployments, told.healths, told.starts)
        counts = {"deployments": stored.deployments, "healths": stored.healths, "starts": stored.starts}
        return json_response({"stored": counts}, 202)

    @router.post(
        "/measures/tickets",
        openapi_extra=describe(
            "Import tickets, as CSV or JSON", query=IMPORT_QUERY, answers={200: object_of({"tickets": INTEGER})}
        ),
    )
    async def import_tickets(request: Request) -> Response:
        query = parse_query(request, IMPORT_QUERY)
        await authorizer.require(MEASURES_WRITE, request.state.credentials)
        form = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if form not in FORMS:
            raise InputError(f"unsupported media type {form or 'none'}: send text/csv or application/json")
        tickets = read_tickets(await read_body(request, TICKETS_LIMIT), form, query["source"])
        await measures.import_tickets(tickets)
        return json_response({"tickets": len({ticket.id for ticket in tickets})})

    return router


def _scope(query: dict[str, Any]) -> Scope:
    chosen = {name: query[name] for name in ("service", "team", "system") if name in query}
    if len(chosen) > 1:
        raise InputError(f"ask for one of them: {', '.join(chosen)}")
    return Scope(**chosen)


def read_period(begin: str | None, end: str | None, now: int) -> Period:
    """From `begin` to before `end`; without them the last 30 days. InputError for a period that is empty or too long."""
    until = now if end is None else parse_time(end, "'to'")
    since = until - DEFAULT_DAYS * DAY if begin is None else parse_time(begin, "'from'")
    if not since < until <= since + LONGEST_DAYS * DAY:
        raise InputError(f"'from' must be before 'to', by at most {LONGEST_DAYS} days")
    return Period(since, until)
