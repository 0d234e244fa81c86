"""What a template uses, found without rendering it: names, filters, tests, comments, each at its place.

Called by the lint of templates. A name that the template binds itself anywhere (`set`, `for`, a macro and its parameters)
counts as bound everywhere: what is reported is unknown for sure.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from understage.templating.calls import GLOBALS
from understage.templating.errors import Fault, TemplateLimitError, explain
from understage.templating.filters import FILTERS
from understage.templating.limits import DEFAULT_LIMITS
from understage.templating.nodes import (
    Arguments,
    Binary,
    Call,
    CallBlock,
    Compare,
    FilterCall,
    For,
    If,
    InlineIf,
    Literal,
    Lookup,
    Macro,
    Node,
    Set,
    Symbol,
    Test,
    Unary,
)
from understage.templating.parsing import parse_template
from understage.templating.scanning import Syntax
from understage.templating.tests import test_arity

BUILT_IN_NAMES = frozenset(GLOBALS)
BUILT_IN_FILTERS = frozenset(FILTERS)
# What macros and loops have without binding it.
_OF_THE_LANGUAGE = frozenset(("loop", "caller", "varargs", "kwargs"))
_COOKIECUTTER_NAMES = frozenset(("True", "False", "None"))


@dataclass(frozen=True)
class Use:
    """One use of `name` (`values.name` as `("values", "name")`; of a filter or test its name alone).

    `line` and `column` count from 1, `construct` is the tag around it. `is_called`: as a function. `is_asked`: the place copes
    with a name that is missing (a condition, a comparison, `default`, `or`).
    """

    name: tuple[str, ...]
    line: int
    column: int
    construct: str
    is_called: bool = False
    is_asked: bool = False


@dataclass
class Uses:
    """What one template uses that it does not bind itself; tests are here when they are unknown."""

    names: list[Use] = field(default_factory=list)
    filters: list[Use] = field(default_factory=list)
    unknown_tests: list[Use] = field(default_factory=list)


def find_uses(source: str, *, variable_start: str = "${{") -> Uses:
    """The uses in `source`, in its order. Raises TemplateError where its syntax is wrong."""
    if "{" not in source:
        return Uses()
    try:
        body = parse_template(source, Syntax(variable_start), DEFAULT_LIMITS)
        finder = _Finder(source)
        finder.visit(body)
    except Fault as fault:
        raise explain(fault, source) from None
    except RecursionError:
        raise TemplateLimitError("The template exceeded its limit of nesting", limit="nesting") from None
    bound = finder.bound | _OF_THE_LANGUAGE
    if variable_start == "{{":
        bound |= _COOKIECUTTER_NAMES
    finder.uses.names = [use for use in finder.uses.names if use.name[0] not in bound]
    return finder.uses


class _Finder:
    def __init__(self, source: str) -> None:
        self.source = source
        self.uses = Uses()
        self.bound: set[str] = set()

    def visit(self, node: Any, *, asked: bool = False) -> None:
        """Note what is used in `node` and below."""
        match node:
            case Symbol() | Lookup():
                self._name(node, asked=asked)
            case Call(target=target, arguments=arguments):
                self._call(target)
                self.visit(arguments)
            case FilterCall(input=value, name=name, arguments=arguments):
                self.visit(value, asked=asked or name in ("default", "d"))
                self.uses.filters.append(self._use((name,), node))
                self.visit(arguments)
            case Test(subject=subject, test=test):
                self.visit(subject, asked=True)
                self._test(test)
            case Binary(operator="and" | "or" as operator, left=left, right=right):
                self.visit(left, asked=True)
                self.visit(right, asked=asked or operator == "and")
            case Unary(operator="not") | Compare():
                self._children(node, asked=True)
            case InlineIf(condition=condition, body=body, otherwise=otherwise):
                self.visit(condition, asked=True)
                self._all((body, otherwise), asked=asked)
            case If(branches=branches, otherwise=otherwise):
                self._all([condition for condition, _ in branches], asked=True)
                self._all([*(body for _, body in branches), otherwise])
            case _:
                self._binding(node, asked=asked)

    def _binding(self, node: Any, *, asked: bool) -> None:
        match node:
            case For(targets=targets, iterable=iterable, body=body, otherwise=otherwise):
                self._bind(targets)
                self._all((iterable, body, otherwise))
            case Set(targets=targets, value=value):
                self._bind(targets)
                self.visit(value)
            case Macro(name=name, parameters=parameters, body=body):
                self.bound |= {name}
                self._bind([symbol for symbol in parameters.positional if isinstance(symbol, Symbol)])
                self._bind([symbol for symbol, _ in parameters.keyword])
                self._all([default for _, default in parameters.keyword])
                self.visit(body)
            case CallBlock(call=call, caller=caller):
                self._all((call, caller))
            case Arguments(positional=positional, keyword=keyword):
                self._all([*positional, *(value for _, value in keyword)])
            case _:
                self._children(node, asked=asked)

    def _children(self, node: Any, *, asked: bool) -> None:
        """Whatever is in nodes, lists and pairs."""
        if isinstance(node, Node):
            self._all([getattr(node, each.name) for each in fields(node) if each.name != "offset"], asked=asked)
        elif isinstance(node, list | tuple):
            self._all(node, asked=asked)

    def _all(self, nodes: Iterable[Any], *, asked: bool = False) -> None:
        for node in nodes:
            self.visit(node, asked=asked)

    def _bind(self, targets: Iterable[Symbol]) -> None:
        self.bound |= {target.name for target in targets}

    def _name(self, node: Symbol | Lookup, *, asked: bool, called: bool = False) -> None:
        path: list[str] = []
        target: Any = node
        while isinstance(target, Lookup):
            if isinstance(target.key, Literal) and isinstance(target.key.value, str):
                path.append(target.key.value)
            else:
                self.visit(target.key)
                path.clear()
            target = target.target
        if isinstance(target, Symbol):
            name = (target.name, *reversed(path))
            self.uses.names.append(self._use(name, target, is_called=called, is_asked=asked))
        else:
            self.visit(target, asked=asked)

    def _call(self, target: Any) -> None:
        if isinstance(target, Symbol):
            self._name(target, asked=False, called=True)
        elif isinstance(target, Lookup):
            # A method: what has it is used, its name is nobody's.
            self.visit(target.target)
            self.visit(target.key)
        else:
            self.visit(target)

    def _test(self, test: Any) -> None:
        name = test.target if isinstance(test, Call) else test
        if isinstance(test, Call):
            self.visit(test.arguments)
        if isinstance(name, Symbol):
            try:
                test_arity(name.name)
            except Fault:
                self.uses.unknown_tests.append(self._use((name.name,), name))

    def _use(self, name: tuple[str, ...], node: Node, **details: bool) -> Use:
        place = explain(Fault("", node.offset), self.source)
        return Use(name, place.line or 1, place.column or 1, place.construct or "", **details)


def missing_parts(names: Iterable[Use], known: Mapping[str, Iterable[str]]) -> list[Use]:
    """The uses `root.part` where `known` says all parts of the root and this is none of them.

    A name that any place asks for is optional in the whole template, and left out.
    """
    uses = [use for use in names if len(use.name) > 1 and use.name[0] in known]
    optional = {use.name[:2] for use in uses if use.is_asked}
    return [use for use in uses if use.name[1] not in set(known[use.name[0]]) and use.name[:2] not in optional]
