"""Fifth stage, expressions: nodes become closures that take an Env and answer a value. Called by `statements`.

Names are resolved here as far as Nunjucks resolves them when it compiles: a Region knows which names are slots at one place.
"""

from collections.abc import Callable
from typing import Any

from understage.templating import operators
from understage.templating.calls import BoundMethod, BuiltIn, Cycler, call_host, charge_result, find_global
from understage.templating.errors import Fault, quote
from understage.templating.filters import FILTERS, lower_keywords
from understage.templating.members import own_member
from understage.templating.methods import find_method
from understage.templating.nodes import (
    Arguments,
    Array,
    Binary,
    Call,
    Compare,
    Dict,
    Expression,
    FilterCall,
    Group,
    InlineIf,
    Literal,
    Lookup,
    Slice,
    Symbol,
    Test,
    Unary,
)
from understage.templating.scope import Env, Frame, Run
from understage.templating.tests import apply_test, test_arity
from understage.templating.values import (
    MISSING,
    SAFE_INTEGER,
    UNDEFINED,
    Invocable,
    Regex,
    Value,
    admit,
    kind_of,
    render,
    to_string,
    truthy,
)

Evaluate = Callable[[Env], Value]
Bind = Callable[[Env, Value], None]
EvaluateArguments = Callable[[Env], tuple[list[Value], dict[str, Value]]]


class FramePlan:
    """How many slots one compiled body needs, and how deep it stands in the bodies of callers."""

    def __init__(self, level: int = 0) -> None:
        self.level = level
        self.size = 0


class Region:
    """The slots that names mean at one place of a body."""

    def __init__(self, plan: FramePlan, slots: dict[str, tuple[int, int]] | None = None) -> None:
        self.plan = plan
        self.slots = dict(slots or {})

    def nested(self) -> "Region":
        """A copy: what is bound inside stays inside."""
        return Region(self.plan, self.slots)

    def new_slot(self, name: str | None = None) -> tuple[int, int]:
        """A slot of this body, bound to `name` from here on."""
        slot = (self.plan.level, self.plan.size)
        self.plan.size += 1
        if name is not None:
            self.slots[name] = slot
        return slot


def frame_at(frame: Frame, hops: int) -> Frame:
    """The frame `hops` callers further out."""
    while hops:
        assert frame.parent is not None
        frame, hops = frame.parent, hops - 1
    return frame


def compile_slot_write(region: Region, slot: tuple[int, int]) -> Bind:
    """A closure that sets a slot."""
    hops, index = region.plan.level - slot[0], slot[1]

    def write(env: Env, value: Value) -> None:
        frame_at(env.frame, hops).slots[index] = value

    return write


