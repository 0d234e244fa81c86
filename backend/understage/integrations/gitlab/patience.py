"""`integrations.gitlab[].retry`: requests to one GitLab are repeated and slowed down as its owner wants.

Around the client of its reader, as the stock integration wraps `fetch`: a request whose status is listed, or that gets no answer,
is sent again up to `maxRetries` times, after what GitLab asks for or a pause that doubles; no more than `maxApiRequestsPerMinute`
begin within a minute. Discovery is patient by itself (`forge_api`).
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, BinaryIO

from understage.config.integration_settings import GitlabRetry
from understage.errors import ForeignError
from understage.integrations.pauses import retry_after
from understage.platform.http import Answer, HttpClient

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 10.0
# Whoever waits for a file does not wait for an hour.
LONGEST_ASKED = 60.0
MINUTE = 60.0


class PatientClient(HttpClient):
    """Sends by `client`, in this way. One for each entry, so that all requests to it are counted."""

    def __init__(
        self,
        client: HttpClient,
        retry: GitlabRetry,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._inner = client
        self._retry = retry
        self._sleep = sleep
        self._clock = clock
        self._begun: deque[float] = deque()

    async def request(self, method: str, url: str, **options: Any) -> Answer:
        """As `HttpClient`; a write is sent once."""
        if method not in ("GET", "HEAD"):
            return await self._once(lambda: self._inner.request(method, url, **options))
        return await self._patiently(lambda: self._inner.request(method, url, **options))

    async def download(self, url: str, file: BinaryIO, **options: Any) -> Answer:
        """As `HttpClient`; the file begins anew with each attempt."""
        start = file.tell()

        async def attempt() -> Answer:
            file.seek(start)
            file.truncate()
            return await self._inner.download(url, file, **options)

        return await self._patiently(attempt)

    async def _patiently(self, send: Callable[[], Awaitable[Answer]]) -> Answer:
        most = self._retry.max_retries if self._retry.retry_status_codes else 0
        for attempt in range(1, most + 1):
            pause = min(FIRST_PAUSE * 2 ** (attempt - 1), LONGEST_PAUSE)
            try:
                answer = await self._once(send)
            except ForeignError:
                await self._sleep(pause)
                continue
            if answer.status not in self._retry.retry_status_codes:
                return answer
            asked = retry_after(answer.headers)
            await self._sleep(pause if asked is None else min(asked, LONGEST_ASKED))
        return await self._once(send)

    async def _once(self, send: Callable[[], Awaitable[Answer]]) -> Answer:
        most = self._retry.max_api_requests_per_minute
        while most > 0:
            now = self._clock()
            while self._begun and self._begun[0] <= now - MINUTE:
                self._begun.popleft()
            if len(self._begun) < most:
                self._begun.append(now)
                break
            await self._sleep(self._begun[0] + MINUTE - now)
        return await send()


def patient(client: HttpClient, retry: GitlabRetry) -> HttpClient:
    """The client itself where nothing is wanted."""
    if (retry.max_retries > 0 and retry.retry_status_codes) or retry.max_api_requests_per_minute > 0:
        return PatientClient(client, retry)
    return client
