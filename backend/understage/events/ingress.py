"""`POST /api/events/http/<topic>`: where forges send what happened. Answers and refusals as Backstage's events-backend.

The signature is checked before anything of the body is read as JSON. An event is accepted (202) when all that follows from it
is committed; when that failed, the answer is 503, and the forge may send it again.
"""

from collections.abc import Mapping, Sequence

import structlog
from fastapi import APIRouter, Request, Response
from orjson import JSONDecodeError

from understage.config.settings import Settings
from understage.errors import InputError, ServiceUnavailableError, UnsupportedMediaTypeError
from understage.events.signatures import Check, create_checks
from understage.events.topics import narrow
from understage.platform.event_bus import Event, EventBus
from understage.platform.json import loads
from understage.platform.light_imports import OLD_MODELS, absent
from understage.platform.plugin import json_response
from understage.platform.requests import read_body

log = structlog.get_logger(__name__)

BODY_LIMIT = 5 * 1024 * 1024
PATH = "/http/"


@absent(OLD_MODELS)
def create_ingress_router(settings: Settings, bus: EventBus) -> APIRouter:
    """The route. Open topics are those of `events.http.topics`, and those of the forges whose secret is configured."""
    checks = create_checks(settings)
    topics = frozenset((*settings.events.http.topics, *checks))
    unsigned = sorted(topics - checks.keys())
    if unsigned:
        log.warning("events of these topics are taken from anybody: no secret is configured for them", topics=unsigned)
    router = APIRouter()

    @router.post(PATH + "{topic}")
    async def receive(request: Request, topic: str) -> Response:
        if topic not in topics:
            return Response(status_code=404)
        body = await read_body(request, BODY_LIMIT)
        check = checks.get(topic)
        if check is not None and not _is_genuine(check, request, body):
            log.warning("an event was refused", topic=topic, reason=check.refusal)
            return json_response({"message": check.refusal}, 403)
        event = Event(topic, _parse(request, body), _metadata(request), is_trusted=check is not None)
        await _deliver(bus, event)
        return json_response({"status": "accepted"}, 202)

    return router


def _is_genuine(check: Check, request: Request, body: bytes) -> bool:
    return check.verify(_metadata(request), body)


def _metadata(request: Request) -> Mapping[str, str]:
    return dict(request.headers.items())


def _parse(request: Request, body: bytes) -> object:
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        raise UnsupportedMediaTypeError(f"Unsupported media type: {content_type or 'none'}")
    try:
        value: object = loads(body)
    except JSONDecodeError as error:
        raise InputError(f"Request body is not JSON: {error}") from error
    return value


async def _deliver(bus: EventBus, event: Event) -> None:
    narrower = narrow(event)
    events: Sequence[Event] = (event,) if narrower is None else (event, narrower)
    outcomes = [await bus.publish(each) for each in events]
    if not all(outcomes):
        raise ServiceUnavailableError("The event could not be handled: send it again")
