"""`http:request`: a request to a host that the configuration allows; `http:backstage:request`: one to another plugin."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal
from urllib.parse import urlencode, urlsplit

from pydantic import Field

from understage.sdk import (
    ActionContext,
    ActionModel,
    Example,
    ForeignError,
    HttpResponse,
    InputError,
    action,
)
from understage_actions._tree import write_file

READING = ("GET", "HEAD", "OPTIONS")
MAX_OUTPUT_BYTES = 2 * 1024 * 1024
Method = Literal["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "UPDATE"]
Send = Callable[..., Awaitable[HttpResponse]]


class Exchange(ActionModel):
    """What both actions take."""

    method: Method = Field(default="GET", description="The method; a dry run sends GET, HEAD and OPTIONS only")
    headers: dict[str, str] = Field(default_factory=dict, description="Headers; secrets are welcome here")
    params: dict[str, Any] = Field(default_factory=dict, description="Members of the query, added to the URL's own")
    body: Any = Field(default=None, description="A text as it is; anything else as JSON")
    timeout: int = Field(default=60_000, ge=1, le=600_000, description="Time limit in milliseconds")
    continue_on_bad_response: bool = Field(default=False, description="Do not fail on a status from 400 on")
    log_request_path: bool = Field(default=True, description="Write the address into the log")
    idempotency_key: str | None = Field(
        default=None, description="Sent as Idempotency-Key, for a server that knows what was sent before"
    )


class RequestInput(Exchange):
    """To where."""

    url: str = Field(description="Absolute URL, at a host of the integrations or of backend.reading.allow")
    target_path: str | None = Field(default=None, description="File of the workspace for the answer's body")


class BackstageRequestInput(Exchange):
    """To which plugin."""

    path: str = Field(description="Id of the plugin, then the path within it: proxy/sonar/api/projects")
    method: Method = Field(description="The method; a dry run sends GET, HEAD and OPTIONS only")
    use_backstage_token: bool = Field(
        default=False, description="Taken for the sake of other implementations; every request is on behalf of the user"
    )


class RequestOutput(ActionModel):
    """The answer; nothing in a dry run that did not send."""

    code: int | None = Field(default=None, description="Status")
    headers: dict[str, str] | None = Field(default=None, description="Headers, their names in lower case")
    body: Any = Field(default=None, description="JSON as a value, anything else as {message: text}")
    path: str | None = Field(default=None, description="The file with the body, with `targetPath`")


@action(
    "http:request",
    description="""
    Sends a request to a host of the integrations or of `backend.reading.allow`; redirects are followed to such hosts only. A
    request that changes something is sent once: a step that runs again takes the answer of the first time.
    """,
    examples=[
        Example("Ask for something", {"url": "https://api.example.com/v1/projects", "params": {"q": "ledger"}}),
        Example(
            "Make something, signed in by a secret",
            {
                "method": "POST",
                "url": "https://api.example.com/v1/projects",
                "headers": {"authorization": "Bearer ${{ secrets.API_TOKEN }}"},
                "body": {"name": "ledger"},
            },
        ),
    ],
    supports_dry_run=True,
)
async def request(ctx: ActionContext, input: RequestInput) -> RequestOutput:
    """Send. ForeignError for a status from 400 on, NotAllowedError for other hosts."""
    shown = urlsplit(input.url)._replace(query="", fragment="")
    place = shown._replace(netloc=shown.netloc.rpartition("@")[2]).geturl()
    answer = await _exchange(ctx, input, _with_query(input.url, input.params), place, ctx.ports.http.request)
    if answer is None:
        return RequestOutput()
    if input.target_path is None:
        return _output(answer, _parse(answer))
    write_file(ctx.workspace, input.target_path, answer.body)
    return RequestOutput(code=answer.status, headers=dict(answer.headers), path=input.target_path)


@action(
    "http:backstage:request",
    description="Sends a request to another plugin of this Backstage, such as its proxy, on behalf of the user.",
    examples=[
        Example("Ask a service behind the proxy", {"method": "GET", "path": "proxy/sonar/api/projects"}),
        Example(
            "Make something behind the proxy",
            {
                "method": "POST",
                "path": "proxy/tickets/api/issues",
                "headers": {"content-type": "application/json"},
                "body": {"title": "New service"},
            },
        ),
    ],
    supports_dry_run=True,
)
async def backstage_request(ctx: ActionContext, input: BackstageRequestInput) -> RequestOutput:
    """Send. ForeignError for a status from 400 on."""
    path = input.path.lstrip("/")
    answer = await _exchange(ctx, input, _with_query(path, input.params), path, ctx.ports.backstage.request)
    return RequestOutput() if answer is None else _output(answer, _parse(answer))


async def _exchange(ctx: ActionContext, input: Exchange, url: str, place: str, send: Send) -> HttpResponse | None:
    """The answer; None in a dry run of a request that changes something."""
    shown = f"{input.method} {place}" if input.log_request_path else input.method
    if ctx.is_dry_run and input.method not in READING:
        ctx.log.info(f"Would send {shown}")
        return None
    headers, content = _encode(input)

    async def exchange() -> list[Any]:
        answer = await send(input.method, url, headers=headers, content=content, timeout=input.timeout / 1000)
        if answer.status >= 400 and not input.continue_on_bad_response:
            raise ForeignError(f"Unable to complete request: {shown} answered {answer.status}{_reason(answer)}")
        if len(answer.body) > MAX_OUTPUT_BYTES and getattr(input, "target_path", None) is None:
            raise InputError(
                f"{shown} answered more than {MAX_OUTPUT_BYTES} bytes: write them to a file by `targetPath`"
            )
        return [answer.status, dict(answer.headers), answer.body.decode("latin-1")]

    if input.method in READING:
        status, found, body = await exchange()
    else:
        status, found, body = await ctx.checkpoint(f"request.{input.idempotency_key or ''}", exchange)
    ctx.log.info(f"{shown}: {status}")
    return HttpResponse(status, found, body.encode("latin-1"))


def _encode(input: Exchange) -> tuple[dict[str, str], bytes | None]:
    headers = dict(input.headers)
    names = {name.lower() for name in headers}
    for name, value in headers.items():
        if any(character in f"{name}{value}" for character in "\r\n\0"):
            raise InputError(f"headers: {name[:50]!r} holds a line break")
    if input.idempotency_key is not None and "idempotency-key" not in names:
        headers["idempotency-key"] = input.idempotency_key
    if input.body is None:
        return headers, None
    is_json = not isinstance(input.body, str)
    for name, value in headers.items():
        if name.lower() == "content-type":
            # A text that is called JSON is JSON already when it can be read as such; else it is made a JSON text.
            is_json = "json" in value.lower() and not (isinstance(input.body, str) and _is_json(input.body))
    if "content-type" not in names and not isinstance(input.body, str):
        headers["content-type"] = "application/json"
    text = json.dumps(input.body, ensure_ascii=False) if is_json or not isinstance(input.body, str) else input.body
    return headers, text.encode()


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _with_query(url: str, params: Mapping[str, Any]) -> str:
    if not params:
        return url
    head, hash_, fragment = url.partition("#")
    query = urlencode({name: _text(value) for name, value in params.items()})
    return f"{head}{'&' if '?' in head else '?'}{query}{hash_}{fragment}"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _output(answer: HttpResponse, body: Any) -> RequestOutput:
    return RequestOutput(code=answer.status, headers=dict(answer.headers), body=body)


def _parse(answer: HttpResponse) -> Any:
    text = answer.body.decode("utf-8", "replace")
    if "json" in answer.headers.get("content-type", "").lower() and text:
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            pass
    return {"message": text}


def _reason(answer: HttpResponse) -> str:
    text = " ".join(answer.body[:2000].decode("utf-8", "replace").split())[:300]
    return f": {text}" if text else ""
