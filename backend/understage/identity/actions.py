"""The actions that a plugin offers to other backends: who sees them, and calling them with checked input.

`platform.actions_router` serves a registry; the catalog and the scaffolder fill one. Not the actions of templates: those are
the scaffolder's. Protocol of Backstage backend-defaults 0.18.0, texts included, but for the details of invalid input.
"""

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jsonschema_rs

from understage.config.backend_settings import ActionFilter, ActionMatcher, BackendActions
from understage.errors import InputError, NotAllowedError, NotFoundError
from understage.identity.authorizer import Authorizer
from understage.identity.credentials import Credentials
from understage.identity.permissions import Permission
from understage.sdk.glob import compile_glob

DRAFT_07 = "http://json-schema.org/draft-07/schema#"
JSON_TYPES: Mapping[type, str] = {
    bool: "boolean",
    int: "number",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
    type(None): "null",
}
MESSAGE_LIMIT = 500
ATTRIBUTES = ("destructive", "idempotent", "readOnly")

Schema = Mapping[str, Any]
Run = Callable[[dict[str, Any], Credentials], Awaitable[Any]]
RunWithSecrets = Callable[[dict[str, Any], dict[str, Any], Credentials], Awaitable[Any]]


def schema_of(properties: Mapping[str, Schema], required: Iterable[str] = (), *, additional: bool = False) -> Schema:
    """The draft-07 schema of an object, as an action's input or output."""
    needed = list(required)
    return {
        "type": "object",
        "properties": dict(properties),
        **({"required": needed} if needed else {}),
        "additionalProperties": additional,
        "$schema": DRAFT_07,
    }


@dataclass(frozen=True)
class OfferedAction:
    """One action. `run` gets checked input and the caller's credentials; `prepare` may convert input before the check.

    An action with a `secrets` schema has `run_with_secrets` instead. Whoever lacks `visible_by` does not see it.
    """

    name: str
    title: str
    description: str
    input: Schema
    output: Schema
    run: Run | None = None
    run_with_secrets: RunWithSecrets | None = None
    secrets: Schema | None = None
    read_only: bool = False
    idempotent: bool = False
    destructive: bool | None = None
    visible_by: Permission | None = None
    prepare: Callable[[Any], Any] | None = None

    @property
    def attributes(self) -> dict[str, bool]:
        """As they are served; what does not only read counts as destructive."""
        destructive = not self.read_only if self.destructive is None else self.destructive
        return dict(zip(ATTRIBUTES, (destructive, self.idempotent, self.read_only), strict=True))

    @cached_property
    def input_check(self) -> "Check":
        """Finds what is wrong with an input."""
        return Check(self.input)

    @cached_property
    def secrets_check(self) -> "Check":
        """Finds what is wrong with secrets."""
        return Check(self.secrets or {})


class Check:
    """A schema that lets unknown properties pass, as the stock registry drops them instead of refusing them."""

    def __init__(self, schema: Schema) -> None:
        self._schema = _lax(schema)
        self._validator = jsonschema_rs.validator_for(self._schema, validate_formats=True)

    def require(self, value: Any, message: str) -> None:
        """Raises InputError with `message` and all that is wrong."""
        issues = [_issue(error, self._schema) for error in self._validator.iter_errors(value)]
        if issues:
            said = json.dumps(issues, indent=2, ensure_ascii=False)
            cause = {"name": "ZodError", "message": said, "issues": issues}
            raise InputError(f"{message}; caused by {said}", cause=cause)


