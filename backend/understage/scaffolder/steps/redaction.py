"""The second line of defence against leaks: known secrets are replaced by `***` in lines and errors.

Backstage scaffolder-backend 4.2.0: values are trimmed, those of one character are ignored, overlapping matches become one.
"""

from collections.abc import Iterable
from typing import Any

MASK = "***"


class Redactor:
    """Knows secrets of one task; more may be added while it runs."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: set[str] = set()
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """Redact these from now on."""
        self._secrets.update(value for value in (secret.strip() for secret in secrets) if len(value) > 1)

    def redact(self, text: str) -> str:
        """`text` with every occurrence of a secret replaced."""
        spans = sorted(span for secret in self._secrets for span in _find(text, secret))
        if not spans:
            return text
        parts: list[str] = []
        position = 0
        start, end = spans[0]
        for next_start, next_end in spans[1:]:
            if next_start < end:
                end = max(end, next_end)
                continue
            parts += [text[position:start], MASK]
            position, start, end = end, next_start, next_end
        return "".join([*parts, text[position:start], MASK, text[end:]])

    def redact_value(self, value: Any) -> Any:
        """A JSON value with all of its strings redacted, keys included."""
        if isinstance(value, str):
            return self.redact(value)
        if isinstance(value, list):
            return [self.redact_value(item) for item in value]
        if isinstance(value, dict):
            return {self.redact(key): self.redact_value(item) for key, item in value.items()}
        return value


def strings_of(value: Any) -> set[str]:
    """All strings in a JSON value, keys of objects included."""
    if isinstance(value, str):
        return {value}
    if isinstance(value, list):
        return set[str]().union(*map(strings_of, value))
    if isinstance(value, dict):
        return set(value).union(*map(strings_of, value.values()))
    return set()


def _find(text: str, secret: str) -> Iterable[tuple[int, int]]:
    position = text.find(secret)
    while position >= 0:
        yield position, position + len(secret)
        position = text.find(secret, position + 1)