class ExpressionCompiler:
    """Compiles expressions; `compile_capture` comes from the statements' side."""

    def __init__(self) -> None:
        self.changes_values = False  # a method that changes its receiver may be called
        self.dynamic_lookup = False
        self.indirect_call = False

    def expression(self, node: Expression, region: Region) -> Evaluate:
        """The closure of `node`."""
        compile_node = _COMPILERS.get(type(node))
        if compile_node is None:
            return self.capture(node, region)
        return compile_node(self, node, region)

    def capture(self, node: Expression, region: Region) -> Evaluate:
        """The closure of a Capture; overridden where bodies are known."""
        raise Fault("Unexpected expression", node.offset)

    def _literal(self, node: Literal, region: Region) -> Evaluate:
        value = node.value
        if isinstance(value, tuple):
            source, flags = value
            return lambda env: Regex(source, flags)
        return lambda env: value

    def _symbol(self, node: Symbol, region: Region) -> Evaluate:
        name = node.name
        slot = region.slots.get(name)
        if slot is not None:
            hops, index = region.plan.level - slot[0], slot[1]
            if hops == 0:
                return lambda env: env.frame.slots[index]
            return lambda env: frame_at(env.frame, hops).slots[index]

        def read(env: Env) -> Value:
            value = env.scope.get(name)
            if value is MISSING:
                value = find_global(env.run, name)
            return admit(value)

        return read

    def _group(self, node: Group, region: Region) -> Evaluate:
        *before, last = [self.expression(child, region) for child in node.children]
        if not before:
            return last

        def evaluate(env: Env) -> Value:
            for child in before:
                env.run.refuse_callables(child(env))
            return last(env)

        return evaluate

    def _array(self, node: Array, region: Region) -> Evaluate:
        children = [self.expression(child, region) for child in node.children]

        def evaluate(env: Env) -> Value:
            items = [child(env) for child in children]
            _note_callables(env.run, items)
            env.run.meter.list_of(len(items))
            return items

        return evaluate

    def _dictionary(self, node: Dict, region: Region) -> Evaluate:
        pairs = [(key, self.expression(value, region)) for key, value in node.pairs]

        def evaluate(env: Env) -> Value:
            members = {key: value(env) for key, value in pairs}
            _note_callables(env.run, list(members.values()))
            env.run.meter.list_of(len(members))
            return members

        return evaluate

    def _lookup(self, node: Lookup, region: Region) -> Evaluate:
        target, offset = self.expression(node.target, region), node.offset
        if isinstance(node.key, Slice):
            return self._slice(node.key, target, region)
        if isinstance(node.key, Literal) and not isinstance(node.key.value, tuple):
            constant = to_string(node.key.value)
            self.changes_values |= constant in _CHANGING_METHODS and isinstance(node.key.value, str)

            def member(env: Env) -> Value:
                value = target(env)
                if type(value) is dict and constant in value:
                    found = value[constant]
                    if type(found) is int and not -SAFE_INTEGER <= found <= SAFE_INTEGER:
                        return admit(found)
                    return found
                return find_member(env.run, value, constant)

            return member
        self.dynamic_lookup = True
        key = self.expression(node.key, region)

        def dynamic_member(env: Env) -> Value:
            value, name = target(env), key(env)
            try:
                env.run.refuse_callables(name)
                return find_member(env.run, value, to_string(name))
            except Fault as fault:
                raise fault.at(offset) from None

        return dynamic_member

    def _slice(self, node: Slice, target: Evaluate, region: Region) -> Evaluate:
        start, stop, step = (self.expression(bound, region) for bound in (node.start, node.stop, node.step))
        offset = node.offset

        def evaluate(env: Env) -> Value:
            try:
                return operators.slice_value(env.run, target(env), start(env), stop(env), step(env))
            except Fault as fault:
                raise fault.at(offset) from None

        return evaluate

    def _inline_if(self, node: InlineIf, region: Region) -> Evaluate:
        condition = self.expression(node.condition, region)
        body = self.expression(node.body, region)
        otherwise = self.expression(node.otherwise, region) if node.otherwise else (lambda env: "")
        return lambda env: body(env) if truthy(condition(env)) else otherwise(env)

    def _binary(self, node: Binary, region: Region) -> Evaluate:
        left, right = self.expression(node.left, region), self.expression(node.right, region)
        if node.operator == "and":

            def both(env: Env) -> Value:
                value = left(env)
                return right(env) if truthy(value) else value

            return both
        if node.operator == "or":

            def either(env: Env) -> Value:
                value = left(env)
                return value if truthy(value) else right(env)

            return either
        operate, offset = operators.BINARY[node.operator], node.offset

        def evaluate(env: Env) -> Value:
            try:
                return operate(env.run, left(env), right(env))
            except Fault as fault:
                raise fault.at(offset) from None

        return evaluate

    def _unary(self, node: Unary, region: Region) -> Evaluate:
        target, operate, offset = self.expression(node.target, region), operators.UNARY[node.operator], node.offset

        def evaluate(env: Env) -> Value:
            value = target(env)
            try:
                return operate(value)
            except Fault as fault:
                raise fault.at(offset) from None

        return evaluate

    def _compare(self, node: Compare, region: Region) -> Evaluate:
        first, offset = self.expression(node.first, region), node.offset
        operations = [(operator, self.expression(operand, region)) for operator, operand in node.operations]

        def evaluate(env: Env) -> Value:
            value = first(env)
            try:
                for operator, operand in operations:
                    value = operators.compare(operator, value, operand(env))
            except Fault as fault:
                raise fault.at(offset) from None
            return value

        return evaluate

    def arguments(self, node: Arguments, region: Region) -> EvaluateArguments:
        """The closure that evaluates the arguments of a call."""
        positional = [self.expression(argument, region) for argument in node.positional]
        keyword = [(key.name, self.expression(value, region)) for key, value in node.keyword]
        if not keyword:
            return lambda env: ([argument(env) for argument in positional], {})
        return lambda env: ([argument(env) for argument in positional], {key: value(env) for key, value in keyword})

    def _filter_call(self, node: FilterCall, region: Region) -> Evaluate:
        value, arguments = self.expression(node.input, region), self.arguments(node.arguments, region)
        name, offset, keywords = node.name, node.offset, len(node.arguments.keyword)

        def evaluate(env: Env) -> Value:
            run = env.run
            try:
                host = run.filters.get(name)
                if host is not None:
                    if keywords:
                        raise Fault(f"Registered filter {name} does not accept keyword arguments")
                    received = [value(env), *arguments(env)[0]]
                    run.refuse_callables(*received)
                    return call_host(run, f"filter {quote(name)}", host, received)
                return _apply_filter(
                    run, "dump" if name == "jsonify" and run.compatible else name, value, arguments, env
                )
            except Fault as fault:
                raise fault.at(offset) from None

        return evaluate

    def _test(self, node: Test, region: Region) -> Evaluate:
        subject, offset = self.expression(node.subject, region), node.test.offset
        name, given = _test_invocation(node.test)
        arguments = self.arguments(given or Arguments(offset), region)
        count = len(given.positional) if given else 0
        keywords = bool(given and given.keyword)

        def evaluate(env: Env) -> Value:
            try:
                arity = test_arity(name)
                if keywords or count != arity:
                    raise Fault(f"Template test {name} requires {arity} positional arguments")
                return apply_test(env.run, name, subject(env), arguments(env)[0])
            except Fault as fault:
                raise fault.at(offset) from None

        return evaluate

    def _call(self, node: Call, region: Region) -> Evaluate:
        if isinstance(node.target, Lookup):
            self.changes_values |= not isinstance(node.target.key, Literal)
        else:
            self.indirect_call = True
        target, arguments = self.expression(node.target, region), self.arguments(node.arguments, region)
        counts = len(node.arguments.positional), len(node.arguments.keyword)
        shown, offset = _path(node.target), node.target.offset

        def evaluate(env: Env) -> Value:
            function = target(env)
            try:
                if isinstance(function, BuiltIn):
                    function.check(*counts)
                    positional, _ = arguments(env)
                    env.run.refuse_callables(*positional)
                    return function.invoke(env.run, positional)
                if isinstance(function, TemplateFunction):
                    return function.invoke(env.run, *arguments(env))
                raise Fault(f"Template {shown} resolved to {kind_of(function)} and cannot be called")
            except Fault as fault:
                raise fault.at(offset) from None

        return evaluate


