"""Reading what a request sends: query parameters and JSON bodies, refused in the words of the stock validator.

The stock backend checks requests against its OpenAPI document and reports the first problem only
(Backstage backend-openapi-utils 0.7.2).
"""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import parse_qsl

import orjson
from starlette.requests import Request

from understage.errors import InputError, PayloadTooLargeError

KIB = 1024
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
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

    Raises InputError for an unknown, empty, repeated, mistyped or missing parameter; of several mistyped ones for the first
    that is declared.
    """
    return _converted(_read_known(request, declared), declared)


def _read_known(request: Request, declared: Mapping[str, Parameter]) -> dict[str, "Sent"]:
    sent = _read_parameters(request.scope["query_string"].decode("latin-1"))
    for name, values in sent.items():
        if name not in declared:
            raise InputError(f"Unknown query parameter '{name}'")
        if values == "":
            raise InputError(f"Empty value found for query parameter '{name}'")
    return sent


def _converted(sent: "Mapping[str, Sent]", declared: Mapping[str, Parameter]) -> dict[str, Any]:
    for name, parameter in declared.items():
        if parameter.required and name not in sent:
            raise InputError(f"request/query must have required property '{name}'")
    return {name: _convert(name, sent[name], parameter) for name, parameter in declared.items() if name in sent}


# `a=1` is a text; what is repeated, or written `a[]=1` or `a[0]=1`, is a list; under any other key it is an object: for a list
# that is one item which is no text (None). The rules are those of qs 6, by which Express reads queries.
Sent = str | list[str | None]
_OBJECT: list[str | None] = [None]
BRACKETS = re.compile(r"(?P<name>[^\[]*)\[(?P<key>[^\]]*)\](?P<rest>.*)", re.DOTALL)
_INDEX = re.compile(r"0|[1-9][0-9]{0,2}")


def _read_parameters(query: str) -> dict[str, Sent]:
    written: dict[str, list[str | None]] = {}
    for key, text in parse_qsl(query, keep_blank_values=True):
        written.setdefault(key, []).append(text)
    sent: dict[str, Sent] = {}
    for key, values in written.items():
        name, value = _structured(key, values)
        sent[name] = _merged(sent[name], value) if name in sent else value
    return sent


def _structured(key: str, values: list[str | None]) -> tuple[str, Sent]:
    """Name and value of what was written under one key, once or more often."""
    brackets = BRACKETS.fullmatch(key)
    if brackets is None:
        return key, values if len(values) > 1 else str(values[0])
    if brackets["key"] == "" and not brackets["rest"]:
        return brackets["name"], values
    if brackets["key"] and not _INDEX.fullmatch(brackets["key"]):
        return brackets["name"], _OBJECT
    # An item of its own; repeated, or with keys of its own, it is no text.
    return brackets["name"], [None] if brackets["rest"] or len(values) > 1 else values


def _merged(before: Sent, value: Sent) -> Sent:
    """What was written under one key, and under another of the same name after it."""
    if before is _OBJECT or (isinstance(before, list) and value is _OBJECT):
        return _OBJECT
    return [*([before] if isinstance(before, str) else before), *([value] if isinstance(value, str) else value)]


def _convert(name: str, values: Sent, parameter: Parameter) -> Any:
    if parameter.type == "list":
        items = [values] if isinstance(values, str) else values
        for index, item in enumerate(items):
            if item is None:
                raise InputError(f"request/query/{name}/{index} must be string")
        _check_choices(name, items, parameter)
        return items
    if parameter.type == "integer":
        return _integer(name, values, parameter)
    if not isinstance(values, str):
        raise InputError(f"request/query/{name} must be string")
    if parameter.type == "boolean":
        return values.lower() in ("true", "yes", "y", "1", "t", "on")
    _check_choices(name, [values], parameter)
    return values


def _check_choices(name: str, values: Sequence[str | None], parameter: Parameter) -> None:
    if parameter.choices and not set(parameter.choices).issuperset(values):
        allowed = ", ".join(parameter.choices)
        raise InputError(f"request/query/{name} must be equal to one of the allowed values: {allowed}")


def _integer(name: str, values: Sent, parameter: Parameter) -> int:
    number = number_of(values) if isinstance(values, str) else None
    if number is None or number != int(number) or abs(number) >= 2**53:
        raise InputError(f"request/query/{name} must be integer")
    if parameter.minimum is not None and number < parameter.minimum:
        raise InputError(f"request/query/{name} must be >= {parameter.minimum}")
    return int(number)


DECIMAL = re.compile(r"[+-]?(\d{1,200}\.?\d{0,200}|\.\d{1,200})([eE][+-]?\d{1,4})?", re.ASCII)
PREFIXED = re.compile(r"0([xX][0-9a-fA-F]{1,200}|[oO][0-7]{1,200}|[bB][01]{1,200})")


def number_of(text: str) -> float | None:
    """The finite number that JavaScript's Number() makes of a text; None when it is none."""
    text = text.strip()
    if not text:
        return 0.0
    if PREFIXED.fullmatch(text):
        number = float(int(text, 0))
    elif DECIMAL.fullmatch(text):
        number = float(text)
    else:
        return None
    return number if abs(number) < float("inf") else None


