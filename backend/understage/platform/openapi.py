"""The OpenAPI document of a plugin, made of its routes and of the very declarations that check their requests.

`create_plugin` serves it as `/openapi.json`. A router hands `describe(…)` to its routes as `openapi_extra`; the parameters and
members in it are those that the handler gives to `parse_query` and `check_body`.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from fastapi import APIRouter
from fastapi.routing import APIRoute

from understage import __version__
from understage.platform.requests import Body, Member, Parameter

Schema = Mapping[str, Any]

STRING: Schema = {"type": "string"}
OBJECT: Schema = {"type": "object"}
ENTITY: Schema = {"$ref": "#/components/schemas/Entity"}
ERROR: Schema = {"$ref": "#/components/schemas/Error"}

SCHEMAS: Mapping[str, Schema] = {
    "Entity": {
        "type": "object",
        "description": "An entity; other members depend on its kind.",
        "required": ["apiVersion", "kind", "metadata"],
        "properties": {
            "apiVersion": STRING,
            "kind": STRING,
            "metadata": {"type": "object", "required": ["name"], "properties": {"name": STRING}},
            "spec": OBJECT,
            "relations": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["type", "targetRef"],
                    "properties": {"type": STRING, "targetRef": STRING},
                },
            },
            "status": OBJECT,
        },
    },
    "Error": {
        "type": "object",
        "description": "What was wrong, with which request.",
        "required": ["error", "request", "response"],
        "properties": {
            "error": {
                "type": "object",
                "required": ["name", "message"],
                "properties": {"name": STRING, "message": STRING},
            },
            "request": {
                "type": "object",
                "required": ["method", "url"],
                "properties": {"method": STRING, "url": STRING},
            },
            "response": {
                "type": "object",
                "required": ["statusCode"],
                "properties": {"statusCode": {"type": "integer"}},
            },
        },
    },
}


@dataclass(frozen=True)
class Text:
    """An answer that is no JSON."""

    media_type: str = "text/plain"
    schema: Schema = field(default_factory=lambda: STRING)


Answers = Mapping[int, Schema | Text | None]


def array_of(items: Schema) -> Schema:
    """The schema of an array."""
    return {"type": "array", "items": items}


def object_of(required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None) -> Schema:
    """The schema of an object that has these members at least."""
    return {"type": "object", "required": list(required), "properties": {**required, **(optional or {})}}


def any_of(*schemas: Schema) -> Schema:
    """The schema of what has one of these forms."""
    return {"anyOf": list(schemas)}


def describe(
    summary: str,
    *,
    answers: Answers,
    query: Mapping[str, Parameter] | None = None,
    body: Body | None = None,
) -> dict[str, Any]:
    """An operation for the `openapi_extra` of a route; `answers` are the good ones, by status, None for an empty one."""
    return {
        "summary": summary,
        "parameters": [_query_parameter(name, parameter) for name, parameter in (query or {}).items()],
        **({} if body is None else {"requestBody": _request_body(body)}),
        "responses": {
            **{str(status): _answer(answer) for status, answer in answers.items()},
            "default": {"description": "An error", "content": {"application/json": {"schema": ERROR}}},
        },
    }


def make_document(
    title: str, routers: Iterable[APIRouter], *, prefix: str, public_paths: Collection[str] = ()
) -> dict[str, Any]:
    """The OpenAPI 3.0.3 document of all routes of a plugin that is mounted at `prefix`."""
    paths: dict[str, dict[str, Any]] = {}
    for router in routers:
        for route in router.routes:
            if not isinstance(route, APIRoute):
                continue
            operation = _operation(route, is_public=route.path in public_paths)
            for method in sorted(route.methods or ()):
                # Of two routes that take the same, the first answers.
                paths.setdefault(prefix + route.path, {}).setdefault(method.lower(), operation)
    return {
        "openapi": "3.0.3",
        "info": {"title": title, "version": __version__},
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _operation(route: APIRoute, *, is_public: bool) -> dict[str, Any]:
    described = dict(route.openapi_extra or describe(_words(route.name), answers={200: {}}))
    placed = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "pattern": "^[^/]+$"}}
        for name in re.findall(r"{(\w+)}", route.path)
    ]
    operation_id = "".join(word.capitalize() if index else word for index, word in enumerate(route.name.split("_")))
    return {
        "operationId": operation_id,
        **described,
        "parameters": [*placed, *described.get("parameters", [])],
        **({"security": []} if is_public else {}),
    }


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _query_parameter(name: str, parameter: Parameter) -> dict[str, Any]:
    type = "string" if parameter.type == "list" else parameter.type
    schema = {
        "type": type,
        **({"minLength": 1} if type == "string" else {}),
        **_limits(parameter.minimum, parameter.choices),
    }
    if parameter.type == "list":
        schema = {"type": "array", "items": schema}
    return {"name": name, "in": "query", "required": parameter.required, "schema": schema}


def _limits(minimum: int | None, choices: tuple[str, ...]) -> dict[str, Any]:
    return {
        **({} if minimum is None else {"minimum": minimum}),
        **({"enum": list(choices)} if choices else {}),
    }


def _request_body(body: Body) -> dict[str, Any]:
    schema = _object_schema(body.members, additional=body.additional and not body.refuses_strays)
    return {"required": body.required, "content": {"application/json": {"schema": schema}}}


def _object_schema(members: Mapping[str, Member], *, additional: bool) -> dict[str, Any]:
    required = [name for name, member in members.items() if member.required]
    return {
        "type": "object",
        **({"required": required} if required else {}),
        "properties": {name: _member_schema(member) for name, member in members.items()},
        "additionalProperties": additional,
    }


def _member_schema(member: Member) -> dict[str, Any]:
    if member.items is not None:
        return {"type": "array", "items": _value_schema(member.items, member)}
    return {**_value_schema(member.type, member), **_limits(member.minimum, member.choices)}


def _value_schema(type: Literal["string", "number", "integer", "boolean", "object", "array"], member: Member) -> Any:
    if type == "object" and member.members is not None:
        return _object_schema(member.members, additional=member.additional)
    return {"type": type, **({"items": {}} if type == "array" else {})}


def _answer(answer: Schema | Text | None) -> dict[str, Any]:
    if answer is None:
        return {"description": "Done, nothing to say"}
    if isinstance(answer, Text):
        return {"description": "The answer", "content": {answer.media_type: {"schema": answer.schema}}}
    return {"description": "The answer", "content": {"application/json": {"schema": answer}}}
