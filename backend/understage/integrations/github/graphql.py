"""GitHub's GraphQL API: one query, and lists by cursor. Used by `organizations` for discovery."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import structlog

from understage.config.integration_settings import GithubIntegration
from understage.errors import ForeignError, NotFoundError
from understage.integrations.forge_api import LONGEST_WAIT_SECONDS, PAGE_LIMIT, ForgeApi, Reply
from understage.integrations.github.credentials import Credential, GithubCredentials, github_api_url
from understage.integrations.pauses import UNKNOWN_WAIT_SECONDS
from understage.sdk.ports import Http

log = structlog.get_logger(__name__)

Data = Mapping[str, Any]


class GithubGraphql:
    """The API of one entry of `integrations.github`, signed in for the owner that is asked about."""

    def __init__(self, http: Http, entry: GithubIntegration) -> None:
        self.host = entry.host
        self.credentials = GithubCredentials(http, entry)
        self._http = http
        self._url = _graphql_url(github_api_url(entry))

    async def credential(self, owner: str) -> Credential | None:
        """What requests about an owner sign in with."""
        return await self.credentials.find(owner)

    async def query(self, owner: str, text: str, variables: Mapping[str, Any]) -> Data:
        """The `data` of one query. Raises NotFoundError, NotAllowedError, ForeignError with what GitHub says."""

        async def sign_in() -> Mapping[str, str]:
            found = await self.credential(owner)
            return {"Authorization": f"bearer {found.token}"} if found else {}

        api = ForgeApi(self._http, self.host, self._url, "integrations.github", sign_in)
        body = {"query": text, "variables": variables}
        reply = await api.ask("POST", self._url, body)
        answer = reply.object()
        if _is_rate_limited(answer):
            pause = _pause(reply)
            if pause > LONGEST_WAIT_SECONDS:
                raise ForeignError(f"{self.host} allows no more queries for {pause:.0f} seconds: read less often")
            log.warning("a forge asks to wait", host=self.host, seconds=round(pause))
            await asyncio.sleep(pause)
            answer = (await api.ask("POST", self._url, body)).object()
        return self._data(answer)

    async def nodes(
        self, owner: str, text: str, variables: Mapping[str, Any], connection: Callable[[Data], Any]
    ) -> AsyncIterator[Data]:
        """The nodes of a list; `connection` finds it in the data, and the query takes `$cursor`.

        Raises NotFoundError when it is not there, ForeignError when the list has no end.
        """
        cursor: str | None = None
        for _ in range(PAGE_LIMIT):
            found = connection(await self.query(owner, text, {**variables, "cursor": cursor}))
            if not isinstance(found, dict) or not isinstance(found.get("nodes"), list):
                raise NotFoundError(
                    f"{self.host} shows nothing of {owner}: check the name, and that the credentials under "
                    "integrations.github may see it"
                )
            for node in found["nodes"]:
                if isinstance(node, dict):  # what may not be seen is null
                    yield node
            page = found.get("pageInfo") or {}
            if not page.get("hasNextPage"):
                return
            if not page.get("endCursor") or page["endCursor"] == cursor:
                break
            cursor = page["endCursor"]
        raise ForeignError(
            f"{self.host} gives lists of {owner} that do not end: choose larger pages, or try again later"
        )

    def _data(self, answer: Data) -> Data:
        errors, data = answer.get("errors"), answer.get("data")
        if isinstance(errors, list) and errors:
            told = [error for error in errors if isinstance(error, dict)]
            text = "; ".join(str(error.get("message", ""))[:300] for error in told[:3])
            kind = NotFoundError if any(error.get("type") == "NOT_FOUND" for error in told) else ForeignError
            raise kind(f"{self.host} answered: {text}. Check what the credentials under integrations.github may see")
        if not isinstance(data, dict):
            raise ForeignError(f"{self.host} answered a query without data")
        return data


def _graphql_url(api_url: str) -> str:
    """GitHub Enterprise has its GraphQL beside the REST API, not below it."""
    return f"{api_url.removesuffix('/v3')}/graphql"


def _is_rate_limited(answer: Data) -> bool:
    errors = answer.get("errors")
    return isinstance(errors, list) and any(
        isinstance(error, dict) and error.get("type") == "RATE_LIMITED" for error in errors
    )


def _pause(reply: Reply) -> float:
    reset = reply.headers.get("x-ratelimit-reset", "")
    return max(1.0, int(reset) - time.time() + 1) if reset.isdecimal() else UNKNOWN_WAIT_SECONDS
