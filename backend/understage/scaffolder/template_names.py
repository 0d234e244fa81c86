"""What the expressions of a template name that will not be there: they render as nothing, and nobody is told.

Part of `template_check`. Names stand in fields of steps and in the output, each with roots of its own (those of `steps.facts`):
secrets in inputs and loops only, `each` in loops only, the output of steps that came before.
"""

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from understage.errors import NotFoundError
from understage.scaffolder.actions import AnyAction
from understage.scaffolder.filters import DESCRIPTIONS
from understage.templating.analysis import BUILT_IN_FILTERS, BUILT_IN_NAMES, Use, Uses, missing_parts

ROOTS = frozenset(("parameters", "steps", "user", "context", "environment"))
FUNCTIONS = frozenset(("always", "failure"))
KNOWN_FILTERS = BUILT_IN_FILTERS | DESCRIPTIONS.keys()


@dataclass(frozen=True)
class NameProblem:
    """`kind` is expression (it fails) or name (it vanishes)."""

    kind: str
    message: str
    is_certain: bool = True


@dataclass(frozen=True)
class Scope:
    """What expressions of one field may name. `outputs`: by id of a step, the names of its output, None where any may be."""

    where: str
    roots: frozenset[str]
    outputs: Mapping[str, frozenset[str] | None]
    later: frozenset[str] = frozenset()
    parameters: frozenset[str] | None = None

    def problems(self, uses: Uses) -> Iterator[NameProblem]:
        """What is wrong with the uses of one text."""
        yield from unknown_callables(uses, KNOWN_FILTERS, self.roots | BUILT_IN_NAMES | FUNCTIONS)
        for use in uses.names:
            root = use.name[0]
            if root == "steps":
                yield from self._step(use)
            elif not use.is_called and root not in self.roots | BUILT_IN_NAMES | FUNCTIONS:
                yield NameProblem("name", f"{root} is not known in {self.where}{_shown(use)}: it renders as nothing")
        known = {} if self.parameters is None else {"parameters": self.parameters}
        for use in missing_parts(uses.names, known):
            hint = _near(use.name[1], self.parameters or ())
            text = f"the form has no field {use.name[1]}{_shown(use)}: it renders as nothing{hint}"
            yield NameProblem("name", text, is_certain=False)

    def _step(self, use: Use) -> Iterator[NameProblem]:
        _, step, *rest = (*use.name, None)
        if step is None:
            return
        if step in self.later:
            yield NameProblem("name", f"the step {step} does not come before{_shown(use)}: it renders as nothing")
        elif step not in self.outputs:
            hint = _near(step, self.outputs)
            yield NameProblem("name", f"no step has the id {step}{_shown(use)}: it renders as nothing{hint}")
        elif rest[0] not in ("output", None):
            yield NameProblem("name", f"a step has output only, no {rest[0]}{_shown(use)}: it renders as nothing")
        elif len(rest) > 2 and (names := self.outputs[step]) is not None and rest[1] not in names:
            text = f"the step {step} gives no output {rest[1]}{_shown(use)}: it renders as nothing"
            yield NameProblem("name", text + _near(str(rest[1]), names))


@dataclass
class Scopes:
    """The scopes of a template's fields, step by step. `find` gives the action of an id."""

    spec: Mapping[str, Any]
    find: Callable[[str], AnyAction]
    _before: dict[str, frozenset[str] | None] = field(default_factory=dict)

    def of_step(self, index: int) -> Iterator[tuple[str, Scope]]:
        """Each rendered field of the step at `index` with its scope; to be asked for one step after the other."""
        step = self.spec["steps"][index]
        before = dict(self._before)
        later = (
            frozenset(map(step_id, range(index, len(self.spec["steps"])), self.spec["steps"][index:])) - before.keys()
        )
        secret = ROOTS | {"secrets"}
        looped = secret | {"each"} if step.get("each") is not None else secret
        condition = looped if step.get("each") is not None else ROOTS
        for name, roots in (("if", condition), ("each", secret), ("input", looped)):
            yield name, Scope(f"`{name}` of a step", roots, before, later, self._parameters)
        self._before[step_id(index, step)] = self._outputs(step)

    @property
    def of_output(self) -> Scope:
        """The scope of the output, once all steps were asked for."""
        return Scope("the output", ROOTS, self._before, frozenset(), self._parameters)

    @property
    def _parameters(self) -> frozenset[str] | None:
        pages = self.spec.get("parameters")
        names = frozenset(_properties(pages if isinstance(pages, list) else [pages]))
        return names or None

    def _outputs(self, step: Mapping[str, Any]) -> frozenset[str] | None:
        try:
            schema = self.find(step["action"]).output_schema()
        except NotFoundError:
            return None
        if schema is None:
            return frozenset()
        is_open = schema.get("additionalProperties", False) is not False or "properties" not in schema
        return None if is_open else frozenset(schema["properties"])


def step_id(index: int, step: Mapping[str, Any]) -> str:
    """The id that a step has when it runs."""
    return str(step.get("id") or f"step-{index + 1}")


def unknown_callables(uses: Uses, filters: Iterable[str], functions: Iterable[str]) -> Iterator[NameProblem]:
    """Filters, tests and functions that do not exist: a render fails."""
    for use in uses.filters:
        if use.name[0] not in filters:
            yield NameProblem("expression", f"unknown filter {use.name[0]}{_shown(use)}{_near(use.name[0], filters)}")
    for use in uses.unknown_tests:
        yield NameProblem("expression", f"unknown test {use.name[0]}{_shown(use)}")
    for use in uses.names:
        if use.is_called and use.name[0] not in functions:
            yield NameProblem("expression", f"unknown function {use.name[0]}(){_shown(use)}")


def _shown(use: Use) -> str:
    return f" in {use.construct}"


def _near(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _properties(schemas: Sequence[Any]) -> Iterator[str]:
    """The names of all fields that a form may have, those of alternatives and dependencies included."""
    for schema in schemas:
        if isinstance(schema, dict):
            properties = schema.get("properties")
            yield from properties if isinstance(properties, dict) else ()
            yield from _properties([value for key, value in schema.items() if key != "properties"])
        elif isinstance(schema, list):
            yield from _properties(schema)
