"""The one way out of this package: a function that makes JSON requests, handed in by the composition root."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service answered: status code and parsed JSON body (None where the body is no JSON)."""

    status: int
    body: Any


class Fetch(Protocol):
    """Makes a JSON request, following the rules for outgoing requests; raises UnderstageError when nobody answers."""

    async def __call__(
        self, url: str, *, method: str = "GET", headers: Mapping[str, str] | None = None, json: Any = None
    ) -> Answer:
        """The answer, whatever its status."""
        ...
