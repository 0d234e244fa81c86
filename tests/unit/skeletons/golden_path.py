"""Runs a template of `skeletons/` by the real interpreter, actions and language, its task kept in memory."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from understage.identity.credentials import Credentials
from understage.integrations.helm import HelmBinary
from understage.integrations.policies import PolicyFile
from understage.model.task import build_task_spec
from understage.model.template import read_template as as_template
from understage.scaffolder.access import Access
from understage.scaffolder.actions import ActionRegistry
from understage.scaffolder.authoring.trial import EverythingAllowed
from understage.scaffolder.dry_run import MemoryRun
from understage.scaffolder.filters import backstage_filters
from understage.scaffolder.remote_actions import Actions
from understage.scaffolder.steps.interpreter import Interpreter, StepSettings, complete_secrets
from understage.scaffolder.steps.rendering import TemplateExtensions
from understage.sdk import Ports
from understage.sdk.testing import FakeForge, FakeForges, FakeTemplating, fake_ports
from understage.sdk.yaml import parse_document
from understage.templating import Environment

SKELETONS = Path(__file__).parents[3] / "skeletons"
DEFAULTS = {
    "chartsDirectory": str(SKELETONS / "charts"),
    "templateRoots": [str(SKELETONS)],
    "gitopsRepository": {"host": None, "owner": "platform", "name": "gitops"},
    "defaultAuthor": {"name": "Understage", "email": "understage@example.com"},
}
GUARDRAILS = PolicyFile(SKELETONS / "policies" / "rules.yaml")
FILTERS = backstage_filters(lambda host: "gitea" if host == "forge.test" else None)
LANGUAGE = Environment(filters=FILTERS)


class StepFailedError(Exception):
    """A step failed; the text is what the user sees."""


def templating() -> FakeTemplating:
    """The port of the real language."""
    return FakeTemplating(render=lambda text, values: LANGUAGE.render_text(text, {"values": dict(values)}))


@dataclass
class Run:
    """What a run of a template left."""

    workspace: Path
    skipped: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    output: dict[str, Any] = field(default_factory=dict)


def read_template(name: str = "new-service") -> dict[str, Any]:
    """The Template entity."""
    value: dict[str, Any] = parse_document((SKELETONS / name / "template.yaml").read_bytes()).value
    return value


async def run_steps(
    workspace: Path,
    parameters: dict[str, Any],
    ports: Ports | None = None,
    *,
    until: str | None = None,
    is_dry_run: bool = False,
    template: str = "new-service",
) -> Run:
    """Run a template with the form's values; `until` names the first step that is not run any more.

    Raises StepFailedError with the error's name and message.
    """
    base_url = (SKELETONS / template / "template.yaml").as_uri()
    spec = build_task_spec(as_template(read_template(template)), parameters, base_url=base_url)
    if until is not None:
        ids = [step["id"] for step in spec["steps"]]
        spec |= {"steps": spec["steps"][: ids.index(until)], "output": {}}
    known = ports or fake_ports(templating=templating())
    interpreter = Interpreter(
        Actions(ActionRegistry.from_entry_points()),
        TemplateExtensions(filters=FILTERS),
        ports=lambda credentials: known,
        access=Access(EverythingAllowed()),  # type: ignore[arg-type]  # it is asked for decisions only
        settings=StepSettings(defaults=DEFAULTS),
    )
    task = MemoryRun("golden-path", spec, complete_secrets({}, Credentials.none(), None), workspace)
    outcome = await interpreter.run(task, is_dry_run=is_dry_run)
    if outcome.error is not None:
        raise StepFailedError(f"{outcome.error['name']}: {outcome.error['message']}")
    bodies = [line["body"] for line in task.lines]
    return Run(
        workspace,
        skipped=[body["stepId"] for body in bodies if body.get("status") == "skipped"],
        log=[body["message"] for body in bodies],
        output=dict(outcome.output or {}),
    )


async def publish(
    workspace: Path, helm_binary: Path, form: dict[str, Any], *, template: str, folder: str
) -> Path:
    """The repository that a template would publish from `folder`, after its guardrails were asked."""
    ports = fake_ports(
        templating=templating(),
        forges=FakeForges([FakeForge()]),
        helm=HelmBinary(str(helm_binary)),
        guardrails=GUARDRAILS,
    )
    run = await run_steps(workspace, form, ports, until="publish", template=template)
    # Nothing is skipped: Helm rendered, and the guardrails were asked and content.
    assert run.skipped == []
    return run.workspace / folder
