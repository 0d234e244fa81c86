"""Interprets a task's spec from its first unfinished step to its output. Called by the engine's worker and by the dry run.

Knows a task only as a `TaskRun`. Messages and their order are those of Backstage scaffolder-backend 4.2.0.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from understage.identity.credentials import Credentials
from understage.scaffolder.access import Access
from understage.scaffolder.remote_actions import Actions
from understage.scaffolder.steps.facts import TaskFacts
from understage.scaffolder.steps.failure import Failure
from understage.scaffolder.steps.iterations import IsAllowed
from understage.scaffolder.steps.lines import Lines
from understage.scaffolder.steps.output import render_output
from understage.scaffolder.steps.redaction import Redactor
from understage.scaffolder.steps.rendering import TemplateExtensions
from understage.scaffolder.steps.run import FinishedStep, LostTaskError, Outcome, TaskRun
from understage.scaffolder.steps.runner import Progress, StepRunner
from understage.scaffolder.steps.tainting import Taint
from understage.sdk import Ports

INITIATOR = "__initiatorCredentials"
TOKEN = "backstageToken"

PortsFactory = Callable[[Credentials], Ports]
"""The ports of an action's context, acting for the creator of a task."""


@dataclass(frozen=True)
class StepSettings:
    """What the configuration says about steps.

    `defaults` go into every action's context (`default_author_name` …); `log_level` is the least level shown in task logs.
    """

    environment_parameters: Mapping[str, str] = field(default_factory=dict)
    environment_secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    log_level: str = "info"


class Interpreter:
    """Runs tasks, one call of `run` each; several may go on at once."""

    def __init__(
        self,
        actions: Actions,
        extensions: TemplateExtensions,
        *,
        ports: PortsFactory,
        access: Access,
        settings: StepSettings | None = None,
    ) -> None:
        self._actions = actions
        self._extensions = extensions
        self._ports = ports
        self._access = access
        self._settings = settings or StepSettings()

    async def run(self, run: TaskRun, *, is_dry_run: bool = False, redactor: Redactor | None = None) -> Outcome:
        """Run all steps that have not ended yet, or a portion of them, then render the output. Its texts are safe to show.

        `redactor` gets to know what is secret, for callers who show more of the run than its lines and its outcome.
        Raises CancelledError when interrupted, LostTaskError when the task belongs to another worker now.
        """
        secrets = [*_hidden_in(run.secrets), *self._settings.environment_secrets.values()]
        taint = Taint(secrets, redactor)
        taint.stored.update(run.state.checkpoints)
        progress = _restore(run, taint)
        async with Lines(run) as lines:
            try:
                next_step = await self._run_steps(run, lines, progress, taint, is_dry_run)
                if next_step is not None:
                    await lines.drain()
                    return Outcome(next_step=next_step)
                output = self._render_output(run, progress, taint, is_dry_run, lines)
            except LostTaskError:
                raise
            except Exception as error:
                # No step's fault: the permission backend, the output.
                progress.failure = progress.failure or Failure.of(error, taint.lines)
                lines.say(Failure.of(error, taint.lines).text)
            await lines.drain()
        if progress.failure is not None:
            return Outcome(error=progress.failure.to_json())
        return Outcome(output=output, secret_checkpoints=taint.secret_checkpoints())

    async def _run_steps(
        self, run: TaskRun, lines: Lines, progress: Progress, taint: Taint, is_dry_run: bool
    ) -> int | None:
        """Returns the position of the next step where the portion of the run ends, None after the last."""
        steps, ended, portion = run.spec["steps"], run.state.steps, run.portion
        facts = self._facts(run, is_dry_run)
        start = 0 if portion is None else portion.start
        if start == 0:
            # The stock dry run has one more step, which reads the workspace.
            _announce(lines, len(steps) + is_dry_run, ended)
        is_allowed = await self._policy(run) if steps else _nothing_to_ask
        runner = StepRunner(
            facts,
            self._actions,
            self._extensions,
            run,
            lines,
            taint,
            is_allowed,
            log_level=self._settings.log_level,
        )
        for position, step in enumerate(steps[start:], start=start + 1):
            if step["id"] in ended:
                _say_ended(lines, step["id"], ended[step["id"]])
                continue
            status = await runner.run(step, progress)
            has_more = progress.failure is None and position < len(steps)
            if portion is not None and status == "completed" and has_more:
                return position
        return None

    def _render_output(
        self, run: TaskRun, progress: Progress, taint: Taint, is_dry_run: bool, lines: Lines
    ) -> dict[str, Any]:
        if progress.failure is not None:
            return {}
        return render_output(self._facts(run, is_dry_run), progress.outputs, self._extensions, taint, lines.say)

    async def _policy(self, run: TaskRun) -> IsAllowed:
        may_execute = await self._access.action_filter(credentials_of(run.secrets))

        async def is_allowed(action_id: str, input: Mapping[str, Any]) -> bool:
            return may_execute(action_id, input)

        return is_allowed

    def _facts(self, run: TaskRun, is_dry_run: bool) -> TaskFacts:
        settings, credentials = self._settings, credentials_of(run.secrets)
        return TaskFacts(
            task_id=run.task_id,
            spec=dict(run.spec),
            workspace=run.workspace,
            ports=self._ports(credentials),
            credentials=credentials,
            secrets=run.secrets,
            environment_parameters=settings.environment_parameters,
            environment_secrets={} if is_dry_run else settings.environment_secrets,
            defaults=settings.defaults,
            is_dry_run=is_dry_run,
        )


def complete_secrets(secrets: Mapping[str, str], credentials: Credentials, token: str | None) -> dict[str, str]:
    """The secrets of a task: those of the request, and what acts for its creator."""
    own = {INITIATOR: json.dumps(credentials.to_wire())}
    return {**secrets, **own, **({TOKEN: token} if token else {})}


def credentials_of(secrets: Mapping[str, str]) -> Credentials:
    """The credentials of a task's creator; nobody's when they are gone."""
    stored = secrets.get(INITIATOR)
    return Credentials.none() if stored is None else Credentials.from_wire(json.loads(stored))


def _hidden_in(secrets: Mapping[str, str]) -> list[str]:
    token = credentials_of(secrets).token
    return [*secrets.values(), *([token] if token else [])]


def _restore(run: TaskRun, taint: Taint) -> Progress:
    progress = Progress()
    for finished in run.state.steps.values():
        taint.learn(finished.hidden)
    for step_id, finished in run.state.steps.items():
        if finished.status == "completed":
            progress.outputs[step_id] = taint.mark_found(dict(finished.output))
        elif finished.status == "failed" and progress.failure is None:
            progress.failure = Failure(finished.output["name"], finished.output["message"])
    return progress


def _announce(lines: Lines, count: int, ended: Mapping[str, FinishedStep]) -> None:
    lines.say(f"Starting up task with {count} steps")
    if ended:
        done = sum(step.status == "completed" for step in ended.values())
        lines.say(f"Task recovered - resuming from last known good state. {done} step(s) already completed.")


def _say_ended(lines: Lines, step_id: str, finished: FinishedStep) -> None:
    how = "was already completed" if finished.status == "completed" else f"was already {finished.status}"
    lines.say(f"Skipping step {step_id} because it {how} in a previous run", step_id=step_id, status=finished.status)


async def _nothing_to_ask(_action_id: str, _input: Mapping[str, Any]) -> bool:
    return False
