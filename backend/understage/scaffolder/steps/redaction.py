"""What is known to be secret is replaced by `***`: in lines, errors, events and outputs.

Backstage scaffolder-backend 4.2.0: values are trimmed, those of one character are ignored, overlapping matches become one.
Beyond that, a secret is found in other case and in the forms of `disguises`.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any

from understage.scaffolder.steps.disguises import SHORTEST, disguises
from understage.sdk.secret import Secret

MASK = "***"
# How much longer escaping makes a form: a backslash or two before each character that needs one, and again.
_ESCAPED = 4
# A person's token is a secret of all their tasks. There are ten tasks at once by default, of a few secrets each.
_REMEMBERED = 64


class Redactor:
    """Knows secrets of one task; more may be added while it runs. What `parent` knows is redacted, too."""

    def __init__(self, secrets: Iterable[str] = (), parent: "Redactor | None" = None) -> None:
        self._parent = parent
        self._known: set[str] = set()
        self._short: set[str] = set()
        self._forms: dict[str, set[str]] = {}
        self._new: list[str] = []
        self._longest = 0
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """Redact these from now on."""
        for secret in secrets:
            text = plain(secret).strip()
            if len(text) > 1 and text not in self._known:
                self._known.add(text)
                self._new.append(text)

    def redact(self, text: str) -> str:
        """`text` with every occurrence of a secret replaced."""
        text = plain(text)
        spans = sorted(self._spans(text))
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

    def redact_beginning(self, text: str, length: int) -> str:
        """The first `length` characters, or some less, redacted; of a secret at the cut not even its beginning is left."""
        reach = self._reach()
        redacted = self.redact(text[: length + reach])
        if len(text) <= length + reach:
            return redacted[:length]
        # What began before the cut and ended after it may stand within the last `reach` characters, and nowhere else.
        return redacted[: max(0, min(length, len(redacted) - reach))]

    def _reach(self) -> int:
        """The most characters that a secret takes in a text."""
        self._prepare()
        return max(_ESCAPED * self._longest, self._parent._reach() if self._parent is not None else 0)

    def finds(self, text: str) -> bool:
        """Whether there is anything to redact."""
        return next(self._spans(plain(text)), None) is not None

    def redact_value(self, value: Any) -> Any:
        """A JSON value with all of its strings redacted, keys included."""
        if isinstance(value, str):
            return self.redact(value)
        if isinstance(value, list):
            return [self.redact_value(item) for item in value]
        if isinstance(value, dict):
            return {self.redact(key): self.redact_value(item) for key, item in value.items()}
        return value

    def _spans(self, text: str) -> Iterator[tuple[int, int]]:
        if self._parent is not None:
            yield from self._parent._spans(text)
        self._prepare()
        for secret in self._short:
            yield from _find(text, secret)
        if "\\" not in text:
            yield from self._find_forms(_folded(text))
            return
        # JSON in JSON in JSON: however often it was escaped, without its backslashes it is the same.
        places = [place for place, character in enumerate(text) if character != "\\"]
        for start, end in self._find_forms(_folded(text.replace("\\", ""))):
            yield places[start], places[end - 1] + 1

    def _find_forms(self, folded: str) -> Iterator[tuple[int, int]]:
        # One look a place, however many forms there are.
        forms = self._forms
        for start in range(len(folded) - SHORTEST + 1):
            if folded[start : start + SHORTEST] in forms:
                for form in forms[folded[start : start + SHORTEST]]:
                    if folded.startswith(form, start):
                        yield start, start + len(form)

    def _prepare(self) -> None:
        for secret in self._new:
            if len(secret) < SHORTEST:
                self._short.add(secret)
            forms, longest = _forms_of(secret)
            self._longest = max(self._longest, longest)
            for form in forms:
                self._forms.setdefault(form[:SHORTEST], set()).add(form)
        self._new.clear()


@lru_cache(maxsize=_REMEMBERED)
def _forms_of(secret: str) -> tuple[frozenset[str], int]:
    """The folded forms of a secret that are looked for, and the most characters that one takes."""
    forms = (secret, *disguises(secret))
    folded = frozenset(_folded(form.replace("\\", "")) for form in forms)
    return frozenset(form for form in folded if len(form) >= SHORTEST), max(map(len, forms))


def _folded(text: str) -> str:
    """In lower case, letters excepted that become more than one: places must stay what they are."""
    if text.isascii():
        return text.lower()
    return "".join(lowered if len(lowered := character.lower()) == 1 else character for character in text)


def plain(text: str) -> str:
    """A text as an ordinary one."""
    return text.reveal() if isinstance(text, Secret) else text


def map_texts(value: Any, change: Callable[[str], Any]) -> Any:
    """A JSON value with something else in place of each of its texts; keys of objects stay."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [map_texts(item, change) for item in value]
    if isinstance(value, dict):
        return {key: map_texts(item, change) for key, item in value.items()}
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


def _find(text: str, secret: str) -> Iterator[tuple[int, int]]:
    position = text.find(secret)
    while position >= 0:
        yield position, position + len(secret)
        position = text.find(secret, position + 1)
