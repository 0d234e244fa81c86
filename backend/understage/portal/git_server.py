"""The local git server over HTTP: clone and push for git, pages and raw files for people. Mounted at `/git` by the app.

It serves callers on the same machine only, under the names it is known by: a page elsewhere that points its own name at this
address gets nothing. The service itself pushes to the bare repositories directly.
"""

import asyncio
import ipaddress
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from understage.errors import InputError, NotAllowedError, NotFoundError, PayloadTooLargeError, UnderstageError
from understage.integrations.git.command import GitCommand, end_process, find_git
from understage.integrations.local.repositories import LocalRepositories, Place
from understage.integrations.local.source import LocalSource
from understage.portal import git_pages

MIB = 1024 * 1024
PUSH_LIMIT = 512 * MIB
_CHUNK = 64 * 1024
_SERVICES = ("git-upload-pack", "git-receive-pack")
_CONFIG = {
    "http.getanyfile": "false",
    "receive.fsckObjects": "true",
    "receive.maxInputSize": str(PUSH_LIMIT),
    "receive.autogc": "false",
}


def create_git_server(source: LocalSource, *, timeout: float = 600.0) -> ASGIApp:
    """The ASGI application to mount at `/git`. `timeout` (seconds) is for one clone or push."""
    server = _GitServer(source, timeout)
    routes = [Route("/{path:path}", server.answer, methods=["GET", "HEAD", "POST"])]
    return Starlette(routes=routes)