class TemplateFunction(Invocable):
    """A macro or a caller; its body is known to `statements`."""

    __slots__ = ()

    def invoke(self, run: Run, positional: list[Value], keyword: dict[str, Value]) -> Value:
        """The text that the body writes, as a safe string."""
        raise NotImplementedError


def find_member(run: Run, value: Value, key: str) -> Value:
    """What `value[key]` is: a member, else a method, else undefined."""
    found = own_member(value, key)
    if found is not MISSING:
        return found
    if isinstance(value, Cycler):
        return value.member(key)
    method = find_method(value, key, compatible=run.compatible)
    return UNDEFINED if method is None else BoundMethod(key, method, value)


def _apply_filter(run: Run, name: str, value: Evaluate, arguments: EvaluateArguments, env: Env) -> Value:
    function = FILTERS.get(name)
    if function is None:
        raise Fault(f"Unknown template filter {quote(name)}")
    received = value(env)
    positional, keyword = arguments(env)
    run.refuse_callables(received, *positional, *keyword.values())
    run.meter.work(1)
    try:
        result = function(run, received, lower_keywords(name, positional, keyword))
    except Fault as fault:
        if fault.limit is None and fault.offset is None:
            fault.message = f"Filter {quote(name)} failed for {kind_of(received)} input: {fault.message}"
        raise
    charge_result(run.meter, result)
    return result


def _note_callables(run: Run, items: list[Value]) -> None:
    if not run.nested_callables and any(isinstance(item, Invocable) for item in items):
        run.nested_callables = True


def _test_invocation(node: Expression) -> tuple[str, Arguments | None]:
    """The name of the test that stands behind `is`, and its arguments."""
    if isinstance(node, Call):
        return _test_name(node.target), node.arguments
    if isinstance(node, FilterCall):
        given = Arguments(node.offset, [node.input, *node.arguments.positional], node.arguments.keyword)
        return node.name, given
    return _test_name(node), None


def _test_name(node: Expression) -> str:
    if isinstance(node, Symbol):
        return node.name
    if isinstance(node, Literal):
        return to_string(Regex(*node.value) if isinstance(node.value, tuple) else node.value)
    return "undefined"


def _path(node: Expression) -> str:
    """How a message names the target of a call."""
    names: list[str] = []
    while isinstance(node, Lookup) and isinstance(node.key, Literal):
        names.append(render(node.key.value) if not isinstance(node.key.value, tuple) else "")
        node = node.target
    if not isinstance(node, Symbol):
        return "expression"
    return f"value {quote('.'.join([node.name, *reversed(names)]))}"


_CHANGING_METHODS = frozenset(
    ("append", "copyWithin", "fill", "insert", "pop", "push", "remove", "reverse", "shift", "sort", "splice", "unshift")
)

_COMPILERS: dict[type, Callable[[ExpressionCompiler, Any, Region], Evaluate]] = {
    Literal: ExpressionCompiler._literal,
    Symbol: ExpressionCompiler._symbol,
    Group: ExpressionCompiler._group,
    Array: ExpressionCompiler._array,
    Dict: ExpressionCompiler._dictionary,
    Lookup: ExpressionCompiler._lookup,
    InlineIf: ExpressionCompiler._inline_if,
    Binary: ExpressionCompiler._binary,
    Unary: ExpressionCompiler._unary,
    Compare: ExpressionCompiler._compare,
    FilterCall: ExpressionCompiler._filter_call,
    Test: ExpressionCompiler._test,
    Call: ExpressionCompiler._call,
}
