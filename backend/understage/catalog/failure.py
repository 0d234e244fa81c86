"""Errors as the catalog stores and shows them: JSON objects with name, message, position and cause."""

from typing import Any

from understage.errors import InputError, SourceError, UnderstageError

SerializedError = dict[str, Any]
"""`{name, message, file?, line?, column?, text?, cause?: {name, message, …}}`, as in status items."""


def error_name(error: BaseException) -> str:
    """The name of the wire: the error tree's, or the class's for what was not raised on purpose."""
    return error.name if isinstance(error, UnderstageError) else type(error).__name__


def error_message(error: BaseException) -> str:
    """The message, never empty."""
    return str(error) or type(error).__name__


def serialize_error(error: BaseException) -> SerializedError:
    """`{name, message, file?, line?, column?, text?, cause?}`; a known position ends the message, too."""
    serialized: SerializedError = {"name": error_name(error), "message": error_message(error)}
    if isinstance(error, SourceError):
        position = {"file": error.file, "line": error.line, "column": error.column, "text": error.text}
        serialized.update((key, value) for key, value in position.items() if value is not None)
    elif isinstance(error, UnderstageError) and error.position is not None:
        serialized["message"] += f", at {error.position}"
        serialized.update(error.position._asdict())
    if isinstance(error, UnderstageError):
        serialized.update(error.properties)
    return serialized


def wrap(message: str, cause: Exception) -> InputError:
    """An InputError that says which stage failed, in the words of the stock backend; its cause goes into the status item."""
    text = f"{message}; caused by {error_name(cause)}: {error_message(cause)}"
    error = InputError(text, cause=serialize_error(cause))
    error.place = cause.place if isinstance(cause, UnderstageError) else None
    return error
