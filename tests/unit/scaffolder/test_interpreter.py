"""What a task's log, output and end look like for what a template says."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.store.scaffolder_bench import Permissions
from tests.unit.scaffolder.road import calls, interpret

from understage.errors import ForeignError, InputError
from understage.identity.credentials import Credentials
from understage.identity.permissions import Conditional, Decision, Not, Query, Rule
from understage.scaffolder.steps.run import FinishedStep, TaskState

SAY = {"id": "say", "name": "Say it", "action": "test:say", "input": {"message": "hello ${{ parameters.name }}"}}
FAIL = {"id": "fail", "action": "test:fail", "input": {"message": "this"}}


async def test_messages_come_in_the_order_of_backstage(tmp_path: Path) -> None:
    ran = await interpret(tmp_path, SAY, values={"name": "ada"}, output={"result": "${{ steps.say.output.said }}"})

    assert ran.lines == [
        {"message": "Starting up task with 1 steps"},
        {"message": "Beginning step Say it", "stepId": "say", "status": "processing"},
        {"message": "\x1b[32minfo\x1b[39m: hello ada", "stepId": "say"},
        {"message": "Finished step Say it", "stepId": "say", "status": "completed"},
    ]
    assert ran.outcome.output == {"result": "HELLO ADA"}


async def test_a_token_that_an_action_makes_is_a_secret_to_those_who_look_and_a_text_to_later_steps(
    tmp_path: Path,
) -> None:
    calls.clear()
    use = {"message": "use ${{ steps.make.output.token }}"}
    steps = (
        {"id": "make", "action": "test:token"},
        {**SAY, "input": use},
        {"id": "do", "action": "test:effect", "input": use},
    )
    output = {"token": "${{ steps.make.output.token }}", "said": "${{ steps.say.output.said }}"}
    ran = await interpret(tmp_path, *steps, output=output)
    assert calls == ["use glpat-fresh-token"]
    assert [line for line in ran.messages if "made" in line] == ["\x1b[32minfo\x1b[39m: made ***"]
    assert "fresh-token" not in f"{ran.lines}{ran.outcome}".lower()


async def test_metadata_of_a_log_line_is_appended_as_json(tmp_path: Path) -> None:
    ran = await interpret(tmp_path, {**SAY, "input": {"message": "hi", "times": 3}})
    assert '\x1b[32minfo\x1b[39m: hi {"times":3}' in ran.messages


async def test_a_false_condition_skips_the_step(tmp_path: Path) -> None:
    for condition in (False, "", "${{ [] }}", "${{ parameters.nothing }}", "${{ 1 > 2 }}", "${{ secrets.password }}"):
        ran = await interpret(tmp_path, {**SAY, "if": condition}, secrets={"password": "hunter22"})
        assert ran.messages[1:] == ["Beginning step Say it", "Skipping step say because its if condition was false"]
        assert ran.lines[-1]["status"] == "skipped"


async def test_anything_else_is_true_even_the_word_false(tmp_path: Path) -> None:
    for condition in (True, "false", "${{ {} }}", "${{ parameters.name == 'ada' }}"):
        ran = await interpret(tmp_path, {**SAY, "if": condition}, values={"name": "ada"})
        assert "Finished step Say it" in ran.messages


async def test_after_a_failure_only_steps_that_ask_for_it_run(tmp_path: Path) -> None:
    ran = await interpret(
        tmp_path,
        FAIL,
        {**SAY, "id": "plain"},
        {**SAY, "id": "truthy", "if": "${{ true }}"},
        {**SAY, "id": "cleanup", "name": "Clean up", "if": "${{ always() }}"},
        {**SAY, "id": "report", "name": "Report", "if": "${{ failure() }}"},
        {**SAY, "id": "never", "name": "Never", "if": "${{ failure() and parameters.nothing }}"},
    )
    assert ran.outcome.error == {"name": "ConflictError", "message": "no luck with this"}
    assert "ConflictError: no luck with this" in ran.messages
    assert "Skipping step plain because a previous step failed" in ran.messages
    assert "Skipping step truthy because a previous step failed" in ran.messages
    assert "Finished step Clean up" in ran.messages
    assert "Finished step Report" in ran.messages
    assert "Skipping step never because its if condition was false" in ran.messages


async def test_failure_is_false_while_nothing_has_failed(tmp_path: Path) -> None:
    ran = await interpret(tmp_path, {**SAY, "if": "${{ failure() }}"})
    assert "Skipping step say because its if condition was false" in ran.messages


async def test_a_second_failure_is_told_and_the_first_decides(tmp_path: Path) -> None:
    second = {"id": "second", "action": "test:fail", "input": {"message": "that"}, "if": "${{ always() }}"}
    ran = await interpret(tmp_path, FAIL, second)
    assert "Additional error occurred: no luck with that\nConflictError: no luck with that" in ran.messages
    assert ran.outcome.error == {"name": "ConflictError", "message": "no luck with this"}


async def test_a_loop_runs_once_for_each_item(tmp_path: Path) -> None:
    step = {
        **SAY,
        "each": "${{ parameters.names }}",
        "if": "${{ each.value !== 'skip' }}",
        "input": {"message": "${{ each.key }}=${{ each.value }}"},
    }
    ran = await interpret(tmp_path, step, values={"names": ["a", "skip", "b"]}, output={"x": "${{ steps.say.output }}"})
    assert '\x1b[32minfo\x1b[39m: Running step each: {"key":"0","value":"a"}' in ran.messages
    assert '\x1b[32minfo\x1b[39m: Skipping step each: {"key":"1","value":"skip"}' in ran.messages
    assert ran.outcome.output == {"x": {"said": ["0=A", "2=B"]}}


async def test_a_loop_over_an_object_or_nothing(tmp_path: Path) -> None:
    step = {**SAY, "each": {"x": {"y": 1}}, "input": {"message": "${{ each.key }}"}}
    ran = await interpret(tmp_path, step)
    assert '\x1b[32minfo\x1b[39m: Running step each: {"key":"x","value":"[object Object]"}' in ran.messages
    ran = await interpret(tmp_path, {**SAY, "each": []}, output={"x": "${{ steps.say.output }}"})
    assert ran.outcome.output == {"x": {}}


async def test_a_loop_over_what_is_no_list_says_so(tmp_path: Path) -> None:
    ran = await interpret(tmp_path, {**SAY, "each": "${{ parameters.nothing }}"})
    assert ran.outcome.error == {
        "name": "InputError",
        "message": 'Invalid value on action test:say.each parameter, "${{ parameters.nothing }}" cannot be resolved to a value',
    }
    ran = await interpret(tmp_path, {**SAY, "each": "text"})
    assert ran.outcome.error is not None
    assert ran.outcome.error["message"] == (
        "Invalid value on action test:say.each parameter, must resolve to an array or object"
    )


async def test_all_inputs_of_a_loop_are_checked_before_the_first_runs(tmp_path: Path) -> None:
    step = {**SAY, "each": ["a", 2], "input": {"message": "${{ each.value }}"}}
    ran = await interpret(tmp_path, step)
    assert ran.outcome.error is not None
    assert ran.outcome.error["message"] == (
        "Invalid input passed to action test:say[1], instance.message is not of a type(s) string"
    )
    assert not any("Running step each" in message for message in ran.messages)


async def test_an_unknown_action_fails_the_step_and_names_it(tmp_path: Path) -> None:
    ran = await interpret(tmp_path, {"id": "x", "action": "acme:nothing"})
    assert ran.outcome.error is not None
    assert ran.outcome.error["name"] == "NotFoundError"
    assert "Template action with ID 'acme:nothing' is not registered" in ran.outcome.error["message"]


async def test_an_unknown_input_is_refused(tmp_path: Path) -> None:
    ran = await interpret(tmp_path, {**SAY, "input": {"message": "x", "volume": 11}})
    assert ran.outcome.error is not None
    assert ran.outcome.error["message"] == (
        'Invalid input passed to action test:say, instance is not allowed to have the additional property "volume"'
    )
    ran = await interpret(tmp_path, {**SAY, "input": {"message": "x", "loud": "yes"}})
    assert ran.outcome.error is not None
    assert ran.outcome.error["message"] == (
        "Invalid input passed to action test:say, instance.loud is not of a type(s) boolean"
    )


async def test_a_broken_expression_names_step_field_and_expression(tmp_path: Path) -> None:
    ran = await interpret(tmp_path, {**SAY, "input": {"message": "a ${{ parameters.name | nosuchfilter }} b"}})
    assert ran.outcome.error is not None
    assert ran.outcome.error["name"] == "TemplateRenderError"
    message = ran.outcome.error["message"]
    assert message.startswith("Step say, input.message: ")
    assert "nosuchfilter" in message

    ran = await interpret(tmp_path, {**SAY, "if": "${{ 1 +"})
    assert ran.outcome.error is not None
    assert ran.outcome.error["message"].startswith("Step say, if: ")

    ran = await interpret(tmp_path, SAY, output={"links": [{"url": "${{ a.b.c() }}"}]})
    assert ran.outcome.error is not None
    assert ran.outcome.error["message"].startswith("output.links[0].url: ")


async def test_an_error_nobody_foresaw_comes_with_its_traceback(tmp_path: Path) -> None:
    step = {"id": "crash", "action": "test:crash", "input": {"message": "by ${{ secrets.password }}"}}
    ran = await interpret(tmp_path, step, secrets={"password": "hunter22"})
    assert ran.outcome.error == {"name": "ZeroDivisionError", "message": "divided ***"}
    assert "Traceback" in ran.messages[-1]
    assert "hunter22" not in ran.text


async def test_secrets_are_masked_wherever_they_show(tmp_path: Path) -> None:
    ran = await interpret(
        tmp_path,
        {"id": "tell", "action": "test:secret"},
        {**SAY, "input": {"message": "Hello x ${{ secrets.password }}"}},
        {**SAY, "id": "derived", "input": {"message": "${{ secrets.password | upper }}"}},
        {**SAY, "id": "each", "each": ["${{ secrets.password }}"], "input": {"message": "${{ each.value }}"}},
        {"id": "fail", "action": "test:fail", "input": {"message": "${{ environment.secrets.token }}"}},
        secrets={"password": "hunter22"},
        settings={"defaultEnvironment": {"secrets": {"token": "environment-9"}}},
        output={"tell": "${{ steps.tell.output.said }}"},
    )
    assert "\x1b[32minfo\x1b[39m: the password is ***" in ran.messages
    assert "\x1b[32minfo\x1b[39m: ***" in ran.messages
    assert ran.outcome.error == {"name": "ConflictError", "message": "no luck with ***"}
    for secret in ("hunter22", "HUNTER22", "environment-9", "anna-token-1234"):
        assert secret not in ran.text


async def test_a_secret_in_the_output_is_masked(tmp_path: Path) -> None:
    ran = await interpret(
        tmp_path,
        {"id": "tell", "action": "test:secret"},
        secrets={"password": "hunter22"},
        output={"tell": "is ${{ steps.tell.output.said }}", "direct": "${{ secrets.password }}"},
    )
    assert ran.outcome.output == {"tell": "is ***"}


async def test_what_a_step_learnt_stays_hidden_after_a_restart(tmp_path: Path) -> None:
    first = {"id": "cut", "action": "test:say", "input": {"message": "${{ secrets.password.slice(2, 12) }}"}}
    again = {
        "id": "again",
        "action": "test:say",
        "input": {"message": "it ends ${{ steps.cut.output.said.slice(0, 8) }}"},
    }
    secrets = {"password": "Tr0ub4dor&3-horse"}
    ran = await interpret(tmp_path, first, secrets=secrets)
    (finished,) = ran.run.finished.values()
    assert finished.hidden
    assert "0UB4DOR" not in ran.text

    state = TaskState({"cut": finished})
    resumed = await interpret(
        tmp_path, first, again, secrets=secrets, state=state, output={"it": "${{ steps.cut.output.said }}"}
    )
    assert "0UB4D" not in resumed.text
    assert resumed.outcome.output == {"it": "***"}


async def test_a_link_keeps_the_host_that_came_with_a_token(tmp_path: Path) -> None:
    step = {"id": "say", "action": "test:say", "input": {"message": "https://${{ secrets.password }}@git.example/acme"}}
    links = [{"title": "t", "url": "https://git.example/acme"}, {"title": "u", "url": "${{ steps.say.output.said }}"}]
    ran = await interpret(tmp_path, step, secrets={"password": "hunter22"}, output={"links": links})
    assert ran.outcome.output is not None
    assert [link["url"] for link in ran.outcome.output["links"]] == ["https://git.example/acme", "***"]


@pytest.mark.parametrize("url", ["javascript:alert(1)", " JaVa\tScript:alert(1)", "\x01javascript:alert(1)"])
async def test_links_that_are_scripts_are_left_out_and_told(tmp_path: Path, url: str) -> None:
    links = [
        {"title": "Run me", "url": "${{ parameters.url }}"},
        {"title": "Docs", "url": "https://docs.example/?javascript:"},
    ]
    ran = await interpret(tmp_path, SAY, values={"url": url}, output={"links": links})
    assert ran.outcome.output == {"links": [links[1]]}
    assert "The link 'Run me' of the output is a script and is left out" in ran.text


async def test_links_and_texts_are_filtered_by_their_condition(tmp_path: Path) -> None:
    def link(title: str, **more: Any) -> dict[str, Any]:
        return {"title": title, "url": "https://example.com", **more}

    output = {
        "links": [
            link("yes", **{"if": "${{ true }}"}),
            link("no", **{"if": "${{ false }}"}),
            link("empty", **{"if": "${{ [] }}"}),
            link("undefined", **{"if": "${{ nothing }}"}),
            link("plain"),
        ],
        "text": [{"title": "t", "content": "c", "if": "${{ 0 }}"}],
    }
    ran = await interpret(tmp_path, SAY, output=output)
    assert ran.outcome.output == {"links": [link("yes"), link("undefined"), link("plain")], "text": []}


async def test_users_and_context_are_visible_to_templates(tmp_path: Path) -> None:
    message = "${{ user.ref }} ${{ user.entity.spec.profile.displayName }} ${{ context.task.id }}"
    ran = await interpret(tmp_path, {**SAY, "input": {"message": message}})
    assert "\x1b[32minfo\x1b[39m: user:default/anna Anna task-1" in ran.messages


async def test_steps_that_ended_before_are_not_run_again(tmp_path: Path) -> None:
    calls.clear()
    state = TaskState({"first": FinishedStep("completed", {"count": 41})})
    ran = await interpret(
        tmp_path,
        {"id": "first", "action": "test:effect", "input": {"message": "one"}},
        {"id": "second", "action": "test:effect", "input": {"message": "two"}},
        state=state,
        output={"sum": "${{ steps.first.output.count }} ${{ steps.second.output.count }}"},
    )
    assert calls == ["two"]
    assert ran.messages[:3] == [
        "Starting up task with 2 steps",
        "Task recovered - resuming from last known good state. 1 step(s) already completed.",
        "Skipping step first because it was already completed in a previous run",
    ]
    assert ran.outcome.output == {"sum": "41 1"}


async def test_a_failure_of_an_earlier_run_stays_one(tmp_path: Path) -> None:
    state = TaskState({"fail": FinishedStep("failed", {"name": "ConflictError", "message": "before"})})
    ran = await interpret(tmp_path, FAIL, SAY, state=state)
    assert "Skipping step say because a previous step failed" in ran.messages
    assert ran.outcome.error == {"name": "ConflictError", "message": "before"}


async def test_a_checkpoint_is_not_done_again(tmp_path: Path) -> None:
    calls.clear()
    state = TaskState({}, {("first", "effect"): 7, ("other", "effect"): 8})
    ran = await interpret(
        tmp_path,
        {"id": "first", "action": "test:effect", "input": {"message": "one"}},
        state=state,
        output={"n": "${{ steps.first.output.count }}"},
    )
    assert (calls, ran.outcome.output) == ([], {"n": 7})


REFUSED = "Unauthorized action: test:say. The action is not allowed."


def permitted(rule: Rule | Not) -> Permissions:
    return Permissions({"scaffolder.action.execute": Conditional("scaffolder", "scaffolder-action", rule)})


async def test_an_action_that_is_not_allowed_does_not_run_and_tells_nothing(tmp_path: Path) -> None:
    rule = Rule("HAS_ACTION_ID", "scaffolder-action", {"actionId": "test:fail"})
    step = {**SAY, "input": {"message": "${{ secrets.password }} ${{ parameters.name }}"}}
    for loop in ({}, {"each": ["${{ secrets.password }}", "${{ parameters.name }}"]}):
        ran = await interpret(
            tmp_path,
            {**step, **loop},
            values={"name": "ada"},
            secrets={"password": "hunter22"},
            permissions=permitted(rule),
        )
        assert ran.outcome.error == {"name": "NotAllowedError", "message": REFUSED}
        assert ran.messages == [
            "Starting up task with 1 steps",
            "Beginning step Say it",
            f"NotAllowedError: {REFUSED}",
        ]
        assert not list((tmp_path / "workspace").iterdir())


@pytest.mark.parametrize(
    ("message", "is_allowed"),
    [
        ("hello ${{ parameters.name }}", False),
        ("${{ 'hello ' + parameters.name }}", False),
        ("${{ ['hello', parameters.name] | join(' ') }}", False),
        ("hello ${{ parameters.name | upper }}", True),
    ],
)
async def test_rules_see_what_the_template_made_of_the_input(tmp_path: Path, message: str, is_allowed: bool) -> None:
    rule = Rule("HAS_STRING_PROPERTY", "scaffolder-action", {"key": "message", "value": "hello eve"})
    step = {**SAY, "input": {"message": message}}
    ran = await interpret(tmp_path, step, values={"name": "eve"}, permissions=permitted(Not(rule)))
    assert (ran.outcome.error is None) is is_allowed
    # Of a loop every item is asked about before the first runs.
    step = {**SAY, "each": ["ada", "${{ parameters.name }}"], "input": {"message": "hello ${{ each.value }}"}}
    ran = await interpret(tmp_path, step, values={"name": "eve"}, permissions=permitted(Not(rule)))
    assert ran.outcome.error == {"name": "NotAllowedError", "message": REFUSED}
    assert not any("Running step each" in line for line in ran.messages)


async def test_two_steps_with_one_id_are_refused_before_a_task_is_made(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="2 steps with the id 'say'"):
        await interpret(tmp_path, SAY, SAY)


async def test_a_permission_backend_that_fails_fails_the_task_with_its_reason(tmp_path: Path) -> None:
    class Away(Permissions):
        async def decide(self, queries: Sequence[Query], credentials: Credentials) -> list[Decision]:
            if any(query.permission.name == "scaffolder.action.execute" for query in queries):
                raise ForeignError("The permission backend does not answer")
            return await super().decide(queries, credentials)

    ran = await interpret(tmp_path, SAY, permissions=Away())
    assert ran.outcome.error == {"name": "ForeignError", "message": "The permission backend does not answer"}
    assert ran.messages[-1] == "ForeignError: The permission backend does not answer"
