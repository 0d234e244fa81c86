"""Errors as the task's log and its completion show them: by name and message, without secrets."""

import traceback
from dataclasses import dataclass

from understage.errors import UnderstageError
from understage.scaffolder.steps.redaction import Redactor


@dataclass(frozen=True)
class Failure:
    """Why a step, or the task, failed. Redacted."""

    name: str
    message: str
    stack: str = ""

    @classmethod
    def of(cls, error: BaseException, redactor: Redactor) -> "Failure":
        """Of an exception. Those raised on purpose speak for themselves, the others come with their traceback."""
        if isinstance(error, UnderstageError):
            return cls(error.name, redactor.redact(error.message))
        stack = "".join(traceback.format_exception(error))
        return cls(redactor.redact(type(error).__name__), redactor.redact(str(error)), redactor.redact(stack).rstrip())

    @property
    def text(self) -> str:
        """`name: message`, and the traceback if there is one."""
        return f"{self.name}: {self.message}\n{self.stack}".rstrip()

    def to_json(self) -> dict[str, str]:
        """`{name, message}`, as completion events carry it."""
        return {"name": self.name, "message": self.message}