class ActionsRegistry:
    """The actions of one plugin, those that `backend.actions` leaves."""

    def __init__(self, plugin_id: str, settings: BackendActions, authorizer: Authorizer) -> None:
        self._plugin_id = plugin_id
        self._settings = settings
        self._authorizer = authorizer
        self._actions: dict[str, OfferedAction] = {}

    def register(self, *actions: OfferedAction) -> None:
        """Offer actions. Raises ValueError for a name that is taken."""
        for action in actions:
            action_id = f"{self._plugin_id}:{action.name}"
            if action_id in self._actions:
                raise ValueError(f'Action with id "{action_id}" is already registered')
            self._actions[action_id] = action

    async def describe(self, credentials: Credentials) -> list[dict[str, Any]]:
        """What the caller may use, in the order of registration."""
        return [
            {
                "id": action_id,
                "name": action.name,
                "title": action.title,
                "description": action.description,
                "pluginId": self._plugin_id,
                "attributes": action.attributes,
                "schema": {
                    "input": action.input,
                    "output": action.output,
                    **({} if action.secrets is None else {"secrets": action.secrets}),
                },
            }
            for action_id, action in self._actions.items()
            if await self._is_visible(action_id, action, credentials)
        ]

    async def invoke(self, action_id: str, input: Any, secrets: Any, credentials: Credentials) -> Any:
        """The output of an action. Raises NotAllowedError, NotFoundError, InputError, and what the action raises."""
        if credentials.principal.type == "none":
            raise NotAllowedError("Actions must be invoked by an authenticated principal, not an anonymous request")
        action = self._actions.get(action_id)
        if action is None or not await self._is_visible(action_id, action, credentials):
            raise NotFoundError(f'Action "{action_id}" not found')
        prepared = input if action.prepare is None else action.prepare(input)
        action.input_check.require(prepared, f'Invalid input to action "{action_id}"')
        if action.run_with_secrets is None:
            if secrets:
                raise InputError(f'Action "{action_id}" does not accept secrets')
            assert action.run is not None
            return await action.run(prepared, credentials)
        if not secrets:
            raise InputError(f'Action "{action_id}" requires secrets but none were provided')
        action.secrets_check.require(secrets, f'Invalid secrets for action "{action_id}"')
        return await action.run_with_secrets(prepared, secrets, credentials)

    async def _is_visible(self, action_id: str, action: OfferedAction, credentials: Credentials) -> bool:
        sources = self._settings.plugin_sources
        if sources is not None and self._plugin_id not in sources:
            return False
        if not is_chosen(self._settings.filter, action_id, action.attributes):
            return False
        return action.visible_by is None or await self._authorizer.is_allowed(action.visible_by, credentials)


def is_chosen(chosen: ActionFilter, action_id: str, attributes: Mapping[str, bool]) -> bool:
    """Whether `backend.actions.filter` leaves an action: `exclude` wins, and no `include` means all."""
    if any(_matches(matcher, action_id, attributes) for matcher in chosen.exclude):
        return False
    return not chosen.include or any(_matches(matcher, action_id, attributes) for matcher in chosen.include)


def _matches(matcher: ActionMatcher, action_id: str, attributes: Mapping[str, bool]) -> bool:
    if matcher.id is not None and not compile_glob(matcher.id).fullmatch(action_id):
        return False
    wanted = matcher.attributes.model_dump(by_alias=True, exclude_none=True)
    return wanted.items() <= attributes.items()


def _lax(schema: Any) -> Any:
    if isinstance(schema, Mapping):
        return {
            name: _lax(value)
            for name, value in schema.items()
            if not (name == "additionalProperties" and value is False)
        }
    return [_lax(item) for item in schema] if isinstance(schema, list) else schema


def _issue(error: Any, schema: Any) -> dict[str, Any]:
    """One problem in the form of the stock answers, whose commonest texts are kept."""
    path = list(error.instance_path)
    if error.kind.name == "required":
        for part in error.schema_path[:-1]:
            schema = schema[part]
        expected = schema["properties"].get(error.kind.property, {}).get("type", "value")  # none where several will do
        return _type_issue(expected, "undefined", [*path, error.kind.property], "Required")
    if error.kind.name == "type":
        expected, received = " | ".join(error.kind.types), JSON_TYPES[type(error.instance)]
        return _type_issue(expected, received, path, f"Expected {expected}, received {received}")
    return {"code": "custom", "path": path, "message": error.message[:MESSAGE_LIMIT]}


def _type_issue(expected: str, received: str, path: list[str | int], message: str) -> dict[str, Any]:
    return {"code": "invalid_type", "expected": expected, "received": received, "path": path, "message": message}
