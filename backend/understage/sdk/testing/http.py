"""HTTP, over a dict of answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from understage.errors import ForeignError
from understage.sdk.ports import HttpResponse


@dataclass(frozen=True)
class SentRequest:
    """A request that an action sent."""

    method: str
    url: str
    headers: Mapping[str, str]
    content: bytes | None
    as_service: bool = False


Answer = HttpResponse | Callable[[SentRequest], HttpResponse]


@dataclass
class FakeHttp:
    """Answers by `(method, url)`, as the port `backstage` by `(method, path)`; anything else fails as an unreachable host does.

    `sent` are the requests so far.
    """

    answers: Mapping[tuple[str, str], Answer] = field(default_factory=dict)
    sent: list[SentRequest] = field(default_factory=list)

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        timeout: float = 60.0,
        as_service: bool = False,
    ) -> HttpResponse:
        """The answer that was prepared. Raises ForeignError when there is none."""
        request = SentRequest(method.upper(), url, dict(headers or {}), content, as_service)
        self.sent.append(request)
        answer = self.answers.get((request.method, url))
        if answer is None:
            raise ForeignError(f"{request.method} {url} failed: no answer was prepared")
        return answer if isinstance(answer, HttpResponse) else answer(request)
