"""How commands ask a running service: with the token that was given, or as a guest where guests may sign in."""

from collections.abc import Callable
from typing import Any

import httpx

from understage.cli.console import fail

GUEST = "/api/auth/guest/refresh"
GUEST_TIMEOUT = 30.0
NO_ANSWER = 2


def authorization(url: str, token: str | None) -> dict[str, str]:
    """The header; none where there is no token and guests may not sign in, as with `understage up` they may."""
    bearer = token or _guest_token(url)
    return {} if bearer is None else {"authorization": f"Bearer {bearer}"}


def show_answer(
    url: str, path: str, token: str | None, show: Callable[[Any], int], *, what: str, timeout: float
) -> int:
    """GET a path and `show` its JSON; returns the exit code of `show`, or 2 after saying why `what` is not told."""
    url = url.rstrip("/")
    try:
        answer = httpx.get(url + path, headers=authorization(url, token), timeout=timeout, trust_env=False)
        body = answer.json()
        if answer.status_code != 200:
            fail(str(body["error"]["message"]))
            return NO_ANSWER
        return show(body)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as problem:
        fail(f"{url}{path} does not tell {what}: {type(problem).__name__}: {problem}")
        return NO_ANSWER


def _guest_token(url: str) -> str | None:
    try:
        answer = httpx.get(url + GUEST, timeout=GUEST_TIMEOUT, trust_env=False)
        token = answer.json()["backstageIdentity"]["token"]
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError):
        return None
    return str(token)
