"""The REST API of one forge as actions use it. Made by `integrations.forge_apis`.

Unlike `integrations.forge_api`, which reads lists in the background, this one may change things, and a user waits for it:
it is patient for a minute at most, and sends again only what cannot have had an effect.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

import orjson

from understage.errors import (
    ConflictError,
    ForeignError,
    InputError,
    NotAllowedError,
    NotFoundError,
    UnderstageError,
)
from understage.integrations.pauses import pause_of
from understage.sdk.ports import ApiAnswer, ForgeType, GitCredentials, Http, HttpResponse, Query

ATTEMPTS = 4
LONGEST_WAIT_SECONDS = 60.0
MESSAGE_LENGTH = 800
_REFUSALS: Mapping[int, type[UnderstageError]] = {
    400: InputError,
    401: NotAllowedError,
    403: NotAllowedError,
    404: NotFoundError,
    409: ConflictError,
    422: InputError,
}

SignIn = Callable[[], Awaitable[Mapping[str, str]]]


@dataclass(frozen=True)
class SignedApi:
    """Implements `understage.sdk.ForgeApi`.

    `section` is where the configuration has the credentials, None when they came with the step; `sign_in` gives the headers
    of each request; `hidden` are the texts that must not be shown.
    """

    http: Http
    type: ForgeType
    host: str
    url: str
    sign_in: SignIn = field(repr=False)
    section: str | None = None
    credentials: GitCredentials | None = None
    hidden: tuple[str, ...] = field(default=(), repr=False)

    async def request(self, method: str, path: str, *, query: Query | None = None, body: Any = None) -> ApiAnswer:
        """See `ForgeApi`."""
        url = f"{self.url}{path}" + (f"?{urlencode(query)}" if query else "")
        content = None if body is None else orjson.dumps(body)
        is_read = method in ("GET", "HEAD")
        for attempt in range(1, ATTEMPTS + 1):
            headers = {"Accept": _ACCEPTED[self.type], **await self.sign_in()}
            if content is not None:
                headers["Content-Type"] = "application/json"
            answer = await self.http.request(method, url, headers=headers, content=content)
            pause = pause_of(answer, attempt)
            # After 502, 503 or 504 a write may have had its effect; what a limit of the rate puts off has not.
            is_safe = is_read or answer.status in (403, 429)
            if pause is None or not is_safe or pause > LONGEST_WAIT_SECONDS or attempt == ATTEMPTS:
                break
            await asyncio.sleep(pause)
        if answer.status >= 300:
            raise self._refusal(method, path, answer)
        return ApiAnswer(answer.status, self._parse(answer), answer.headers)

    def _parse(self, answer: HttpResponse) -> Any:
        if not answer.body.strip():
            return None
        try:
            return orjson.loads(answer.body)
        except orjson.JSONDecodeError as error:
            raise ForeignError(f"{self.host} answered {answer.status} with a body that is not JSON") from error

    def _refusal(self, method: str, path: str, answer: HttpResponse) -> UnderstageError:
        phrase = next((status.phrase for status in HTTPStatus if status == answer.status), "")
        words = said(answer.body) or phrase
        kind = _REFUSALS.get(answer.status, ForeignError)
        if pause_of(answer, 1) is not None and answer.status in (403, 429):
            kind, words = ForeignError, f"{words} (rate limit exceeded, try again later)"
        text = f"{words}{self._advice(answer)} ({self.host} answered {answer.status} to {method} {path})"
        for secret in self.hidden:
            text = text.replace(secret, "***")
        return kind(text)

    def _advice(self, answer: HttpResponse) -> str:
        where = f"the credentials under {self.section}" if self.section else "the token that was given to the step"
        if answer.status == 401:
            return f". Check {where}"
        if answer.status == 403:
            # GitHub tells which permission would have done.
            needed = answer.headers.get("x-accepted-github-permissions") or answer.headers.get(
                "x-accepted-oauth-scopes"
            )
            return f". Check what {where} may do" + (f": needed is {needed}" if needed else "")
        if answer.status == 404:
            return f". Check the names, and that {where} may see it"
        return ""


_ACCEPTED: Mapping[ForgeType, str] = {
    "github": "application/vnd.github+json",
    "gitlab": "application/json",
    "bitbucketCloud": "application/json",
}


def said(body: bytes) -> str:
    """What a forge says in the body of a refusal, on one line; empty for a body of another form.

    GitHub has `message` and `errors`, GitLab `message` (text, list or an object of lists) or `error`, Bitbucket an `error`
    with `message` and `detail`.
    """
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ""
    if not isinstance(found, dict):
        return ""
    parts = [_words(found.get(name)) for name in ("message", "error", "error_description", "errors")]
    return "; ".join(part for part in parts if part)[:MESSAGE_LENGTH]


def _words(value: Any) -> str:
    if isinstance(value, str):
        return " ".join(value.split())
    if isinstance(value, list):
        return ", ".join(part for part in map(_words, value) if part)
    if isinstance(value, dict):
        if "message" in value:
            return " ".join(part for part in (_words(value["message"]), _words(value.get("detail"))) if part)
        if "code" in value and "field" in value:  # GitHub: {resource, field, code}
            return f"{value.get('resource', '')}.{value['field']} {value['code']}".lstrip(".")
        return ", ".join(f"{name} {_words(item)}" for name, item in value.items() if _words(item))
    return ""
