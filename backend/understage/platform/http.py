"""The one way out over HTTP: time and size limits, host rules, redirects followed by hand and checked hop by hop.

Every integration that speaks HTTP uses an `HttpClient`. Rules of `backend.reading.allow` as in Backstage backend-defaults 0.18.0.
"""

import asyncio
import posixpath
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO
from urllib.parse import unquote, urlsplit

import httpx
import orjson

from understage.errors import ForeignError, InputError, NotAllowedError
from understage.sdk.ports import HttpResponse

MIB = 1024 * 1024
DEFAULT_LIMIT = 64 * MIB
DEFAULT_TIMEOUT = 60.0
CONNECT_TIMEOUT = 10.0
MAX_REDIRECTS = 5
_REDIRECTS = frozenset((301, 302, 303, 307, 308))
# Sent to the origin they were meant for, never on to the next one.
_CREDENTIAL_HEADERS = frozenset(
    (
        *("authorization", "cookie", "proxy-authorization", "private-token", "job-token"),
        *("x-api-key", "x-amz-security-token", "x-aws-ec2-metadata-token", "x-identity-header"),
    )
)

Allows = Callable[[httpx.URL], bool]


@dataclass(frozen=True)
class Answer(HttpResponse):
    """An answer, read whole; `url` is where it came from in the end."""

    url: str = ""

    @property
    def text(self) -> str:
        """The body as UTF-8, what is not replaced."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON. Raises ForeignError when it is none."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            raise ForeignError(f"{_shown(self.url)} answered {self.status} with a body that is not JSON") from error


@dataclass(frozen=True)
class AllowRule:
    """One entry of `backend.reading.allow`: `host` is `name`, `name:port`, `name:from-to`, and may begin with `*.`.

    Without `paths` every path is allowed; else those equal to one of them or below it.
    """

    host: str
    paths: tuple[str, ...] | None = None

    def allows(self, url: httpx.URL) -> bool:
        """Whether the rule covers `url`."""
        name, _, ports = self.host.lower().partition(":")
        host = url.host.lower()
        if not (host.endswith(name[1:]) and host != name[1:] if name.startswith("*.") else host == name):
            return False
        return _is_port_allowed(url.port, ports) and self._allows_path(url.raw_path.partition(b"?")[0].decode("ascii"))

    def _allows_path(self, path: str) -> bool:
        if self.paths is None:
            return True
        if any(part in (".", "..") for part in unquote(unquote(path)).replace("\\", "/").split("/")):
            return False
        normal = posixpath.normpath(path)
        allowed = (posixpath.normpath(prefix) for prefix in self.paths)
        return any(normal == prefix or normal.startswith(prefix.rstrip("/") + "/") for prefix in allowed)


@dataclass(frozen=True)
class HostPolicy:
    """Which URLs may be asked: those of `rules`, and every path of `origins` (`https://host[:port]`, of integrations)."""

    rules: tuple[AllowRule, ...] = ()
    origins: frozenset[str] = frozenset()

    def allows(self, url: httpx.URL) -> bool:
        """Whether `url` may be asked."""
        return origin_of(url) in self.origins or any(rule.allows(url) for rule in self.rules)


class HttpClient:
    """Sends requests. One per service: it keeps connections.

    `proxies` uses the proxies of the service's environment; else none. `transport` replaces the network in tests.
    """

    def __init__(self, *, proxies: bool = False, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._proxies = proxies
        self._transport = transport
        self._made: httpx.AsyncClient | None = None

    @property
    def _client(self) -> httpx.AsyncClient:
        """Made for the first request: it reads all certificates that the machine trusts."""
        if self._made is None:
            self._made = httpx.AsyncClient(
                follow_redirects=False,
                trust_env=self._proxies,
                transport=self._transport,
                limits=httpx.Limits(max_connections=100, max_keepalive_connections=20),
                headers={"User-Agent": "understage", "Accept-Encoding": "gzip, deflate"},
            )
        return self._made

    async def close(self) -> None:
        """Close the connections."""
        if self._made is not None:
            await self._made.aclose()

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        json: Any = None,
        timeout: float = DEFAULT_TIMEOUT,
        max_bytes: int = DEFAULT_LIMIT,
        allows: Allows | None = None,
    ) -> Answer:
        """Send one request and read the answer, whatever its status. `timeout` (seconds) is for the whole exchange.

        GET and HEAD follow up to five redirects: to URLs that `allows` accepts, without `allows` within the origin only;
        credentials stay at their origin. Raises NotAllowedError for a URL or redirect that may not be asked, ForeignError
        when the exchange fails, lasts too long or brings more than `max_bytes`.
        """
        if json is not None:
            content = orjson.dumps(json)
            headers = {"Content-Type": "application/json", **(headers or {})}
        async with self.stream(
            method, url, headers=headers, content=content, timeout=timeout, allows=allows
        ) as response:
            body = bytearray()
            async for chunk in limited(response, max_bytes):
                body += chunk
            return Answer(response.status_code, _lower(response.headers), bytes(body), str(response.url))

    async def download(
        self,
        url: str,
        file: BinaryIO,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float = 300.0,
        max_bytes: int = DEFAULT_LIMIT,
        allows: Allows | None = None,
    ) -> Answer:
        """GET `url` into `file`; the answer's body is empty unless the status is 400 or above, then nothing is written.

        Raises as `request` does.
        """
        async with self.stream("GET", url, headers=headers, timeout=timeout, allows=allows) as response:
            failed = response.status_code >= 400
            body = bytearray()
            async for chunk in limited(response, MIB if failed else max_bytes):
                if failed:
                    body += chunk
                else:
                    file.write(chunk)
            return Answer(response.status_code, _lower(response.headers), bytes(body), str(response.url))

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        allows: Allows | None = None,
    ) -> AsyncIterator[httpx.Response]:
        """The answer after redirects, its body not read yet; `timeout` also covers what the caller does with it."""
        target = parse_url(url)
        where = f"{method} {_shown(str(target))}"
        try:
            async with asyncio.timeout(timeout):
                response = await self._follow(method, target, dict(headers or {}), content, timeout, allows)
                try:
                    yield response
                finally:
                    await response.aclose()
        except TimeoutError as error:
            raise ForeignError(f"{where} took longer than {timeout:g} seconds") from error
        except httpx.TimeoutException as error:
            raise ForeignError(f"{where} failed: no answer in time ({type(error).__name__})") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ForeignError(f"{where} failed: {error or type(error).__name__}") from error

    async def _follow(
        self,
        method: str,
        url: httpx.URL,
        headers: dict[str, str],
        content: bytes | None,
        timeout: float,
        allows: Allows | None,
    ) -> httpx.Response:
        if allows is not None and not allows(url):
            raise NotAllowedError(f"Requests to {_shown(str(url))} are not allowed")
        waiting = httpx.Timeout(timeout, connect=CONNECT_TIMEOUT)
        for _ in range(MAX_REDIRECTS + 1):
            response = await self._client.send(
                self._client.build_request(method, url, headers=headers, content=content, timeout=waiting), stream=True
            )
            location = response.headers.get("location")
            if response.status_code not in _REDIRECTS or not location or method not in ("GET", "HEAD"):
                return response
            await response.aclose()
            following = parse_url(str(url.join(location)))
            if not (allows(following) if allows is not None else origin_of(following) == origin_of(url)):
                raise NotAllowedError(
                    f"URL not allowed by backend.reading.allow configuration: {_shown(str(following))} "
                    f"(a redirect of {_shown(str(url))})"
                )
            if origin_of(following) != origin_of(url):
                headers = {name: value for name, value in headers.items() if name.lower() not in _CREDENTIAL_HEADERS}
            url = following
        raise ForeignError(f"Too many redirects (max {MAX_REDIRECTS}) when reading {_shown(str(url))}")


async def limited(response: httpx.Response, max_bytes: int) -> AsyncIterator[bytes]:
    """The body, unpacked, in chunks. Raises ForeignError above `max_bytes`."""
    size = 0
    async for chunk in response.aiter_bytes():
        size += len(chunk)
        if size > max_bytes:
            raise ForeignError(f"{_shown(str(response.url))} answered more than {max_bytes} bytes")
        yield chunk


def parse_url(url: str) -> httpx.URL:
    """An absolute http(s) URL. Raises InputError for another one, and for one with credentials or characters out of place."""
    if any(character <= " " or character in "\\\x7f" for character in url):
        raise InputError("Invalid URL: it holds blanks, control characters or backslashes")
    try:
        parsed = httpx.URL(url)
        host = urlsplit(url).hostname or ""
    except (httpx.InvalidURL, ValueError) as error:
        raise InputError(f"Invalid URL: {error}") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise InputError(f"Invalid URL, {_shown(url)} is no absolute http or https URL")
    # Two parsers that see two hosts: what one of them allows, the other would ask.
    if host.isascii() and host.lower() != parsed.raw_host.decode("ascii").lower():
        raise InputError("Invalid URL: its host is ambiguous")
    if parsed.userinfo:
        raise InputError(f"Invalid URL: {parsed.host} must be asked without credentials in the URL")
    return parsed


def origin_of(url: httpx.URL | str) -> str:
    """`scheme://host[:port]`, lower-case, the scheme's own port left out."""
    parsed = httpx.URL(url) if isinstance(url, str) else url
    port = f":{parsed.port}" if parsed.port is not None else ""
    return f"{parsed.scheme}://{parsed.raw_host.decode('ascii').lower()}{port}"


def rules_of(entries: Iterable[tuple[str, tuple[str, ...] | None]]) -> tuple[AllowRule, ...]:
    """Rules of `(host, paths)` pairs. Raises InputError for a host that is a URL or has a path."""
    rules = tuple(AllowRule(host, paths) for host, paths in entries)
    for rule in rules:
        if "/" in rule.host or "@" in rule.host:
            raise InputError(f"backend.reading.allow: host {rule.host!r} must be a name, optionally with a port")
    return rules


def _is_port_allowed(port: int | None, ports: str) -> bool:
    if not ports:
        return port is None
    first, dash, last = ports.partition("-")
    if not first.isdigit() or (dash and not last.isdigit()):
        return False
    return port is not None and int(first) <= port <= int(last if dash else first)


def _shown(url: str) -> str:
    """A URL as messages show it: without credentials, query (signed URLs are secrets) and fragment."""
    head = url.partition("?")[0].partition("#")[0]
    scheme, separator, rest = head.partition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}{separator}{authority.rpartition('@')[2]}{slash}{path}" if separator else head


def _lower(headers: httpx.Headers) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
