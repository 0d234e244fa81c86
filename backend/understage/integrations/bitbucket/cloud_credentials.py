"""How requests to Bitbucket Cloud sign in: a token of an OAuth consumer, a user with a token or app password, or a token."""

from collections.abc import Mapping

from understage.config.integration_settings import BitbucketCloudIntegration
from understage.integrations.reader.authorization import basic
from understage.integrations.reader.leased_token import LeasedToken, read_oauth_answer
from understage.platform.http import Answer
from understage.sdk.ports import Http

TOKEN_URL = "https://bitbucket.org/site/oauth2/access_token"


class BitbucketCloudCredentials:
    """The credentials of one entry of `integrations.bitbucketCloud`."""

    def __init__(self, http: Http, entry: BitbucketCloudIntegration) -> None:
        self._http = http
        self._entry = entry
        self._leased = LeasedToken(self._fetch_token)

    async def lease(self) -> str | None:
        """A token for the OAuth consumer; None where none is configured."""
        return await self._leased.get() if self._entry.client_id else None

    def headers(self, token: str | None) -> dict[str, str]:
        """The headers that sign in with a leased token, or else with what is configured."""
        entry = self._entry
        if token:
            return {"Authorization": f"Bearer {token}"}
        password = entry.token or entry.app_password
        if entry.username and password:
            return {"Authorization": basic(entry.username, password)}
        return {"Authorization": f"Bearer {entry.token}"} if entry.token else {}

    async def sign_in(self) -> Mapping[str, str]:
        """The headers of a request, whichever way."""
        return self.headers(await self.lease())

    async def _fetch_token(self) -> tuple[str, float]:
        entry = self._entry
        answer = await self._http.request(
            "POST",
            TOKEN_URL,
            headers={
                "Authorization": basic(entry.client_id or "", entry.client_secret or ""),
                "Content-Type": "application/x-www-form-urlencoded",
            },
            content=b"grant_type=client_credentials",
        )
        return read_oauth_answer(Answer(answer.status, answer.headers, answer.body, TOKEN_URL), "Bitbucket Cloud")
