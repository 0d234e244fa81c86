"""How a request to Gitea signs in: `token <password>` without username, else basic (schemes in lower case, as in Backstage)."""

import base64


def authorization(username: str | None, password: str | None) -> str | None:
    """The Authorization header; None without a password."""
    if not password:
        return None
    if not username:
        return f"token {password}"
    return f"basic {base64.b64encode(f'{username}:{password}'.encode()).decode()}"
