"""Requests of the service to itself, handed to its ASGI application without a socket. Called by `http.ServiceFetch`."""

import asyncio
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from starlette.types import ASGIApp, Message

from understage.errors import ForeignError

CLIENT = ("127.0.0.1", 0)


class InsideAnswer(NamedTuple):
    """What the application answered; names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes


async def ask_inside(
    app: ASGIApp, method: str, url: str, headers: Mapping[str, str], content: bytes | None
) -> InsideAnswer:
    """Have `app` answer. Raises what it raises, and ForeignError when it ends without an answer."""
    parts = urlsplit(url)
    sent = {"host": parts.netloc, "accept": "*/*", **{name.lower(): value for name, value in headers.items()}}
    sent.pop("accept-encoding", None)  # nothing is gained by packing what stays here
    if content is not None:
        sent["content-length"] = str(len(content))
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in sent.items()],
        "scheme": parts.scheme,
        "path": unquote(parts.path),
        "raw_path": parts.path.encode(),
        "query_string": parts.query.encode(),
        "server": (parts.hostname, parts.port),
        "client": CLIENT,
        "root_path": "",
        "state": {},
    }
    exchange = _Exchange(content or b"")
    await app(scope, exchange.receive, exchange.send)
    if exchange.status is None:
        raise ForeignError(f"{method} {parts.path} was not answered")
    return InsideAnswer(exchange.status, exchange.headers, b"".join(exchange.body))


class _Exchange:
    """One request and its answer."""

    def __init__(self, content: bytes) -> None:
        self._content: bytes | None = content
        self._is_complete = asyncio.Event()
        self.status: int | None = None
        self.headers: dict[str, str] = {}
        self.body: list[bytes] = []

    async def receive(self) -> Message:
        if self._content is None:
            await self._is_complete.wait()
            return {"type": "http.disconnect"}
        content, self._content = self._content, None
        return {"type": "http.request", "body": content, "more_body": False}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {
                name.decode("latin-1").lower(): value.decode("latin-1") for name, value in message["headers"]
            }
        elif message["type"] == "http.response.body":
            self.body.append(message.get("body", b""))
            if not message.get("more_body", False):
                self._is_complete.set()
