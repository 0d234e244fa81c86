"""Which ways through a template its cases took: each `if` yes and no, each `each` with and without items. Called by `suite`."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from understage.model.template import Template
from understage.scaffolder.authoring.trial import Trial
from understage.scaffolder.steps.output import conditional_items

SKIPPED = re.compile(r"Skipping step .* because its if condition was false\Z")


@dataclass(frozen=True, order=True)
class Branch:
    """One way: `place` is `steps.<id>.if`, `steps.<id>.each` or `output.links[0].if`, `way` is yes or no, items or none."""

    place: str
    way: str

    def __str__(self) -> str:
        return f"{self.place}: {self.way}"


@dataclass
class Coverage:
    """The branches of one template, and those that were taken."""

    branches: list[Branch]
    taken: set[Branch] = field(default_factory=set)

    @classmethod
    def of(cls, template: Template) -> "Coverage":
        """Nothing taken yet."""
        return cls(list(_branches(template.spec)))

    @property
    def percent(self) -> float:
        """Of the branches; 100 where there is none."""
        return 100.0 * len(self.taken) / len(self.branches) if self.branches else 100.0

    @property
    def missed(self) -> list[Branch]:
        """Branches that no case took."""
        return [branch for branch in self.branches if branch not in self.taken]

    def add(self, trial: Trial) -> None:
        """Note what a trial took."""
        self.taken |= set(_taken(trial)) & set(self.branches)


def _branches(spec: Mapping[str, Any]) -> Iterator[Branch]:
    for index, step in enumerate(spec["steps"]):
        place = f"steps.{step.get('id', f'step-{index + 1}')}"
        if isinstance(step.get("if"), str):
            yield from (Branch(f"{place}.if", "yes"), Branch(f"{place}.if", "no"))
        if step.get("each") is not None:
            yield from (Branch(f"{place}.each", "items"), Branch(f"{place}.each", "none"))
    for place, _ in conditional_items(spec.get("output")):
        yield from (Branch(place, "yes"), Branch(place, "no"))


def _taken(trial: Trial) -> Iterator[Branch]:
    for step in trial.spec["steps"]:
        lines = [line for line in trial.lines if line.get("stepId") == step["id"]]
        if not any(line["message"].startswith("Beginning step ") for line in lines):
            continue
        place = f"steps.{step['id']}"
        refused = any(SKIPPED.match(line["message"]) for line in lines)
        ran = sum("Running step each: " in line["message"] for line in lines)
        passed = sum("Skipping step each: " in line["message"] for line in lines)
        if step.get("each") is None:
            yield Branch(f"{place}.if", "no" if refused else "yes")
            continue
        # The condition of a loop is asked for each of its items.
        if ran:
            yield Branch(f"{place}.if", "yes")
        if passed or refused:
            yield Branch(f"{place}.if", "no")
        if ran or passed:
            yield Branch(f"{place}.each", "items")
        elif trial.step_statuses.get(step["id"]) == "completed":
            yield Branch(f"{place}.each", "none")
    for place, shown in trial.shown_items.items():
        yield Branch(place, "yes" if shown else "no")
