"""The REST APIs of forges, over a dict of answers; and notifications, kept in a list."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from understage.errors import InputError, NotFoundError, UnderstageError
from understage.sdk.ports import ApiAnswer, ForgeType, GitCredentials, Query


@dataclass(frozen=True)
class SentCall:
    """A request that an action sent to a forge."""

    method: str
    path: str
    query: Mapping[str, str | int]
    body: Any


ForgeAnswer = dict[str, Any] | list[Any] | UnderstageError | Callable[[SentCall], Any] | None


@dataclass
class FakeForgeApis:
    """Answers by `"POST /repos/acme/web/issues"`; `*` in a key stands for anything. Whatever is not there is not found.

    `hosts` says what is configured, `sent` are the requests so far, `tokens` the tokens that actions signed in with.
    """

    answers: Mapping[str, ForgeAnswer] = field(default_factory=dict)
    hosts: Mapping[str, ForgeType] = field(
        default_factory=lambda: {"github.com": "github", "gitlab.com": "gitlab", "bitbucket.org": "bitbucketCloud"}
    )
    sent: list[SentCall] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)

    async def get(
        self, type: ForgeType, host: str, *, owner: str | None = None, repo: str | None = None, token: str | None = None
    ) -> "FakeForgeApi":
        """The API of a host. Raises InputError for one that is not of that type."""
        if self.hosts.get(host) != type:
            raise InputError(f"No integration for host {host}")
        self.tokens.append(token)
        return FakeForgeApi(self, type, host)


@dataclass(frozen=True)
class FakeForgeApi:
    """One forge of `FakeForgeApis`."""

    forges: FakeForgeApis
    type: ForgeType
    host: str

    @property
    def credentials(self) -> GitCredentials | None:
        """Made up."""
        return GitCredentials("robot", "forge-password")

    @property
    def url(self) -> str:
        """A made-up address."""
        return f"https://api.{self.host}"

    async def request(self, method: str, path: str, *, query: Query | None = None, body: Any = None) -> ApiAnswer:
        """The answer that was prepared. Raises NotFoundError when there is none."""
        call = SentCall(method, path, dict(query or {}), body)
        self.forges.sent.append(call)
        asked = f"{method} {path}"
        for pattern, answer in self.forges.answers.items():
            if pattern == asked or fnmatchcase(asked, pattern):
                found = answer(call) if callable(answer) else answer
                if isinstance(found, UnderstageError):
                    raise found
                return ApiAnswer(200, found)
        raise NotFoundError(f"{self.host} has no answer to {asked}")


@dataclass
class FakeNotifications:
    """`sent` are the notifications so far, as (recipients, payload); `failure` is raised instead when it is set."""

    sent: list[tuple[dict[str, Any], dict[str, Any]]] = field(default_factory=list)
    failure: UnderstageError | None = None

    async def send(self, recipients: dict[str, Any], payload: dict[str, Any]) -> None:
        """Keep it."""
        if self.failure is not None:
            raise self.failure
        self.sent.append((recipients, payload))
