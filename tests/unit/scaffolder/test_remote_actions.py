"""Steps that call actions of other plugins: their input and output, dry runs, secrets, and ids that two have."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.unit.scaffolder.road import ANNA, build, interpret, template

from understage.identity.credentials import Credentials
from understage.identity.remote_actions import RemoteAction, RemoteActionError
from understage.scaffolder.dry_run import DryRunRequest
from understage.sdk import Secret

GREETING = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "to": {"type": "array"}},
    "required": ["name"],
    "additionalProperties": False,
}


def told(action_id: str, **attributes: bool) -> RemoteAction:
    return RemoteAction(
        action_id,
        "From elsewhere",
        attributes,
        GREETING,
        {"type": "object", "properties": {"said": {"type": "string"}}},
    )


class Elsewhere:
    """Plugins that greet."""

    def __init__(self, *actions: RemoteAction, output: Any = None, error: str | None = None) -> None:
        self.actions = actions
        self.output = output
        self.error = error
        self.calls: list[tuple[str, Any, str | None]] = []

    async def offered(self, credentials: Credentials) -> list[RemoteAction]:
        return list(self.actions)

    async def find(self, action_id: str, credentials: Credentials) -> RemoteAction | None:
        return next((action for action in self.actions if action.id == action_id), None)

    async def invoke(self, action: RemoteAction, input: Mapping[str, Any], credentials: Credentials) -> Any:
        self.calls.append((action.id, input, credentials.user_ref))
        if self.error is not None:
            raise RemoteActionError(self.error)
        return self.output


async def test_a_step_gets_what_the_other_plugin_answers(tmp_path: Path) -> None:
    remote = Elsewhere(told("shop:greet"), output={"said": "Hello", "n": 1})
    ran = await interpret(
        tmp_path,
        {"id": "greet", "action": "shop:greet", "input": {"name": "${{ parameters.who }}"}},
        values={"who": "Ada"},
        remote=remote,
        output={"said": "${{ steps.greet.output.said }}", "n": "${{ steps.greet.output.n }}"},
    )
    assert ran.outcome.output == {"said": "Hello", "n": 1}
    assert remote.calls == [("shop:greet", {"name": "Ada"}, "user:default/anna")]


async def test_an_output_that_is_no_object_is_none(tmp_path: Path) -> None:
    ran = await interpret(
        tmp_path,
        {"id": "greet", "action": "shop:greet", "input": {"name": "Ada"}},
        remote=Elsewhere(told("shop:greet"), output="Hello"),
        output={"all": "${{ steps.greet.output }}"},
    )
    assert ran.outcome.output == {"all": {}}


async def test_the_schema_of_the_other_plugin_is_kept(tmp_path: Path) -> None:
    remote = Elsewhere(told("shop:greet"))
    ran = await interpret(tmp_path, {"id": "a", "action": "shop:greet", "input": {"more": 1}}, remote=remote)
    assert ran.outcome.error is not None
    assert ran.outcome.error["message"].startswith("Invalid input passed to action shop:greet, instance ")
    assert 'requires property "name"' in ran.outcome.error["message"]
    assert remote.calls == []


async def test_what_nobody_has_is_not_registered(tmp_path: Path) -> None:
    ran = await interpret(tmp_path, {"id": "a", "action": "shop:sing"}, remote=Elsewhere(told("shop:greet")))
    assert ran.outcome.error is not None
    assert ran.outcome.error["message"].startswith("Template action with ID 'shop:sing' is not registered.")


async def test_an_action_of_this_process_goes_before_one_of_the_same_id(tmp_path: Path) -> None:
    remote = Elsewhere(told("test:say"), told("shop:greet"))
    ran = await interpret(tmp_path, {"id": "a", "action": "test:say", "input": {"message": "hi"}}, remote=remote)
    assert ran.outcome.error is None
    assert remote.calls == []
    listed = {action["id"]: action for action in await build(tmp_path, remote=remote).actions.describe(ANNA)}
    assert listed["test:say"]["description"] == "Says something"
    assert listed["shop:greet"] == {
        "id": "shop:greet",
        "description": "From elsewhere",
        "schema": {"input": GREETING, "output": {"type": "object", "properties": {"said": {"type": "string"}}}},
    }
    assert list(listed) == sorted(listed)


async def test_secrets_stay_secret_on_the_way_there_and_back(tmp_path: Path) -> None:
    remote = Elsewhere(told("shop:greet"), output={"said": "you said s3cr3t-word"})
    ran = await interpret(
        tmp_path,
        {"id": "a", "action": "shop:greet", "input": {"name": "${{ secrets.word }}", "to": ["${{ secrets.word }}!"]}},
        {"id": "b", "action": "test:say", "input": {"message": "${{ steps.a.output.said }}"}},
        secrets={"word": "s3cr3t-word"},
        remote=remote,
        output={"said": "${{ steps.a.output.said }}"},
    )
    [(_, sent, _)] = remote.calls
    assert isinstance(sent["name"], Secret)
    assert isinstance(sent["to"][0], Secret)
    assert json.loads(json.dumps(sent)) == {"name": "s3cr3t-word", "to": ["s3cr3t-word!"]}
    assert "s3cr3t-word" not in repr(sent)
    assert "s3cr3t-word" not in ran.text


async def test_an_error_from_there_is_told_without_secrets(tmp_path: Path) -> None:
    ran = await interpret(
        tmp_path,
        {"id": "a", "action": "shop:greet", "input": {"name": "${{ secrets.word }}"}},
        secrets={"word": "s3cr3t-word"},
        remote=Elsewhere(told("shop:greet"), error="Request failed with 400 Bad Request: nobody is called s3cr3t-word"),
    )
    assert ran.outcome.error == {
        "name": "ResponseError",
        "message": "Request failed with 400 Bad Request: nobody is called ***",
    }


async def test_a_dry_run_calls_what_only_reads(tmp_path: Path) -> None:
    reads, writes = told("shop:look", readOnly=True, destructive=False), told("shop:sell", readOnly=False)
    remote = Elsewhere(reads, writes, output={"said": "looked"})
    steps = [{"id": action.id[5:], "action": action.id, "input": {"name": "Ada"}} for action in (reads, writes)]
    entity = template(*steps, output={"both": "${{ steps.look.output.said }} ${{ steps.sell.output.said }}"})
    answer = await build(tmp_path, remote=remote).dry_run.run(DryRunRequest(entity, {}), ANNA)
    assert [call[0] for call in remote.calls] == ["shop:look"]
    assert answer["output"] == {"both": "looked <example>"}
    assert "Skipping because shop:sell does not support dry-run" in json.dumps(answer["log"])
