"""What a new task is made of. The interpreter half implements `TaskFactory`; `service` calls it and stores the result."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from understage.identity.credentials import Credentials
from understage.model.task import TaskSpec


@dataclass(frozen=True)
class NewTask:
    """A task before it is stored. `created_by` is the user's entity ref, None for services.

    `secrets` are complete: those of the request, `backstageToken` and `__initiatorCredentials`.
    """

    spec: TaskSpec
    secrets: Mapping[str, str] = field(repr=False)
    created_by: str | None = None


class TaskFactory(Protocol):
    """Turns requests into tasks, under the permissions of their caller."""

    async def create(
        self, template_ref: str, values: Mapping[str, Any], secrets: Mapping[str, str], credentials: Credentials
    ) -> NewTask:
        """The task that runs a template. Raises ValuesError, InputError, NotFoundError or NotAllowedError."""
        ...

    async def renew(self, spec: TaskSpec, secrets: Mapping[str, str], credentials: Credentials) -> Mapping[str, str]:
        """The complete secrets of a retry: the template is authorised and its secrets' schema checked anew.

        Raises as `create` does.
        """
        ...
