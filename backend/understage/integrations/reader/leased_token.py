"""A token that is asked for and kept until shortly before its end. Used by the sources whose hosts give out such tokens."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from understage.errors import ForeignError
from understage.platform.http import Answer

RESERVE_SECONDS = 600.0
USUAL_SECONDS = 3600.0


class LeasedToken:
    """One token. `fetch` asks for it and gives the text and the seconds it lives."""

    def __init__(self, fetch: Callable[[], Awaitable[tuple[str, float]]]) -> None:
        self._fetch = fetch
        self._token = ""
        self._ends_at = 0.0
        # Many files are read at once: the first asks, the others wait for its answer.
        self._lock = asyncio.Lock()

    async def get(self) -> str:
        """The token. Raises what `fetch` raises; the next call asks again."""
        async with self._lock:
            if time.monotonic() >= self._ends_at:
                self._token, seconds = await self._fetch()
                self._ends_at = time.monotonic() + max(seconds - RESERVE_SECONDS, seconds / 2)
            return self._token


def read_oauth_answer(answer: Answer, where: str) -> tuple[str, float]:
    """Token and lifetime in the answer of an OAuth token endpoint. Raises ForeignError, which never holds the answer."""
    if answer.status != 200:
        raise ForeignError(f"{where} gave no token: it answered {answer.status}; check the credentials of this host")
    content: Any = answer.json()
    token = content.get("access_token") if isinstance(content, dict) else None
    if not isinstance(token, str) or not token:
        raise ForeignError(f"{where} gave no token: its answer holds none")
    try:
        return token, float(content.get("expires_in") or USUAL_SECONDS)
    except (TypeError, ValueError):
        return token, USUAL_SECONDS
