"""Rules of the platform, as a test says them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from understage.sdk.ports import Violation


@dataclass
class FakeGuardrails:
    """Asks `judge` of each object. Without one there are no rules (the default)."""

    judge: Callable[[Mapping[str, Any]], list[Violation]] | None = None

    def is_configured(self) -> bool:
        """Whether there is a judge."""
        return self.judge is not None

    def check(self, objects: Iterable[Mapping[str, Any]]) -> list[Violation]:
        """What the judge says of all of them."""
        return [] if self.judge is None else [found for item in objects for found in self.judge(item)]
