"""Reading what a request sends: query parameters and JSON bodies, refused in the words of the stock validator.

The stock backend checks requests against its OpenAPI document and reports the first problem only
(Backstage backend-openapi-utils 0.7.2).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import parse_qsl

import orjson
from starlette.requests import Request

from understage.errors import InputError, PayloadTooLargeError

KIB = 1024
CATALOG_BODY_LIMIT = 100 * KIB
SCAFFOLDER_BODY_LIMIT = 10 * KIB * KIB
DEPTH_LIMIT = 200
"""Levels of a body; orjson writes 254, and what is stored and answered wraps the body in some more."""


@dataclass(frozen=True)
class Parameter:
    """A declared query parameter. A `list` may be repeated, the others may not; `choices` are those of each value."""

    type: Literal["string", "integer", "boolean", "list"] = "string"
    minimum: int | None = None
    choices: tuple[str, ...] = ()
    required: bool = False


def parse_query(request: Request, declared: Mapping[str, Parameter]) -> dict[str, Any]:
    """The query parameters that were sent, by name: str, int, bool or list of str, as declared.

    Raises InputError for an unknown, empty, repeated, mistyped or missing parameter.
    """
    sent: dict[str, list[str]] = {}
    for name, value in parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True):
        sent.setdefault(name.removesuffix("[]"), []).append(value)
    for name, values in sent.items():
        if name not in declared:
            raise InputError(f"Unknown query parameter '{name}'")
        if "" in values:
            raise InputError(f"Empty value found for query parameter '{name}'")
    for name, parameter in declared.items():
        if parameter.required and name not in sent:
            raise InputError(f"request/query must have required property '{name}'")
    return {name: _convert(name, values, declared[name]) for name, values in sent.items()}


def _convert(name: str, values: list[str], parameter: Parameter) -> Any:
    if parameter.type == "integer":
        return _integer(name, values, parameter)
    if len(values) > 1 and parameter.type != "list":
        raise InputError(f"request/query/{name} must be {parameter.type}")
    if parameter.type == "boolean":
        return values[0].lower() in ("true", "yes", "y", "1", "t", "on")
    if parameter.choices and not set(parameter.choices).issuperset(values):
        allowed = ", ".join(parameter.choices)
        raise InputError(f"request/query/{name} must be equal to one of the allowed values: {allowed}")
    return values if parameter.type == "list" else values[0]


def _integer(name: str, values: list[str], parameter: Parameter) -> int:
    digits = values[0].removeprefix("-")
    if len(values) > 1 or not (digits.isascii() and digits.isdigit()) or len(digits) > 18:
        raise InputError(f"request/query/{name} must be integer")
    number = int(values[0])
    if parameter.minimum is not None and number < parameter.minimum:
        raise InputError(f"request/query/{name} must be >= {parameter.minimum}")
    return number


async def read_json(request: Request, *, limit: int = CATALOG_BODY_LIMIT) -> Any:
    """The JSON body; None when there is none.

    Raises PayloadTooLargeError above `limit` bytes, InputError for bad JSON, another content type or too many levels.
    """
    body = await read_body(request, limit)
    if not body:
        return None
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type and content_type != "application/json" and not content_type.endswith("+json"):
        raise InputError(f"unsupported media type {content_type}")
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InputError(f"Request body is not JSON: {error}") from error
    if body.count(b"[") + body.count(b"{") > DEPTH_LIMIT and _depth(value) > DEPTH_LIMIT:
        raise InputError(f"Request body is nested deeper than {DEPTH_LIMIT} levels")
    return value


def _depth(value: Any) -> int:
    """How many arrays and objects lie within each other."""
    depth, level = 0, [value]
    while level := [item for item in level if isinstance(item, dict | list)]:
        depth += 1
        level = [child for item in level for child in (item.values() if isinstance(item, dict) else item)]
    return depth


async def read_body(request: Request, limit: int) -> bytes:
    """The body as it came. Raises PayloadTooLargeError above `limit` bytes."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            length = int(request.headers.get("content-length") or size)
            raise PayloadTooLargeError(
                "request entity too large", expected=length, length=length, limit=limit, type="entity.too.large"
            )
        chunks.append(chunk)
    return b"".join(chunks)


@dataclass(frozen=True)
class Member:
    """A declared member of a body: its JSON type and, for arrays, that of the items.

    `members` declares those of the object, or of each object in the array, and `additional` whether it may have others.
    """

    type: Literal["string", "number", "integer", "boolean", "object", "array"]
    required: bool = False
    items: Literal["string", "object"] | None = None
    minimum: int | None = None
    choices: tuple[str, ...] = ()
    members: "Mapping[str, Member] | None" = None
    additional: bool = True


def check_body(
    body: Any, declared: Mapping[str, Member], *, additional: bool = True, path: str = "request/body"
) -> dict[str, Any]:
    """Check a body object against its declaration; returns it.

    Raises InputError with the first problem, e.g. `request/body/entityRefs must be array`.
    """
    if not isinstance(body, dict):
        raise InputError(f"{path} must be object")
    for name, member in declared.items():
        if member.required and name not in body:
            raise InputError(f"{path} must have required property '{name}'")
    if not additional and any(name not in declared for name in body):
        raise InputError(f"{path} must NOT have additional properties")
    for name, member in declared.items():
        if name in body:
            _check_member(body[name], member, f"{path}/{name}")
    return body


def _check_member(value: Any, member: Member, path: str) -> None:
    if not _is_type(value, member.type):
        raise InputError(f"{path} must be {member.type}")
    if member.minimum is not None and value < member.minimum:
        raise InputError(f"{path} must be >= {member.minimum}")
    if member.choices and value not in member.choices:
        raise InputError(f"{path} must be equal to one of the allowed values: {', '.join(member.choices)}")
    if member.items is not None:
        for index, item in enumerate(value):
            if not _is_type(item, member.items):
                raise InputError(f"{path}/{index} must be {member.items}")
            if member.members is not None:
                check_body(item, member.members, additional=member.additional, path=f"{path}/{index}")
    elif member.members is not None:
        check_body(value, member.members, additional=member.additional, path=path)


def _is_type(value: Any, name: str) -> bool:
    if name == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    if name == "integer":
        return (isinstance(value, int) and not isinstance(value, bool)) or (
            isinstance(value, float) and value.is_integer()
        )
    types: dict[str, type] = {"string": str, "boolean": bool, "object": dict, "array": list}
    return isinstance(value, types[name])
