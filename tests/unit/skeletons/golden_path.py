"""Runs a template of `skeletons/` step by step, as the task runner does, with the real actions and the real language.

The tests here look at what the steps write; that the service runs them so too is shown by the tests of the whole way.
"""

from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from understage.scaffolder.filters import backstage_filters
from understage.sdk import Action, Ports, TemplateInfo
from understage.sdk.testing import FakeTemplating, fake_ports, run_action
from understage.sdk.yaml import parse_document
from understage.templating import Environment, is_truthy

SKELETONS = Path(__file__).parents[3] / "skeletons"
DEFAULTS = {
    "chartsDirectory": str(SKELETONS / "charts"),
    "templateRoots": [str(SKELETONS)],
    "gitopsRepository": {"host": None, "owner": "platform", "name": "gitops"},
    "defaultAuthor": {"name": "Understage", "email": "understage@example.com"},
}


LANGUAGE = Environment(filters=backstage_filters(lambda host: None))


def templating() -> FakeTemplating:
    """The port of the real language."""
    return FakeTemplating(render=lambda text, values: LANGUAGE.render_text(text, {"values": dict(values)}))


@dataclass
class Run:
    """What a run of a template left."""

    workspace: Path
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    output: dict[str, Any] = field(default_factory=dict)

    def text(self, path: str) -> str:
        """A file of the workspace."""
        return (self.workspace / path).read_text()

    def yaml(self, path: str) -> Any:
        """A YAML file of the workspace."""
        return parse_document(self.text(path), path).value


def read_template(name: str = "new-service") -> dict[str, Any]:
    """The Template entity."""
    value: dict[str, Any] = parse_document((SKELETONS / name / "template.yaml").read_bytes()).value
    return value


def known_actions() -> dict[str, Action[Any, Any]]:
    """The registered actions by id."""
    loaded = (entry.load() for entry in entry_points(group="understage.actions"))
    return {action.id: action for action in loaded}


async def run_steps(
    workspace: Path, parameters: dict[str, Any], ports: Ports | None = None, *, until: str | None = None
) -> Run:
    """Run the steps of new-service with the form's values; `until` names the first step that is not run any more."""
    template, actions, run = read_template(), known_actions(), Run(workspace)
    info = TemplateInfo("template:default/new-service", (SKELETONS / "new-service" / "template.yaml").as_uri())
    for step in template["spec"]["steps"]:
        if step["id"] == until:
            return run
        context = {"parameters": parameters, "steps": {id: {"output": output} for id, output in run.steps.items()}}
        if "if" in step and not is_truthy(LANGUAGE.render_value(step["if"], context)):
            run.skipped.append(step["id"])
            continue
        result = await run_action(
            actions[step["action"]],
            LANGUAGE.render_value(step["input"], context),
            workspace=workspace,
            ports=ports or fake_ports(templating=templating()),
            template=info,
            defaults=DEFAULTS,
        )
        run.steps[step["id"]] = result.output
        run.log += result.log
    context = {"parameters": parameters, "steps": {id: {"output": output} for id, output in run.steps.items()}}
    run.output = {
        kind: [
            LANGUAGE.render_value({key: value for key, value in item.items() if key != "if"}, context)
            for item in items
            if "if" not in item or is_truthy(LANGUAGE.render_value(item["if"], context))
        ]
        for kind, items in template["spec"]["output"].items()
    }
    return run
