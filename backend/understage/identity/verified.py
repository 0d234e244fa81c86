"""Tokens whose signatures were verified moments ago: a page of the portal asks a dozen times with the same one."""

import time
from collections import OrderedDict

from understage.identity import tokens
from understage.identity.credentials import Credentials

SECONDS = 5.0
MOST = 1024


class VerifiedTokens:
    """Keeps the credentials of tokens for five seconds, and none longer than the token itself is valid."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[float, Credentials]] = OrderedDict()

    def find(self, token: str) -> Credentials | None:
        """The credentials of a token that was verified within the last seconds."""
        found = self._kept.get(token)
        if found is None:
            return None
        until, credentials = found
        if time.time() >= until:
            del self._kept[token]
            return None
        return credentials

    def keep(self, token: str, credentials: Credentials) -> None:
        """Remember the credentials that a verification gave.

        Those of a service tell nothing of their end, those of a service for a user that of the user: the token tells its own.
        """
        until = min(time.time() + SECONDS, tokens.expiry_of(token))
        if credentials.expires_at is not None:
            until = min(until, credentials.expires_at.timestamp())
        self._kept.pop(token, None)
        self._kept[token] = (until, credentials)
        while len(self._kept) > MOST:
            self._kept.popitem(last=False)
