"""Pages and policies that are made of code and rules: `python -m tests.docs.pages` (`make docs`) writes them."""

from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

from tests.docs.chart_page import describe_values
from tests.docs.command_page import describe_commands
from tests.docs.configuration_page import describe_configuration

from understage.cli.policies import render_policies
from understage.cli.reference import describe_actions
from understage.scaffolder.actions import GROUP, ActionRegistry

ROOT = Path(__file__).parents[2]
RULES = ROOT / "skeletons" / "policies" / "rules.yaml"
COMMAND = "make docs"


def describe_own_actions() -> str:
    """The actions of this project, whatever else is installed."""
    registry = ActionRegistry.from_entry_points(
        point for point in entry_points(group=GROUP) if point.value.startswith("understage_actions.")
    )
    return describe_actions(registry.all())


PAGES: dict[str, Callable[[], str]] = {
    "docs/reference/actions.md": describe_own_actions,
    "docs/reference/cli.md": describe_commands,
    "docs/reference/configuration.md": describe_configuration,
    "skeletons/charts/base-service/VALUES.md": describe_values,
    "skeletons/policies/admission.yaml": lambda: render_policies("admission", RULES),
    "skeletons/policies/kyverno.yaml": lambda: render_policies("kyverno", RULES),
}


def write_pages() -> None:
    """Write all of them."""
    for name, describe in PAGES.items():
        (ROOT / name).write_text(describe(), "utf-8")
        print(f"wrote {name}")


if __name__ == "__main__":
    write_pages()
