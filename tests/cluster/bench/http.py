"""How the bench talks to its parts: no proxy, no cookies, no certificate store."""

from http.cookiejar import DefaultCookiePolicy

import httpx


def open_client() -> httpx.Client:
    """A client that is what its headers say: a cookie from a login would make every later request the administrator's.

    It does not verify certificates: the API server makes up its own.
    """
    client = httpx.Client(verify=False, trust_env=False, timeout=60)
    client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return client


def answers(http: httpx.Client, url: str, token: str | None = None) -> bool:
    """Whether a GET of `url` succeeds now; false while nothing listens there."""
    try:
        return http.get(url, headers={"Authorization": f"Bearer {token}"} if token else None).is_success
    except httpx.TransportError:
        return False
