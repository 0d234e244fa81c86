"""Who requests to one GitHub host sign in as: the installation of a GitHub App, else the token of the configuration.

Called by the url reader for each file and by the discovery of repositories and teams. An app signs a short-lived JWT with
its private key, finds the installation of the owner, and gets a token for it, which is kept until ten minutes before its end.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import orjson

from understage.config.integration_settings import GithubApp, GithubIntegration
from understage.errors import ForeignError, InputError, NotAllowedError, UnderstageError
from understage.sdk.ports import Http, HttpResponse

PAGE_LIMIT = 100
PER_PAGE = 100
INSTALLATIONS_SECONDS = 60.0
RESERVE_SECONDS = 600.0
JWT_SECONDS = 540
CLOCK_SKEW_SECONDS = 60


@dataclass(frozen=True)
class Credential:
    """A bearer token; one of an app may not see what one of a person may (e-mail addresses)."""

    token: str
    type: Literal["app", "token"]


@dataclass(frozen=True)
class Installation:
    """Where an app is installed. `owner` is a login, `owner_type` `Organization` or `User`."""

    id: int
    owner: str
    owner_type: str
    is_suspended: bool


@dataclass(frozen=True)
class _InstallationToken:
    token: str
    ends_at: float
    repositories: frozenset[str] | None


def github_api_url(entry: GithubIntegration) -> str:
    """The address of an entry's API, without a slash at its end."""
    if entry.api_base_url:
        return entry.api_base_url.rstrip("/")
    return "https://api.github.com" if entry.host == "github.com" else f"https://{entry.host}/api/v3"


class GithubCredentials:
    """The credentials of one entry of `integrations.github`."""

    def __init__(self, http: Http, entry: GithubIntegration) -> None:
        self._token = entry.token
        self._apps = [_App(http, entry.host, github_api_url(entry), app) for app in entry.apps]

    async def find(self, owner: str, repository: str | None = None) -> Credential | None:
        """What to sign in with for an owner, or one of its repositories; None when nothing is configured for it.

        Raises NotAllowedError for an app that is suspended, refused, or kept from the repository; ForeignError when GitHub
        does not answer.
        """
        refusal: UnderstageError | None = None
        for app in self._apps:
            try:
                token = await app.find_token(owner, repository)
            except UnderstageError as error:
                refusal = error  # another app may be installed for the same owner
                continue
            if token is not None:
                return Credential(token, "app")
        if refusal is not None:
            raise refusal
        return Credential(self._token, "token") if self._token else None

    async def list_installations(self, app_id: int | None = None) -> list[Installation]:
        """Where the apps (or the one of `app_id`) are installed, as far as the configuration allows their owners."""
        apps = [app for app in self._apps if app_id in (None, app.id)]
        found = [installation for app in apps for installation in await app.list_allowed()]
        return list({installation.owner.lower(): installation for installation in found}.values())


