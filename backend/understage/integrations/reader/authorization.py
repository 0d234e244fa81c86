"""The `Authorization` header that several forges share."""

import base64


def basic(username: str, password: str) -> str:
    """Its value for a name and a password."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()