def decode_base64(text: str) -> bytes:
    """The bytes of base64 as Node decodes it: either alphabet, with or without padding, what is foreign left out."""
    kept = re.sub(r"[^A-Za-z0-9+/]", "", text.partition("=")[0].replace("-", "+").replace("_", "/"))
    kept = kept[:-1] if len(kept) % 4 == 1 else kept
    return base64.b64decode(kept + "=" * (-len(kept) % 4))


async def read_json(request: Request, *, limit: int = CATALOG_BODY_LIMIT) -> Any:
    """The JSON body, an object or an array; None when no content type announces one: then it is not looked at.

    Raises PayloadTooLargeError above `limit` bytes, InputError for what is neither a JSON object nor an array, another content
    type or too many levels.
    """
    body = await read_body(request, limit)
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not content_type:
        return None
    if content_type != "application/json":
        raise InputError(f"unsupported media type {content_type}")
    if not body:
        return {}
    try:
        value = orjson.loads(body.removeprefix(BYTE_ORDER_MARK))
    except orjson.JSONDecodeError as error:
        raise InputError(f"Request body is not JSON: {error}") from error
    if not isinstance(value, dict | list):
        raise InputError("Request body is neither a JSON object nor an array")
    if body.count(b"[") + body.count(b"{") > DEPTH_LIMIT and _depth(value) > DEPTH_LIMIT:
        raise InputError(f"Request body is nested deeper than {DEPTH_LIMIT} levels")
    return value


async def read_required_json(request: Request) -> Any:
    """The JSON body of a route that does not go without one; InputError in the words of the stock validator."""
    body = await read_json(request)
    if body is None:
        content_type = request.headers.get("content-type", "undefined").partition(";")[0]
        raise InputError(f"unsupported media type {content_type}")
    return body


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

    `members` declares those of the object, or of each object in the array, and `additional` whether it may have others;
    `values` is the type of every member of an object.
    """

    type: Literal["string", "number", "integer", "boolean", "object", "array"]
    required: bool = False
    items: Literal["string", "object"] | None = None
    minimum: int | None = None
    choices: tuple[str, ...] = ()
    members: "Mapping[str, Member] | None" = None
    additional: bool = True
    values: Literal["string"] | None = None


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


@dataclass(frozen=True)
class Body:
    """A declared JSON body: its members, whether it must be sent, and whether it may have other members.

    `refuses_strays`: it may not, but that is the last thing to be looked at, by `refuse_strays`.
    """

    members: Mapping[str, Member]
    required: bool = True
    additional: bool = True
    refuses_strays: bool = False


async def read_sent(
    request: Request, parameters: Mapping[str, Parameter], declared: Body
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The query and the JSON body as declared; empty for a body that was not sent and need not be.

    Raises InputError in the words and the order of the stock validator: JSON, content type, names of parameters, then the first
    problem of the query and the first of the body, both in one message.
    """
    body = await read_required_json(request) if declared.required else await read_json(request)
    sent = _read_known(request, parameters)
    problems: list[InputError] = []
    query: dict[str, Any] = {}
    try:
        query = _converted(sent, parameters)
    except InputError as error:
        problems.append(error)
    try:
        if body is not None:
            check_body(body, declared.members, additional=declared.additional)
    except InputError as error:
        problems.append(error)
    if problems:
        raise InputError(", ".join(problem.message for problem in problems))
    return query, body or {}


def refuse_strays(body: Mapping[str, Any], declared: Body) -> None:
    """Raise InputError for a member that the body may not have."""
    stray = next((name for name in body if name not in declared.members), None)
    if stray is not None:
        raise InputError(f"Malformed request: unknown member {stray!r}; known are {', '.join(declared.members)}")


def _check_member(value: Any, member: Member, path: str) -> None:
    if not _is_type(value, member.type):
        raise InputError(f"{path} must be {member.type}")
    if member.minimum is not None and value < member.minimum:
        raise InputError(f"{path} must be >= {member.minimum}")
    if member.choices and value not in member.choices:
        raise InputError(f"{path} must be equal to one of the allowed values: {', '.join(member.choices)}")
    if member.values is not None:
        for name, item in value.items():
            if not _is_type(item, member.values):
                raise InputError(f"{path}/{name} must be {member.values}")
    if member.items == "string" and set(map(type, value)) <= {str}:
        return
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