class _App:
    """One GitHub App, with its tokens."""

    def __init__(self, http: Http, host: str, api_url: str, settings: GithubApp) -> None:
        self._http = http
        self._host = host
        self._api_url = api_url
        self._settings = settings
        self.id = settings.app_id
        owners = settings.allowed_installation_owners
        self._allowed = None if owners is None else {owner.lower() for owner in owners}
        self._installations: list[Installation] = []
        self._listed_at = float("-inf")
        self._tokens: dict[int, _InstallationToken] = {}
        # Many files are read at once: the first asks, the others wait for its answer.
        self._lock = asyncio.Lock()

    async def find_token(self, owner: str, repository: str | None) -> str | None:
        async with self._lock:
            installation = await self._find(owner)
            if installation is None:
                return None
            if installation.is_suspended:
                raise NotAllowedError(
                    f"The GitHub application for {owner} is suspended: unsuspend its installation on {self._host}"
                )
            token = self._tokens.get(installation.id)
            if token is None or token.ends_at - time.time() < RESERVE_SECONDS:
                token = self._tokens[installation.id] = await self._create_token(installation)
        is_own = installation.owner.lower() == owner.lower()
        if is_own and repository and token.repositories is not None and repository.lower() not in token.repositories:
            raise NotAllowedError(
                f"The GitHub application used in the {owner} organization has no access to the repository {repository}: "
                "add it to the repositories of the installation"
            )
        return token.token

    async def list_allowed(self) -> list[Installation]:
        async with self._lock:
            return [found for found in await self._list() if self._is_allowed(found.owner)]

    async def _find(self, owner: str) -> Installation | None:
        if not self._is_allowed(owner):
            return None
        installations = await self._list()
        own = next((found for found in installations if found.owner.lower() == owner.lower()), None)
        if own is None and self._settings.public_access:
            return next((found for found in installations if not found.is_suspended), None)
        return own

    def _is_allowed(self, owner: str) -> bool:
        return self._allowed is None or owner.lower() in self._allowed

    async def _list(self) -> list[Installation]:
        if time.monotonic() - self._listed_at > INSTALLATIONS_SECONDS:
            bearer = self._sign()
            rows = await self._pages("/app/installations", bearer, None)
            self._installations = [_installation(row) for row in rows if isinstance(row.get("account"), dict)]
            self._listed_at = time.monotonic()
        return self._installations

    async def _create_token(self, installation: Installation) -> _InstallationToken:
        path = f"/app/installations/{installation.id}/access_tokens"
        answer = _object(await self._ask("POST", path, self._sign()), self._host)
        token, ends_at = answer.get("token"), answer.get("expires_at")
        if not isinstance(token, str) or not isinstance(ends_at, str):
            raise ForeignError(f"{self._host} answered without a token for the installation of {installation.owner}")
        repositories = None
        if answer.get("repository_selection") == "selected":
            rows = await self._pages("/installation/repositories", token, "repositories")
            repositories = frozenset(str(row.get("name", "")).lower() for row in rows)
        return _InstallationToken(token, _time(ends_at, self._host), repositories)

    async def _pages(self, path: str, bearer: str, member: str | None) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = []
        for page in range(1, PAGE_LIMIT + 1):
            answer = await self._ask("GET", f"{path}?per_page={PER_PAGE}&page={page}", bearer)
            body = _json(answer, self._host)
            rows = body.get(member) if member and isinstance(body, dict) else body
            if not isinstance(rows, list):
                raise ForeignError(f"{self._host} answered {path} without a list")
            found += [row for row in rows if isinstance(row, dict)]
            if len(rows) < PER_PAGE:
                break
        return found

    async def _ask(self, method: str, path: str, bearer: str) -> HttpResponse:
        headers = {"Accept": "application/vnd.github+json", "Authorization": f"Bearer {bearer}"}
        answer = await self._http.request(method, f"{self._api_url}{path}", headers=headers)
        if answer.status in (401, 403, 404):
            raise NotAllowedError(
                f"{self._host} refuses the GitHub App {self._settings.app_id} with {answer.status}: check appId and "
                "privateKey under integrations.github, and that the app is installed"
            )
        if answer.status >= 400:
            raise ForeignError(f"{self._host} answered {answer.status} to the GitHub App {self._settings.app_id}")
        return answer

    def _sign(self) -> str:
        from joserfc import jwt
        from joserfc.errors import JoseError
        from joserfc.jwk import RSAKey

        at = int(time.time())
        claims = {"iat": at - CLOCK_SKEW_SECONDS, "exp": at + JWT_SECONDS, "iss": str(self._settings.app_id)}
        try:
            # Environment variables often carry line ends as two characters.
            key = RSAKey.import_key(self._settings.private_key.replace("\\n", "\n"))
            return jwt.encode({"alg": "RS256"}, claims, key)
        except (JoseError, ValueError, TypeError) as error:
            raise InputError(
                f"integrations.github: the privateKey of the app {self._settings.app_id} is no RSA key in PEM form; "
                "take the file that GitHub gives for the app"
            ) from error


def _installation(row: Mapping[str, Any]) -> Installation:
    account = row["account"]
    return Installation(
        id=int(row["id"]),
        owner=str(account.get("login", "")),
        owner_type=str(account.get("type") or row.get("target_type") or ""),
        is_suspended=row.get("suspended_at") is not None,
    )


def _time(text: str, host: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError as error:
        raise ForeignError(f"{host} answered with an end of a token that is no time") from error


def _json(answer: HttpResponse, host: str) -> Any:
    try:
        return orjson.loads(answer.body)
    except orjson.JSONDecodeError as error:
        raise ForeignError(f"{host} answered {answer.status} with a body that is not JSON") from error


def _object(answer: HttpResponse, host: str) -> Mapping[str, Any]:
    body = _json(answer, host)
    if not isinstance(body, dict):
        raise ForeignError(f"{host} answered with something that is no object")
    return body


def entry_of(entries: Sequence[GithubIntegration], host: str) -> GithubIntegration:
    """The entry of a host; github.com needs none. Raises InputError for any other without one."""
    found = next((entry for entry in entries if entry.host.lower() == host.lower()), None)
    if found is not None:
        return found
    if host == "github.com":
        return GithubIntegration()
    raise InputError(
        f"There is no GitHub config that matches host {host}. Please add a configuration entry for it under integrations.github"
    )
