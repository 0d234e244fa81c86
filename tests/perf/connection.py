"""One keep-alive HTTP connection that costs the machine little, so that what is measured is the server."""

import socket
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import httptools
import orjson

CHUNK = 1 << 18
TIMEOUT = 300.0


class Connection:
    """Sends one request after the other; opened with the first."""

    def __init__(self, url: str, token: str | None = None) -> None:
        parts = urlsplit(url)
        self._address = (str(parts.hostname), int(parts.port or 80))
        self._token = token
        self._socket: socket.socket | None = None
        self.first_byte = 0.0
        """Seconds from the last request to the first byte of its answer."""

    def __enter__(self) -> "Connection":
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def request_bytes(self, method: str, path: str, body: Any = None) -> bytes:
        """The request as `exchange` takes it: made ahead, so that making it is not measured."""
        host, port = self._address
        lines = [f"{method} {path} HTTP/1.1", f"host: {host}:{port}", "accept: application/json"]
        if self._token:
            lines.append(f"authorization: Bearer {self._token}")
        content = b"" if body is None else orjson.dumps(body)
        if body is not None:
            lines += ["content-type: application/json", f"content-length: {len(content)}"]
        return "\r\n".join([*lines, "", ""]).encode() + content

    def exchange(self, request: bytes, *, keep: bool = False) -> "Reply":
        """Send it and read the whole answer; its body is kept only where asked for. Raises OSError.

        A connection that the server has closed meanwhile, because nobody used it for some seconds, is opened anew.
        """
        if self._socket is not None:
            try:
                return self._exchange(self._socket, request, keep=keep)
            except _ClosedBeforeError:
                self.close()
        self._socket = socket.create_connection(self._address, TIMEOUT)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._exchange(self._socket, request, keep=keep)

    def _exchange(self, connected: socket.socket, request: bytes, *, keep: bool) -> "Reply":
        reply = Reply(keep)
        reply.parser = parser = httptools.HttpResponseParser(reply)
        began = time.perf_counter()
        first = True
        while not reply.complete:
            try:
                if first:
                    connected.sendall(request)
                data = connected.recv(CHUNK)
            except (BrokenPipeError, ConnectionResetError):
                data = b""
            if not data:
                self.close()
                raise (_ClosedBeforeError if first else ConnectionError)("the server closed the connection")
            if first:
                self.first_byte, first = time.perf_counter() - began, False
            parser.feed_data(data)
        reply.status = parser.get_status_code()
        reply.parser = None
        if not reply.keeps_alive:
            self.close()
        return reply

    def json(self, method: str, path: str, body: Any = None) -> Any:
        """The parsed answer; AssertionError unless it is 200."""
        reply = self.exchange(self.request_bytes(method, path, body), keep=True)
        assert reply.status == 200, f"{method} {path}: {reply.status} {reply.text[:300]}"
        return orjson.loads(reply.body)


class _ClosedBeforeError(ConnectionError):
    """Closed before the first byte of an answer."""


class Reply:
    """What came back; the parser calls the `on_` methods."""

    def __init__(self, keep: bool) -> None:
        self.status = 0
        self.size = 0
        self.complete = False
        self.keeps_alive = False
        self.parser: Any = None
        self.headers: dict[str, str] = {}
        self._parts: list[bytes] | None = [] if keep else None

    @property
    def body(self) -> bytes:
        return b"".join(self._parts or [])

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, data: bytes) -> None:
        self.size += len(data)
        if self._parts is not None:
            self._parts.append(data)

    def on_message_complete(self) -> None:
        # The parser knows it now only: afterwards it has forgotten how the message ended.
        self.keeps_alive = self.parser.should_keep_alive()
        self.complete = True


def quiet_json(connection: Connection, path: str) -> Mapping[str, Any] | None:
    """The answer, or None when the server is not there or refuses yet."""
    try:
        return connection.json("GET", path)  # type: ignore[no-any-return]
    except (OSError, AssertionError):
        connection.close()
        return None