class _GitServer:
    def __init__(self, source: LocalSource, timeout: float) -> None:
        self._source = source
        self._repositories: LocalRepositories = source.repositories
        self._timeout = timeout
        self._command = GitCommand(config=_CONFIG)

    async def answer(self, request: Request) -> Response:
        try:
            _check_caller(request, self._repositories.host)
            path = _raw_path(request)
            service = _service_of(request, path)
            if service is not None:
                return await self._serve_git(request, *service)
            if request.method == "POST":
                raise NotFoundError("Only git itself posts here")
            return await self._show(path)
        except UnderstageError as error:
            page = git_pages.error_page(error.status, error.message)
            return HTMLResponse(page, error.status, headers=git_pages.HEADERS)

    async def _show(self, path: str) -> Response:
        if not path.strip("/"):
            return _html(await asyncio.to_thread(git_pages.repositories_page, self._repositories))
        place = self._repositories.parse(f"{self._repositories.root_url}/{path.lstrip('/')}")
        assert place is not None  # the URL was built of this server's root
        await asyncio.to_thread(self._repositories.existing, place.owner, place.name)
        if path.rstrip("/").endswith(".git"):
            return RedirectResponse(self._repositories.web_url(place.owner, place.name))
        is_raw = path.lstrip("/").split("/")[2:3] == ["raw"]
        return await (self._raw(place) if is_raw else self._page(place))

    async def _page(self, place: Place) -> Response:
        ref = place.ref or await self._default_branch(place)
        at = Place(place.owner, place.name, ref, place.path)
        try:
            commit = await self._source.commit(at)
        except NotFoundError:
            if place.ref is None:
                return _html(git_pages.empty_page(self._repositories, at))
            raise
        if at.path and not await self._is_folder(at, commit):
            return _html(git_pages.file_page(self._repositories, at, ref, await self._source.read(at, commit)))
        entries = await self._source.entries(at, commit)
        return _html(git_pages.folder_page(self._repositories, at, ref, entries, await self._source.branches(at)))

    async def _raw(self, place: Place) -> Response:
        content = await self._source.read(place, await self._source.commit(place))
        is_text = git_pages.as_text(content) is not None
        media_type = "text/plain; charset=utf-8" if is_text else "application/octet-stream"
        disposition = {} if is_text else {"Content-Disposition": "attachment"}
        return Response(content, media_type=media_type, headers={**git_pages.RAW_HEADERS, **disposition})

    async def _is_folder(self, place: Place, commit: str) -> bool:
        return any(entry.type == "tree" for entry in await self._source.entries(place, commit, itself=True))

    async def _default_branch(self, place: Place) -> str:
        head = self._repositories.existing(place.owner, place.name) / "HEAD"
        return (await asyncio.to_thread(head.read_text)).strip().removeprefix("ref: refs/heads/")

    async def _serve_git(self, request: Request, owner: str, name: str, action: str) -> Response:
        """Run `git http-backend` (CGI) for one request."""
        repository = await asyncio.to_thread(self._repositories.existing, owner, name)
        process = await asyncio.create_subprocess_exec(
            find_git(),
            "http-backend",
            env=self._command.environment() | _cgi_environment(request, repository, action),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(self._timeout):
                # The body is read to its end before the answer starts: from then on only the server may listen.
                (status, headers), _ = await asyncio.gather(_read_cgi_headers(process), _feed(request, process))
        except BaseException:
            await end_process(process)
            raise
        return StreamingResponse(_read_body(process, self._timeout), status, headers=headers)


def _check_caller(request: Request, host: str) -> None:
    """Raise NotAllowedError for a caller on another machine, or one that calls us by another name."""
    port = f":{host.rpartition(':')[2]}" if ":" in host else ""
    names = {host, *(f"{name}{port}" for name in ("localhost", "127.0.0.1", "[::1]"))}
    forwarded = any(name in request.headers for name in ("x-forwarded-for", "forwarded"))
    if forwarded or request.client is None or not _is_loopback(request.client.host):
        raise NotAllowedError(
            "The local git server answers on its own machine only: configure a forge under integrations to share repositories"
        )
    if request.headers.get("host", "").lower() not in names:
        raise NotAllowedError(f"The local git server is {host}")


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _raw_path(request: Request) -> str:
    """The path below the mount, still percent-encoded: a branch may hold an encoded slash."""
    raw: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    return raw.partition(b"?")[0].decode("latin-1").removeprefix(request.scope.get("root_path", ""))


def _service_of(request: Request, path: str) -> tuple[str, str, str] | None:
    """Owner, name and action of a request of git's; None for one of a person's. Raises InputError for old git clients."""
    segments = path.strip("/").split("/", 2)
    if len(segments) < 3 or not segments[1].endswith(".git"):
        return None
    owner, name, action = segments[0], segments[1].removesuffix(".git"), segments[2]
    if action == "info/refs" and request.method == "GET":
        if request.query_params.get("service") not in _SERVICES:
            raise InputError("This server speaks git's smart HTTP protocol only")
        return owner, name, action
    if action in _SERVICES and request.method == "POST":
        return owner, name, action
    return None


def _cgi_environment(request: Request, repository: Path, action: str) -> dict[str, str]:
    headers = request.headers
    environment = {
        "GIT_PROJECT_ROOT": str(repository),
        "GIT_HTTP_EXPORT_ALL": "1",
        "PATH_INFO": f"/{action}",
        "REQUEST_METHOD": request.method,
        "QUERY_STRING": request.url.query,
        "CONTENT_TYPE": headers.get("content-type", ""),
        "REMOTE_USER": "local",
        "REMOTE_ADDR": request.client.host if request.client else "",
        "GIT_PROTOCOL": headers.get("git-protocol", ""),
        "HTTP_CONTENT_ENCODING": headers.get("content-encoding", ""),
    }
    if headers.get("content-length", "").isdigit():
        environment["CONTENT_LENGTH"] = headers["content-length"]
    return environment


async def _feed(request: Request, process: asyncio.subprocess.Process) -> None:
    """Hand the request's body to git. Raises PayloadTooLargeError above the limit."""
    assert process.stdin is not None
    size = 0
    try:
        with suppress(BrokenPipeError, ConnectionResetError, ClientDisconnect):
            async for chunk in request.stream():
                size += len(chunk)
                if size > PUSH_LIMIT:
                    raise PayloadTooLargeError(f"A push may hold {PUSH_LIMIT // MIB} MiB")
                # git may have its answer ready, and its input closed, before the last (empty) chunk is read.
                if chunk and not process.stdin.is_closing():
                    process.stdin.write(chunk)
                    await process.stdin.drain()
    finally:
        process.stdin.close()


async def _read_cgi_headers(process: asyncio.subprocess.Process) -> tuple[int, dict[str, str]]:
    assert process.stdout is not None
    status, headers = 200, {"Cache-Control": "no-cache"}
    while line := (await process.stdout.readline()).decode("latin-1").strip():
        name, _, value = line.partition(":")
        if name.lower() == "status":
            status = int(value.split()[0])
        else:
            headers[name] = value.strip()
    return status, headers


async def _read_body(process: asyncio.subprocess.Process, timeout: float) -> AsyncIterator[bytes]:
    assert process.stdout is not None
    try:
        async with asyncio.timeout(timeout):
            while chunk := await process.stdout.read(_CHUNK):
                yield chunk
    finally:
        await end_process(process)


def _html(page: str) -> Response:
    return HTMLResponse(page, headers=git_pages.HEADERS)
