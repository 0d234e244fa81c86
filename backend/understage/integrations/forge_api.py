"""Asking the JSON API of a forge for lists: patient where it asks for patience, and clear about what it refuses.

Called by the clients of the forges for the catalog's discovery, which runs in the background and may wait. Files are read
by `integrations.reader`, which may not.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode

import orjson
import structlog

from understage.errors import ForeignError, NotAllowedError, NotFoundError
from understage.integrations.pauses import pause_of
from understage.sdk.ports import Http, HttpResponse

log = structlog.get_logger(__name__)

ATTEMPTS = 4
LONGEST_WAIT_SECONDS = 3600.0
PAGE_LIMIT = 1000
AT_ONCE = 5

SignIn = Callable[[], Awaitable[Mapping[str, str]]]


@dataclass(frozen=True)
class ForgeApi:
    """The API of one forge. `section` is the key of the configuration that it is an entry of, for messages.

    `sign_in` gives the headers of each request: tokens may end while there are pages to read.
    """

    http: Http
    host: str
    url: str
    section: str
    sign_in: SignIn

    async def get(self, path: str, parameters: Mapping[str, str | int] | None = None) -> "Reply":
        """GET below the API's address. Raises NotFoundError, NotAllowedError, ForeignError."""
        query = f"?{urlencode(parameters)}" if parameters else ""
        return await self.ask("GET", f"{self.url}{path}{query}")

    async def holding(
        self, paths: Sequence[str], parameters: Sequence[Mapping[str, str | int]], *, method: str = "GET"
    ) -> list[bool]:
        """For each path whether there is something; a few are asked at a time. What we may not see is not there.

        Raises as `get`, without NotFoundError; NotAllowedError only when we may see none of them.
        """
        gate = asyncio.Semaphore(AT_ONCE)
        refusals: list[NotAllowedError] = []

        async def is_there(path: str, query: Mapping[str, str | int]) -> bool:
            async with gate:
                try:
                    await self.ask(method, f"{self.url}{path}?{urlencode(query)}")
                except NotFoundError:
                    return False
                except NotAllowedError as error:
                    # A repository may keep its files to itself. Credentials that see none at all are the wrong ones.
                    refusals.append(error)
                    return False
                return True

        found = await asyncio.gather(*(is_there(*pair) for pair in zip(paths, parameters, strict=True)))
        if refusals and len(refusals) == len(paths):
            raise refusals[0]
        return found

    async def ask(self, method: str, url: str, body: Any = None) -> "Reply":
        """Send one request, again after the pause that the forge asks for. Raises as `get`."""
        content = None if body is None else orjson.dumps(body)
        for attempt in range(1, ATTEMPTS + 1):
            headers = {"Accept": "application/json", **await self.sign_in()}
            if content is not None:
                headers["Content-Type"] = "application/json"
            answer = await self.http.request(method, url, headers=headers, content=content)
            pause = pause_of(answer, attempt)
            if pause is None or pause > LONGEST_WAIT_SECONDS or attempt == ATTEMPTS:
                break
            log.warning("a forge asks to wait", host=self.host, status=answer.status, seconds=round(pause))
            await asyncio.sleep(pause)
        return Reply(self._checked(answer, f"{method} {url.partition('?')[0]}"), self.host)

    async def pages(
        self, path: str, parameters: Mapping[str, str | int], *, size: int, size_name: str = "per_page"
    ) -> AsyncIterator[Mapping[str, Any]]:
        """The objects of a list that is read by page number, until a page is empty. Raises ForeignError for too many."""
        for number in range(1, PAGE_LIMIT + 1):
            reply = await self.get(path, {**parameters, size_name: size, "page": number})
            rows = reply.rows()
            for row in rows:
                yield row
            # A forge may give less than it was asked for: only an empty page, or its own word, is the end.
            if not rows or reply.headers.get("x-next-page") == "":
                return
        raise ForeignError(
            f"{self.host} has more than {PAGE_LIMIT} pages of {path}: choose larger pages or less to read"
        )

    def _checked(self, answer: HttpResponse, doing: str) -> HttpResponse:
        if answer.status < 400:
            return answer
        phrase = next((status.phrase for status in HTTPStatus if status == answer.status), "")
        text = f"{self.host} answered {answer.status} {phrase} to {doing}"
        if pause_of(answer, 1) is not None and answer.status in (403, 429):
            raise ForeignError(f"{text} (rate limit exceeded): read less often, or sign in under {self.section}")
        if answer.status in (401, 403):
            raise NotAllowedError(f"{text}: check the credentials of {self.host} under {self.section}")
        if answer.status == 404:
            raise NotFoundError(f"{text}: check the name, and that the credentials under {self.section} may see it")
        raise ForeignError(text)


@dataclass(frozen=True)
class Reply:
    """A successful answer."""

    answer: HttpResponse
    host: str

    @property
    def headers(self) -> Mapping[str, str]:
        """Header names are in lower case."""
        return self.answer.headers

    def json(self) -> Any:
        """The body. Raises ForeignError for one that is not JSON."""
        try:
            return orjson.loads(self.answer.body)
        except orjson.JSONDecodeError as error:
            raise ForeignError(f"{self.host} answered {self.answer.status} with a body that is not JSON") from error

    def object(self) -> Mapping[str, Any]:
        """The body, an object. Raises ForeignError for anything else."""
        body = self.json()
        if not isinstance(body, dict):
            raise ForeignError(f"{self.host} answered with something that is no object")
        return body

    def rows(self) -> list[Mapping[str, Any]]:
        """The body, a list of objects. Raises ForeignError for anything else."""
        body = self.json()
        if not isinstance(body, list) or not all(isinstance(row, dict) for row in body):
            raise ForeignError(f"{self.host} answered with something that is no list of objects")
        return body


def segment(text: str) -> str:
    """A name as one segment of a path."""
    return quote(text, safe="")
