"""From a request's method and path to the function that answers it, past FastAPI, whose own way costs more than most answers.

Stands in each plugin between its edge and its routes (`plugin`). The routes are declared with FastAPI, which documents them; all
it would do for a request is to find the function and to hand it the request and the path's parameters, and that is done here.
What is not found here, FastAPI answers.
"""

import inspect
import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

Endpoint = Callable[..., Awaitable[Response]]
_PARAMETER = re.compile(r"\{(\w+)\}")


class Dispatch:
    """The functions of some routers whose only arguments are the request and texts of the path, by method and path."""

    def __init__(self, routers: Iterable[APIRouter]) -> None:
        self._exact: dict[tuple[str, str], tuple[Endpoint, bool]] = {}
        self._patterns: dict[tuple[str, int], list[tuple[re.Pattern[str], Endpoint, bool]]] = {}
        for router in routers:
            for route in router.routes:
                if not isinstance(route, APIRoute) or not _is_plain(route):
                    # Routes are tried in their order: what comes after one that is not known here may be meant for it.
                    return
                self._add(route)

    def _add(self, route: APIRoute) -> None:
        takes_request = "request" in {name.lstrip("_") for name in inspect.signature(route.endpoint).parameters}
        for method in route.methods or ():
            if self.find(method, route.path) is not None:
                continue
            if "{" not in route.path:
                self._exact[method, route.path] = (route.endpoint, takes_request)
                continue
            # What is between the parameters is letters, slashes and dots.
            pattern = _PARAMETER.sub(r"(?P<\1>[^/]+)", route.path.replace(".", r"\."))
            same_length = self._patterns.setdefault((method, route.path.count("/")), [])
            same_length.append((re.compile(pattern), route.endpoint, takes_request))

    def find(self, method: str, path: str) -> Callable[[Request], Awaitable[Response]] | None:
        """What answers a request for the path inside of the plugin; None: not known here."""
        found = self._exact.get((method, path))
        if found is not None:
            endpoint, takes_request = found
            return endpoint if takes_request else lambda _: endpoint()
        for pattern, endpoint, takes_request in self._patterns.get((method, path.count("/")), ()):
            match = pattern.fullmatch(path)
            if match is not None:
                return _bound(endpoint, match.groupdict(), takes_request=takes_request)
        return None


def answered_by(endpoint: Callable[[Request], Awaitable[Response]]) -> ASGIApp:
    """A function that answers as an ASGI application."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        response = await endpoint(Request(scope, receive, send))
        await response(scope, receive, send)

    return answer


def _bound(
    endpoint: Endpoint, parameters: dict[str, str], *, takes_request: bool
) -> Callable[[Request], Awaitable[Response]]:
    if takes_request:
        return lambda request: endpoint(request, **parameters)
    return lambda _: endpoint(**parameters)


def _is_plain(route: APIRoute) -> bool:
    """Whether FastAPI has nothing else to do for it."""
    signature = inspect.signature(route.endpoint)
    in_path = set(_PARAMETER.findall(route.path))
    arguments: list[inspect.Parameter] = [
        parameter for parameter in signature.parameters.values() if parameter.name not in in_path
    ]
    texts = [signature.parameters[name] for name in in_path if name in signature.parameters]
    return (
        inspect.iscoroutinefunction(route.endpoint)
        and _is_class(signature.return_annotation, Response)
        and len(arguments) <= 1
        and all(_is_class(parameter.annotation, Request) for parameter in arguments)
        and len(texts) == len(in_path)
        and all(parameter.annotation is str for parameter in texts)
        and not route.dependencies
    )


def _is_class(annotation: Any, expected: type) -> bool:
    return inspect.isclass(annotation) and issubclass(annotation, expected)
