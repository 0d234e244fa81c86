"""What the routes share: answers made of stored JSON, arrays joined without parsing unless a projection asks for parts."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence

import orjson
from starlette.requests import Request
from starlette.responses import Response

from understage.catalog.query.fields import Projection, project
from understage.platform.plugin import raw_json_response


def encode_entity(entity: str | bytes, projection: Projection) -> bytes:
    """One stored entity, projected."""
    if not projection:
        return entity.encode() if isinstance(entity, str) else entity
    return orjson.dumps(project(orjson.loads(entity), projection))


def encode_array(entities: Iterable[str | bytes | None], projection: Projection) -> bytes:
    """A JSON array of stored entities; None becomes null."""
    if projection:
        items = [b"null" if item is None else encode_entity(item, projection) for item in entities]
    else:
        # Most are bytes already: a call for each would cost more than all the rest.
        items = [item if isinstance(item, bytes) else b"null" if item is None else item.encode() for item in entities]
    if not items:
        return b"[]"
    # The brackets go with the first and the last: all of it is copied once.
    items[0] = b"[" + items[0]
    items[-1] += b"]"
    return b",".join(items)


def encode_object(members: Sequence[tuple[str, bytes]]) -> bytes:
    """A JSON object of members that are JSON already."""
    parts: list[bytes] = []
    for name, value in members:
        parts += (b"," if parts else b"{", orjson.dumps(name), b":", value)
    return b"".join([*parts, b"}"])


def answer_entities(request: Request, body: bytes, projection: Projection) -> Response:
    """A list of entities: with an ETag when parts of them were asked for, as the stock backend has it."""
    return answer_with_etag(request, body) if projection else raw_json_response(body)


def answer_with_etag(
    request: Request, body: bytes, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """An answer with a weak ETag; 304 when the client has it already."""
    etag = f'W/"{len(body):x}-{hashlib.sha1(body, usedforsecurity=False).hexdigest()[:27]}"'
    if status == 200 and etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers={"etag": etag})
    return raw_json_response(body, status, {**(headers or {}), "etag": etag})
