"""Runs one step of a task: condition, loop, inputs, action, output; and says so in the log.

Called by `interpreter`, step after step. Messages and their order are those of Backstage
scaffolder-backend 4.2.0.
"""

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from opentelemetry.trace import Status, StatusCode

from understage.errors import UnderstageError
from understage.platform.telemetry import tracer
from understage.scaffolder.actions import AnyAction
from understage.scaffolder.pins import check_pin
from understage.scaffolder.remote_actions import Actions
from understage.scaffolder.steps.call import ActionCall
from understage.scaffolder.steps.conditions import is_wanted, survives_failure
from understage.scaffolder.steps.examples import example_of
from understage.scaffolder.steps.facts import TaskFacts
from understage.scaffolder.steps.failure import Failure
from understage.scaffolder.steps.iterations import IsAllowed, Iteration, Step, StepInputs
from understage.scaffolder.steps.lines import Lines
from understage.scaffolder.steps.log import LineLog
from understage.scaffolder.steps.measures import measure_step
from understage.scaffolder.steps.rendering import Renderer, TemplateExtensions
from understage.scaffolder.steps.run import FinishedStep, LostTaskError, StepStatus, TaskRun
from understage.scaffolder.steps.tainting import Taint
from understage.scaffolder.store.forget_results import ITERATION_KEY
from understage.sdk import StepInfo


@dataclass
class Progress:
    """How far a run is: outputs by step id, the first failure."""

    outputs: dict[str, Any] = field(default_factory=dict)
    failure: Failure | None = None


