"""Outgoing JSON requests of the service itself: keys, permissions, and calls between plugins.

Requests to a plugin of this very process are handed over without a socket, so that a service behind a proxy, or one that is
still starting, can always reach itself.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from starlette.types import ASGIApp

from understage.app.inside import ask_inside
from understage.errors import ForeignError
from understage.identity.outgoing import Answer
from understage.platform.http import DEFAULT_TIMEOUT, HttpClient
from understage.platform.json import dumps, loads
from understage.sdk.ports import HttpResponse


class ServiceFetch:
    """Implements `identity.outgoing.Fetch`. `own_base` is our internal address, e.g. `http://localhost:7007/api/`."""

    def __init__(self, client: HttpClient, own_base: str) -> None:
        self._client = client
        self._own_base = own_base
        self._own: ASGIApp | None = None

    def attach(self, web: ASGIApp) -> None:
        """Hand requests to ourselves over to `web`, the root application."""
        self._own = web

    async def __call__(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> Answer:
        """Send a request and wait up to `timeout` seconds; the answer's body is None where it is no JSON."""
        if self._own is not None and url.startswith(self._own_base):
            content = None if json is None else dumps(json)
            typed = {} if content is None else {"content-type": "application/json"}
            response = await ask_inside(self._own, method, url, {**typed, **(headers or {})}, content)
            return Answer(response.status, _parse(response.content))
        answer = await self._client.request(method, url, headers=headers, json=json, timeout=timeout)
        return Answer(answer.status, _parse(answer.body))

    async def exchange(
        self, method: str, url: str, *, headers: Mapping[str, str], content: bytes | None, timeout: float
    ) -> HttpResponse:
        """Send a request as it is; the answer with its headers and bytes. ForeignError when there is none in time."""
        if self._own is None or not url.startswith(self._own_base):
            return await self._client.request(method, url, headers=headers, content=content, timeout=timeout)
        try:
            async with asyncio.timeout(timeout):
                answer = await ask_inside(self._own, method, url, headers, content)
        except TimeoutError as error:
            raise ForeignError(f"{method} {url.partition('?')[0]} took longer than {timeout:g} seconds") from error
        return HttpResponse(answer.status, answer.headers, answer.content)


def _parse(body: bytes) -> Any:
    try:
        return loads(body) if body else None
    except ValueError:
        return None
