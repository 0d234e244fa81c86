"""A text that must not be shown, and whatever is made of it: what actions find in `ctx.secrets` and in their inputs.

The step runner makes secrets and gives them a ledger; a test may make them without one. A secret is a text for every port and
library, so that it can be used where it is needed. What its methods and operators make of it is a secret too, and is
noted in the ledger, by which logs, events, errors and outputs are masked.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, SupportsIndex

SHARED = 4
"""A piece that has fewer characters in a row in common with a secret tells nothing of it."""

Note = Callable[[str], None]


class Secret(str):
    """A secret text. `repr` shows `***`; so do logs and errors of the task, wherever its text turns up.

    `parts` are the secrets that stand in the text in clear, when it is more than they are: a URL with a token in it is a
    secret, and the host that is cut out of it is none.
    """

    _note: Note | None
    _parts: tuple[str, ...]

    def __new__(cls, text: str, note: Note | None = None, parts: Sequence[str] = ()) -> "Secret":
        """A secret of `text`; `note` is told of every text that is made of it."""
        made = super().__new__(cls, text)
        made._note = note
        made._parts = tuple(part for part in parts if part in text)
        return made

    def reveal(self) -> str:
        """The text as an ordinary one, which nothing guards any more."""
        return str.__str__(self)

    def derive(self, function: Callable[[str], str]) -> "Secret":
        """What `function` makes of the text, as a secret: a signature, a hash of one's own kind."""
        derived = Secret(function(self.reveal()), self._note)
        if self._note is not None:
            self._note(derived.reveal())
        return derived

    def __repr__(self) -> str:
        return "Secret('***')"

    def __str__(self) -> str:
        return self

    def __format__(self, spec: str) -> str:
        return self if not spec else self._of(str.__format__(self, spec))

    def __copy__(self) -> "Secret":
        return self

    def __deepcopy__(self, memo: object) -> "Secret":
        return self

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        raise TypeError("A secret is not pickled")

    def __add__(self, other: str) -> str:
        return self._of(str.__add__(self, other))

    def __radd__(self, other: str) -> str:
        return self._of(str.__add__(other, self))

    def __mul__(self, times: SupportsIndex) -> str:
        return self._of(str.__mul__(self, times))

    def __rmul__(self, times: SupportsIndex) -> str:
        return self._of(str.__mul__(self, times))

    def __mod__(self, values: Any) -> str:
        return self._of(str.__mod__(self, values))

    def __rmod__(self, template: str) -> str:
        return self._of(str.__mod__(template, self.reveal()))

    def __getitem__(self, key: SupportsIndex | slice) -> str:
        return self._of(str.__getitem__(self, key))

    def __iter__(self) -> Iterator[str]:
        return str.__iter__(self)

    def _of(self, text: str) -> str:
        """`text`, made of this one: a secret unless it holds nothing of the secrets in this one."""
        if self._parts and not any(shares(text, part) for part in self._parts):
            return text
        if self._note is not None:
            self._note(text)
        return Secret(text, self._note, self._parts)


def shares(text: str, secret: str) -> bool:
    """Whether they have so many characters in a row in common that `text` tells something of `secret`."""
    length = min(SHARED, len(secret))
    lowered, whole = text.lower(), secret.lower()
    return any(whole[start : start + length] in lowered for start in range(len(whole) - length + 1))


def _tainting(name: str) -> Callable[..., Any]:
    original = getattr(str, name)

    def method(self: Secret, *arguments: Any, **options: Any) -> Any:
        made = original(self, *arguments, **options)
        if isinstance(made, str):
            return self._of(made)
        return type(made)(map(self._of, made))

    method.__name__ = name
    method.__doc__ = original.__doc__
    return method


for _name in (
    *("capitalize", "casefold", "center", "expandtabs", "format", "join", "ljust", "lower", "lstrip", "partition"),
    *("removeprefix", "removesuffix", "replace", "rjust", "rpartition", "rsplit", "rstrip", "split", "splitlines"),
    *("strip", "swapcase", "title", "translate", "upper", "zfill"),
):
    setattr(Secret, _name, _tainting(_name))
