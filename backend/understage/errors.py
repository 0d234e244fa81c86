"""The errors of Understage, each with its Backstage name and HTTP status.

    UnderstageError                   500  (name = class name)
    ├── InputError                    400  what the caller sent is wrong
    │   └── SourceError               400  a file is wrong, at file:line:column
    ├── AuthenticationError           401  who the caller is could not be established
    ├── NotAllowedError               403  the caller may not do this
    ├── NotFoundError                 404
    ├── ConflictError                 409  the present state forbids it
    ├── PayloadTooLargeError          413
    ├── UnsupportedMediaTypeError     415  the body is of another type than the endpoint reads
    ├── NotImplementedError_          501  wire name "NotImplementedError"
    ├── ServiceUnavailableError       503
    └── ForeignError                  502  a forge, cluster, Argo CD … failed; cause chained

Anything raised on purpose derives from UnderstageError; the HTTP edge (`platform.http_errors`) turns it into
`{"error": {"name", "message", …}, "request": …, "response": {"statusCode"}}`, the stock envelope.
Messages speak to the person who can act: what was wrong, where, what to do.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple, Self


class Place(NamedTuple):
    """Which part of a JSON value is wrong: the value at `path`, or its key if `key`."""

    path: tuple[str | int, ...] = ()
    key: bool = False


class Position(NamedTuple):
    """Where in a file that part is written. `line` and `column` count from 1, `text` is (a part of) the line."""

    file: str
    line: int
    column: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class UnderstageError(Exception):
    """Root of all errors raised on purpose.

    `message` is shown to users. `properties` are extra JSON-ready members of the wire error object. `place` is set where
    the error is known to be about a part of a JSON value, `position` once somebody has looked that part up in its file.
    `also` is what else is wrong with that value: protocols have room for one error, people want to know all.
    """

    name: ClassVar[str] = "Error"
    status: ClassVar[int] = 500
    place: Place | None = None
    position: Position | None = None
    also: "Sequence[UnderstageError]" = ()

    def __init__(self, message: str = "", **properties: Any) -> None:
        super().__init__(message)
        self.message = message
        self.properties = properties

    def at(self, *path: str | int, key: bool = False) -> Self:
        """The same error, placed at `path` unless whoever raised it has placed it before."""
        if self.place is None:
            self.place = Place(path, key)
        return self

    def __str__(self) -> str:
        return self.message


class InputError(UnderstageError):
    """What the caller sent is wrong; says what to change."""

    name = "InputError"
    status = 400


class SourceError(InputError):
    """A file is wrong. `line` and `column` count from 1; `column` and `text` may be unknown."""

    def __init__(
        self, message: str, *, file: str, line: int | None = None, column: int | None = None, text: str | None = None
    ) -> None:
        position = ":".join(str(part) for part in (file, line, column) if part is not None)
        super().__init__(f"{position}: {message}")
        self.reason = message
        self.file = file
        self.line = line
        self.column = column
        self.text = text


class AuthenticationError(UnderstageError):
    """Who the caller is could not be established."""

    name = "AuthenticationError"
    status = 401


class NotAllowedError(UnderstageError):
    """The caller is known and may not do this."""

    name = "NotAllowedError"
    status = 403


class NotFoundError(UnderstageError):
    """The thing asked for does not exist, or the caller may not see it."""

    name = "NotFoundError"
    status = 404


class ConflictError(UnderstageError):
    """The present state forbids it: the name is taken, the task is still running …"""

    name = "ConflictError"
    status = 409


class PayloadTooLargeError(UnderstageError):
    """The request body is above the limit of its endpoint."""

    name = "PayloadTooLargeError"
    status = 413


class UnsupportedMediaTypeError(UnderstageError):
    """The request body is of a type that its endpoint does not read."""

    name = "UnsupportedMediaTypeError"
    status = 415


class NotImplementedError_(UnderstageError):  # the plain name is Python's own
    """The protocol knows this, the service does not offer it."""

    name = "NotImplementedError"
    status = 501


class ServiceUnavailableError(UnderstageError):
    """The service cannot answer at the moment; a later try may succeed."""

    name = "ServiceUnavailableError"
    status = 503


class ForeignError(UnderstageError):
    """Another system (forge, cluster, Argo CD, git …) failed or refused; the cause is chained."""

    name = "ForeignError"
    status = 502
