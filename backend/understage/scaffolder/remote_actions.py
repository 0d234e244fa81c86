"""Actions of other plugins as actions of templates: looked up where no action of this process has the id.

`steps` and `api` ask `Actions`; `identity.remote_actions` knows the plugins. What a step passes on is checked by the schema
that the plugin tells, and the call is made for the task's creator. Rules of Backstage scaffolder-backend 4.2.0.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydantic import RootModel

from understage.errors import NotFoundError
from understage.identity.credentials import Credentials
from understage.identity.remote_actions import RemoteAction
from understage.scaffolder.actions import ActionRegistry, AnyAction
from understage.sdk import Action, ActionContext


class AnyObject(RootModel[dict[str, Any]]):
    """An input or output that only a JSON schema knows."""


class Remote(Protocol):
    """The actions of other plugins: `identity.remote_actions.RemoteActions`."""

    async def offered(self, credentials: Credentials) -> list[RemoteAction]:
        """What the caller may use."""

    async def find(self, action_id: str, credentials: Credentials) -> RemoteAction | None:
        """One of them."""

    async def invoke(self, action: RemoteAction, input: Mapping[str, Any], credentials: Credentials) -> Any:
        """The output of one."""


@dataclass(frozen=True)
class CalledAction(Action[AnyObject, AnyObject]):
    """An action that another plugin runs, and whose schemas it tells."""

    told: RemoteAction = field(kw_only=True)

    def dump_output(self, output: AnyObject | None) -> dict[str, Any]:
        """All of it."""
        return {} if output is None else output.root

    def input_schema(self) -> dict[str, Any]:
        """As the plugin tells it."""
        return dict(self.told.input)

    def output_schema(self) -> dict[str, Any] | None:
        """As the plugin tells it."""
        return dict(self.told.output)


class Actions:
    """Those of this process, then those of the plugins that `backend.actions.pluginSources` names."""

    def __init__(self, registry: ActionRegistry, remote: Remote | None = None) -> None:
        self.registry = registry
        self._remote = remote

    async def get(self, action_id: str, credentials: Credentials) -> AnyAction:
        """The action, to be run for a caller. Raises NotFoundError in the words of Backstage."""
        try:
            return self.registry.get(action_id)
        except NotFoundError:
            told = None if self._remote is None else await self._remote.find(action_id, credentials)
            if told is None or self._remote is None:
                raise
            return _called(told, self._remote, credentials)

    async def describe(self, credentials: Credentials) -> list[dict[str, Any]]:
        """The answer of `GET /v2/actions`."""
        found = {action["id"]: action for action in self.registry.describe()}
        for told in [] if self._remote is None else await self._remote.offered(credentials):
            schema = {"input": dict(told.input), "output": dict(told.output)}
            found.setdefault(told.id, {"id": told.id, "description": told.description, "schema": schema})
        return sorted(found.values(), key=lambda action: str(action["id"]).lower())


def _called(told: RemoteAction, remote: Remote, credentials: Credentials) -> CalledAction:
    async def call(_ctx: ActionContext, input: AnyObject) -> AnyObject | None:
        output = await remote.invoke(told, input.root, credentials)
        return AnyObject(output) if isinstance(output, dict) else None

    return CalledAction(
        told.id, told.description, call, AnyObject, AnyObject, supports_dry_run=told.only_reads, told=told
    )