class StepRunner:
    """Runs the steps of one task, one call of `run` each."""

    def __init__(
        self,
        facts: TaskFacts,
        actions: Actions,
        extensions: TemplateExtensions,
        run: TaskRun,
        lines: Lines,
        taint: Taint,
        is_allowed: IsAllowed,
        *,
        log_level: str = "info",
    ) -> None:
        self._facts = facts
        self._actions = actions
        self._extensions = extensions
        self._run = run
        self._lines = lines
        self._taint = taint
        self._is_allowed = is_allowed
        self._log_level = log_level

    async def run(self, step: Step, progress: Progress) -> StepStatus:
        """Run a step and add its output, or its failure, to `progress`; returns how it ended.

        Raises CancelledError when interrupted, LostTaskError when the task belongs to another worker now.
        """
        measured = measure_step((self._facts.spec.get("templateInfo") or {}).get("entityRef"), step["name"])
        try:
            status = await self._run_measured(step, progress)
        except asyncio.CancelledError:
            measured("cancelled")
            raise
        measured(status)
        return status

    async def _run_measured(self, step: Step, progress: Progress) -> StepStatus:
        renderer = Renderer(self._extensions, has_failed=progress.failure is not None)
        context = self._facts.context(progress.outputs)
        if progress.failure is not None and not survives_failure(step, context, renderer):
            self._say(step, f"Skipping step {step['id']} because a previous step failed", "skipped")
            return "skipped"
        self._say(step, f"Beginning step {step['name']}", "processing")
        try:
            with _traced("scaffolder.step", {"scaffolder.step.id": step["id"]}):
                if not is_wanted(step, context, renderer):
                    self._say(step, f"Skipping step {step['id']} because its if condition was false", "skipped")
                    return "skipped"
                return await self._run_action(step, progress, renderer)
        except LostTaskError:
            raise
        except Exception as error:
            return await self._fail(step, progress, error)

    async def _run_action(self, step: Step, progress: Progress, renderer: Renderer) -> StepStatus:
        action = await self._actions.get(step["action"], self._facts.credentials)
        changed = check_pin(self._facts.spec, step["action"], self._actions.registry.origin)
        inputs = StepInputs(self._actions.registry, self._facts, step, progress.outputs, renderer, self._taint)
        iterations = await inputs.prepare(action, self._is_allowed)
        line_log = LineLog(lambda line: self._say(step, line), self._taint.lines, least=self._log_level)
        if changed is not None:
            line_log.info(changed)
        info = StepInfo(step["id"], step["name"])
        call = ActionCall(self._facts, self._run, self._lines, line_log, info, self._taint)
        if self._facts.is_dry_run and not self._announce_dry_run(action, step, iterations, line_log):
            progress.outputs[step["id"]] = self._example_output(action)
            return "skipped"
        with _traced("scaffolder.action", {"scaffolder.action.id": action.id}):
            if step.get("each") is None:
                output = await self._call_once(action, call, iterations[0])
            else:
                output = await self._call_each(action, call, iterations, renderer, line_log)
        progress.outputs[step["id"]] = output
        await self._finish(step, FinishedStep("completed", output), f"Finished step {step['name']}")
        return "completed"

    async def _call_once(
        self, action: AnyAction, call: ActionCall, iteration: Iteration, suffix: str = ""
    ) -> dict[str, Any]:
        assert iteration.input is not None  # only iterations of loops have conditions of their own
        output = await call.run(action, iteration.input, suffix=suffix)
        if self._run.is_cancelled:  # and the action did not care
            raise asyncio.CancelledError
        marked: dict[str, Any] = self._taint.mark_found(output)
        return marked

    async def _call_each(
        self,
        action: AnyAction,
        call: ActionCall,
        iterations: list[Iteration],
        renderer: Renderer,
        line_log: LineLog,
    ) -> dict[str, list[Any]]:
        collected: dict[str, list[Any]] = {}
        for number, iteration in enumerate(iterations):
            label = _label(iteration.each or {}, renderer)
            if iteration.input is None:
                line_log.info(f"Skipping step each: {label}")
                continue
            line_log.info(f"Running step each: {label}")
            suffix = f"#{number}"

            async def run_one(iteration: Iteration = iteration, suffix: str = suffix) -> dict[str, Any]:
                return await self._call_once(action, call, iteration, suffix)

            # A loop that is resumed goes on with the item that it was interrupted at.
            output = await call.checkpoint(f"{ITERATION_KEY}{number}", run_one)
            for name, value in output.items():
                collected.setdefault(name, []).append(self._taint.mark_found(value))
        return collected

    def _announce_dry_run(self, action: AnyAction, step: Step, iterations: list[Iteration], line_log: LineLog) -> bool:
        """Tell what would run; whether it can run dry."""
        for iteration in iterations:
            if iteration.input is None:
                continue
            shown = json.dumps(iteration.shown_input, indent=2, ensure_ascii=False)
            line_log.info(f"Running {action.id} in dry-run mode with inputs (secrets redacted): {shown}")
        if not action.supports_dry_run:
            self._say(step, f"Skipping because {action.id} does not support dry-run", "skipped")
        return action.supports_dry_run

    @staticmethod
    def _example_output(action: AnyAction) -> dict[str, Any]:
        schema = action.output_schema()
        output: dict[str, Any] = {} if schema is None else example_of(schema)
        return output

    async def _fail(self, step: Step, progress: Progress, error: Exception) -> StepStatus:
        failure = Failure.of(error, self._taint.lines)
        await self._finish(step, FinishedStep("failed", failure.to_json()), failure.text)
        if progress.failure is None:
            progress.failure = failure
        else:
            self._say(step, f"Additional error occurred: {failure.message}\n{failure.text}", "failed")
        return "failed"

    async def _finish(self, step: Step, finished: FinishedStep, message: str) -> None:
        await self._lines.drain()
        finished = replace(finished, hidden=self._taint.take_derived())
        await self._run.finish_step(step["id"], finished, message)

    def _say(self, step: Step, message: str, status: StepStatus | None = None) -> None:
        self._lines.say(message, step_id=step["id"], status=status)


@contextmanager
def _traced(name: str, attributes: Mapping[str, str]) -> Iterator[None]:
    """A span that tells the name of an error only: its message may hold what the redactor hides elsewhere."""
    with tracer.start_as_current_span(
        name, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as span:
        try:
            yield
        except Exception as error:
            # The `name` of other errors, such as AttributeError, may be anything.
            name = error.name if isinstance(error, UnderstageError) else type(error).__name__
            span.set_status(Status(StatusCode.ERROR, name))
            raise


def _label(each: Mapping[str, Any], renderer: Renderer) -> str:
    return json.dumps(
        {key: renderer.text_of(value) for key, value in each.items()}, ensure_ascii=False, separators=(",", ":")
    )
