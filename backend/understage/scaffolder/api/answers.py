"""Answers in forms of the scaffolder's own."""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import ParamSpec

from starlette.responses import Response

from understage.platform.openapi import ERROR, OBJECT, any_of, array_of, object_of
from understage.platform.plugin import json_response
from understage.scaffolder.errors import ValuesError

P = ParamSpec("P")

VALUES_ERROR = any_of(object_of({"errors": array_of(OBJECT)}), ERROR)


def answering_values_errors(handler: Callable[P, Awaitable[Response]]) -> Callable[P, Awaitable[Response]]:
    """A handler that answers a ValuesError with `400 {"errors": […]}`, which the stock form shows."""

    @wraps(handler)
    async def answer(*args: P.args, **kwargs: P.kwargs) -> Response:
        try:
            return await handler(*args, **kwargs)
        except ValuesError as error:
            return json_response({"errors": error.errors}, 400)

    return answer
