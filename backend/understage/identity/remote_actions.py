"""The actions that other plugins offer, consumed: listed and called with a token on behalf of whoever asks.

`backend.actions.pluginSources` names the plugins; `identity.actions` is the other side. The scaffolder makes steps of them.
Protocol of Backstage backend-defaults 0.18.0.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import structlog

from understage.config.backend_settings import BackendActions
from understage.errors import UnderstageError
from understage.identity.actions import ATTRIBUTES, is_chosen
from understage.identity.credentials import Credentials
from understage.identity.discovery import Discovery
from understage.identity.issuing import PluginTokenIssuer
from understage.identity.outgoing import Answer, Fetch

log = structlog.get_logger(__name__)

PATH = "/.backstage/actions/v1/actions"
MESSAGE_LIMIT = 2_000
PHRASES = {status.value: status.phrase for status in HTTPStatus}


class RemoteActionError(UnderstageError):
    """The plugin refused, or the action failed; says what it answered."""

    name = "ResponseError"


@dataclass(frozen=True)
class RemoteAction:
    """An action as its plugin describes it; `input` and `output` are JSON schemas."""

    id: str
    description: str
    attributes: Mapping[str, bool]
    input: Mapping[str, Any]
    output: Mapping[str, Any]

    @property
    def plugin(self) -> str:
        """Whose it is."""
        return self.id.partition(":")[0]

    @property
    def only_reads(self) -> bool:
        """Whether it says that it may be called at any time."""
        return self.attributes.get("readOnly") is True and self.attributes.get("destructive") is False


class RemoteActions:
    """Lists and calls them for one plugin of ours. Nothing is kept: what a plugin offers may differ by caller and by hour."""

    def __init__(
        self, settings: BackendActions, *, issuer: PluginTokenIssuer, discovery: Discovery, fetch: Fetch
    ) -> None:
        self._plugins = settings.plugin_sources or ()
        self._filter = settings.filter
        self._issuer = issuer
        self._discovery = discovery
        self._fetch = fetch

    async def offered(self, credentials: Credentials) -> list[RemoteAction]:
        """What the caller may use, plugin by plugin; a plugin that cannot be asked is logged and has none."""
        found = await asyncio.gather(*(self._offered_by(plugin, credentials) for plugin in self._plugins))
        return [
            action for actions in found for action in actions if is_chosen(self._filter, action.id, action.attributes)
        ]

    async def find(self, action_id: str, credentials: Credentials) -> RemoteAction | None:
        """One of them: only the plugin that the id names is asked. Raises RemoteActionError when it does not answer."""
        plugin = action_id.partition(":")[0]
        if plugin not in self._plugins:
            return None
        for action in await self._ask_what(plugin, credentials):
            if action.id == action_id and is_chosen(self._filter, action.id, action.attributes):
                return action
        return None

    async def invoke(self, action: RemoteAction, input: Mapping[str, Any], credentials: Credentials) -> Any:
        """The output of an action. Raises RemoteActionError for an answer that is none."""
        path = f"{PATH}/{quote(action.id, safe='')}/invoke"
        body = await self._ask(action.plugin, path, credentials, method="POST", json=input)
        return body.get("output")

    async def _offered_by(self, plugin: str, credentials: Credentials) -> list[RemoteAction]:
        try:
            return await self._ask_what(plugin, credentials)
        except UnderstageError as error:
            log.warning("the actions of a plugin could not be listed", plugin=plugin, reason=error.message)
            return []

    async def _ask_what(self, plugin: str, credentials: Credentials) -> list[RemoteAction]:
        listed = (await self._ask(plugin, PATH, credentials)).get("actions")
        actions = [_read(item) for item in listed] if isinstance(listed, list) else []
        # A plugin speaks for itself only: the id says which one is called.
        return [action for action in actions if action is not None and action.plugin == plugin]

    async def _ask(
        self, plugin: str, path: str, credentials: Credentials, *, method: str = "GET", json: Any = None
    ) -> dict[str, Any]:
        headers = await self._issuer.headers(plugin, credentials)
        url = f"{self._discovery.internal(plugin)}{path}"
        answer = await self._fetch(url, method=method, headers=headers, json=json)
        if answer.status != HTTPStatus.OK or not isinstance(answer.body, dict):
            raise RemoteActionError(_describe(plugin, answer))
        return answer.body


def _read(item: Any) -> RemoteAction | None:
    match item:
        case {"id": str(action_id), "schema": {"input": dict(input), "output": dict(output)}}:
            sent = item.get("attributes")
            attributes = {name: sent.get(name) is True for name in ATTRIBUTES} if isinstance(sent, dict) else {}
            description = item.get("description")
            text = description if isinstance(description, str) else ""
            return RemoteAction(action_id, text, attributes, input, output)
    return None


def _describe(plugin: str, answer: Answer) -> str:
    """In the words of Backstage, and what the plugin says itself."""
    if answer.status == HTTPStatus.OK:
        return f"The plugin {plugin} answered what is no JSON object"
    known = PHRASES.get(answer.status, "")
    said = f"Request failed with {answer.status} {known}".rstrip()
    match answer.body:
        case {"error": {"message": str(message)}} if message:
            return f"{said}: {message[:MESSAGE_LIMIT]}"
    return said
