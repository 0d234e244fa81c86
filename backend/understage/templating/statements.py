"""Fifth stage, statements: bodies become closures that take an Env and a list to write text to. Called by `render`.

How names are bound follows what the code that Nunjucks generates does: a macro sees what was set at the top of the template and
the context, not what surrounds it; a caller sees the place of its call block; `set` in a loop changes a name that exists outside
and else stays in the loop; a block has a scope of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass

from understage.templating.calls import charge_result
from understage.templating.compiling import (
    Bind,
    Evaluate,
    ExpressionCompiler,
    FramePlan,
    Region,
    TemplateFunction,
    compile_slot_write,
    frame_at,
)
from understage.templating.errors import Fault
from understage.templating.loops import Iteration, bind_loop_variable, destructure, iterate
from understage.templating.nodes import (
    Arguments,
    Block,
    Body,
    CallBlock,
    Capture,
    Expression,
    For,
    If,
    Macro,
    Output,
    Set,
    Statement,
    Switch,
    Symbol,
    Text,
)
from understage.templating.scope import Env, Frame, Run, Scope
from understage.templating.text import join_units
from understage.templating.values import UNDEFINED, SafeString, Value, render, strict_equal, to_number, truthy

Execute = Callable[[Env, list[str]], None]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a statement stands: whether macros and assignments there become visible to macros."""

    exports_macros: bool
    exports_assignments: bool


_MOST_STATEMENTS = 100_000
_ROOT = Place(exports_macros=True, exports_assignments=True)
_INNER = Place(exports_macros=True, exports_assignments=False)
_LOOP = Place(exports_macros=False, exports_assignments=False)


class Template:
    """A compiled template. It holds no data of any render and may run in several threads at once."""

    def __init__(self, body: Body) -> None:
        compiler = StatementCompiler()
        self._plan = FramePlan()
        region = Region(self._plan)
        self._value: Evaluate | None = None
        self._execute: Execute | None = None
        if len(body.children) == 1 and isinstance(sole := body.children[0], Output):
            self._value = compiler.expression(sole.expression, region)
        else:
            self._execute = compiler.body(body, region, _ROOT)
        self.changes_values = compiler.changes_values or (compiler.dynamic_lookup and compiler.indirect_call)

    def run(self, run: Run, context: dict[str, Value], *, as_text: bool) -> Value:
        """The value of a template that is one expression, the text of any other, or text in any case."""
        exports = Scope({}, Scope(context), isolated=True)
        env = Env(run, Frame(self._plan.size), Scope({}, exports, isolated=True), exports)
        if self._value is not None:
            value = self._value(env)
            if not as_text:
                return value
            run.refuse_callables(value)
            return render(value)
        assert self._execute is not None
        out: list[str] = []
        self._execute(env, out)
        return join_units(out)


class StatementCompiler(ExpressionCompiler):
    """Compiles statements, and the expressions in them."""

    def __init__(self) -> None:
        super().__init__()
        self.compiled = 0
        self.place = _ROOT  # of the output statement whose expression is being compiled

    def body(self, body: Body, region: Region, place: Place) -> Execute:
        """The closure of statements one after the other."""
        statements = [self.statement(child, region, place) for child in body.children]
        if len(statements) == 1:
            return statements[0]

        def execute(env: Env, out: list[str]) -> None:
            for statement in statements:
                statement(env, out)

        return execute

    def statement(self, node: Statement, region: Region, place: Place) -> Execute:
        """The closure of one statement."""
        self.compiled += 1
        if self.compiled > _MOST_STATEMENTS:
            raise Fault(
                "The template exceeded its limit of nodes: loops with several targets nest too deep", limit="nodes"
            )
        match node:
            case Text(text=text):
                return _write_text(text)
            case Output():
                self.place = place
                return self._output(node, region)
            case If():
                return self._if_statement(node, region, place)
            case For():
                return self._for_statement(node, region)
            case Set():
                return self._set_statement(node, region, place)
            case Macro():
                return self._macro(node, region, place)
            case CallBlock():
                return self._call_block(node, region)
            case Block():
                return self._block(node)
            case Switch():
                return self._switch(node, region, place)
        raise Fault("Unexpected statement", node.offset)

    def _output(self, node: Output, region: Region) -> Execute:
        value, offset = self.expression(node.expression, region), node.offset

        def execute(env: Env, out: list[str]) -> None:
            result = value(env)
            try:
                env.run.refuse_callables(result)
                text = render(result)
                env.run.meter.emit(len(text))
            except Fault as fault:
                raise fault.at(offset) from None
            out.append(text)

        return execute

    def _if_statement(self, node: If, region: Region, place: Place) -> Execute:
        branches = [
            (self.expression(condition, region), self.body(body, region, place)) for condition, body in node.branches
        ]
        otherwise = self.body(node.otherwise, region, place) if node.otherwise else None

        def execute(env: Env, out: list[str]) -> None:
            for condition, body in branches:
                if truthy(condition(env)):
                    return body(env, out)
            if otherwise is not None:
                otherwise(env, out)

        return execute

    def _switch(self, node: Switch, region: Region, place: Place) -> Execute:
        subject = self.expression(node.subject, region)
        cases = [
            (self.expression(value, region), self.body(body, region, place) if body.children else None)
            for value, body in node.cases
        ]
        otherwise = self.body(node.otherwise, region, place) if node.otherwise else None

        def execute(env: Env, out: list[str]) -> None:
            value, matched = subject(env), False
            for candidate, body in cases:
                matched = matched or strict_equal(value, candidate(env))
                if matched and body is not None:
                    return body(env, out)
            if otherwise is not None:
                otherwise(env, out)

        return execute

    def _set_statement(self, node: Set, region: Region, place: Place) -> Execute:
        if isinstance(node.value, Capture):
            value = self.capture_in_place(node.value, region, place)
        else:
            value = self.expression(node.value, region)
        names = [target.name for target in node.targets]
        slots = [compile_slot_write(region, region.slots[name]) for name in names if name in region.slots]
        exports = place.exports_assignments

        def execute(env: Env, out: list[str]) -> None:
            result = value(env)
            for name in names:
                env.scope.assign(name, result)
                if exports:
                    env.exports.names[name] = result
            for write in slots:
                write(env, result)

        return execute

    def _block(self, node: Block) -> Execute:
        plan = FramePlan()
        body = self.body(node.body, Region(plan), _INNER)

        def execute(env: Env, out: list[str]) -> None:
            body(Env(env.run, Frame(plan.size), env.scope.child(isolated=True), env.exports), out)

        return execute

    def capture_in_place(self, node: Capture, region: Region, place: Place) -> Evaluate:
        """The text that a body writes, in the scope it stands in."""
        body = self.body(node.body, region, place)

        def evaluate(env: Env) -> Value:
            out: list[str] = []
            body(env, out)
            return join_units(out)

        return evaluate

    def capture(self, node: Expression, region: Region) -> Evaluate:
        """The text that a body writes, in a scope on top of the one it stands in."""
        if not isinstance(node, Capture):
            return super().capture(node, region)
        evaluate = self.capture_in_place(node, region, self.place)
        return lambda env: evaluate(env.inside(env.scope.child()))

    # --- loops --------------------------------------------------------------------------------------------------------

    def _for_statement(self, node: For, region: Region) -> Execute:
        iterable, offset = self.expression(node.iterable, region), node.offset
        level, length_slot = region.new_slot()
        hops = region.plan.level - level
        single = len(node.targets) == 1
        bodies = _LoopBodies(self, node, region)

        def execute(env: Env, out: list[str]) -> None:
            value = iterable(env)
            try:
                entries = iterate(value, single=single, meter=env.run.meter)
            except Fault as fault:
                raise fault.at(offset) from None
            slots = frame_at(env.frame, hops).slots
            if truthy(value):
                slots[length_slot] = entries.length
            inner = env.inside(env.scope.child())
            bodies.execute(inner, out, entries, slots[length_slot])

        return execute

    # --- macros -------------------------------------------------------------------------------------------------------

    def _macro(self, node: Macro, region: Region, place: Place) -> Execute:
        write = compile_slot_write(region, region.new_slot(node.name))
        code = self.macro_code(node, Region(FramePlan()), _INNER)
        name, exports = node.name, place.exports_macros

        def execute(env: Env, out: list[str]) -> None:
            function = MacroFunction(code, env.exports, None, env.exports)
            write(env, function)
            if exports:
                env.exports.names[name] = function

        return execute

    def _call_block(self, node: CallBlock, region: Region) -> Execute:
        target = self.expression(node.call.target, region)
        arguments = self.arguments(node.call.arguments, region)
        inner = Region(FramePlan(region.plan.level + 1), region.slots)
        code = self.macro_code(node.caller, inner, _LOOP)
        offset = node.offset
        self.indirect_call = True

        def execute(env: Env, out: list[str]) -> None:
            function = target(env)
            if not isinstance(function, MacroFunction) or function.is_caller:
                raise Fault("Call blocks can target only template macros", offset)
            positional, keyword = arguments(env)
            keyword = {**keyword, "caller": MacroFunction(code, env.scope, env.frame, env.exports, is_caller=True)}
            try:
                text = render(function.invoke(env.run, positional, keyword))
                env.run.meter.emit(len(text))
            except Fault as fault:
                raise fault.at(offset) from None
            out.append(text)

        return execute

    def macro_code(self, node: Macro, region: Region, place: Place) -> "MacroCode":
        """The compiled parameters and body of a macro or caller."""
        parameters = _Parameters.compile(self, node.parameters, region)
        return MacroCode(region.plan, parameters, self.body(node.body, region, place))


class _LoopBodies:
    """The bodies of a loop.

    With several targets Nunjucks generates the body twice, once for lists and once for objects, and binds the targets to other
    variables in each. So do we; the doubling at every level of nesting is what _MOST_STATEMENTS bounds.
    """

    def __init__(self, compiler: StatementCompiler, node: For, region: Region) -> None:
        self.compiler = compiler
        self.node = node
        self.inner = region.nested()
        self.binds = [compile_slot_write(self.inner, self.inner.new_slot(target.name)) for target in node.targets]
        self.names = [target.name for target in node.targets]
        record_region = self.inner.nested() if len(self.names) > 1 else self.inner
        self.record_binds: list[Bind] = []
        if len(self.names) > 1:
            self.record_binds = [
                compile_slot_write(record_region, record_region.new_slot(name)) for name in self.names[:2]
            ]
        self.list_body = compiler.body(node.body, self.inner, _LOOP)
        self.record_body = compiler.body(node.body, record_region, _LOOP) if self.record_binds else self.list_body
        self.otherwise = compiler.body(node.otherwise, record_region, _LOOP) if node.otherwise else None

    def execute(self, env: Env, out: list[str], entries: Iteration, length: Value) -> None:
        """Run the body for every entry, the else body when there were none."""
        body = self.list_body if entries.as_list else self.record_body
        count = to_number(length)
        for index, entry in enumerate(entries.values):
            env.run.meter.work(2)
            self.bind(env, entry, as_list=entries.as_list)
            bind_loop_variable(env.scope, index, count, length)
            body(env, out)
        if self.otherwise is not None and not truthy(length):
            self.otherwise(env, out)

    def bind(self, env: Env, entry: Value, *, as_list: bool) -> None:
        if len(self.names) == 1:
            env.scope.names[self.names[0]] = entry
            self.binds[0](env, entry)
        elif as_list:
            for index, write in enumerate(self.binds):
                write(env, destructure(entry, index))
        else:
            for index, write in enumerate(self.record_binds):
                value = destructure(entry, index)
                env.scope.names[self.names[index]] = value
                write(env, value)


@dataclass(frozen=True, slots=True)
class _Parameters:
    """Positional parameters, which are slots, and parameters with defaults, which are names."""

    names: list[str]
    writes: list[Bind]
    defaults: list[tuple[str, Evaluate]]

    @classmethod
    def compile(cls, compiler: StatementCompiler, node: Arguments, region: Region) -> "_Parameters":
        names, writes = [], []
        for parameter in node.positional:
            assert isinstance(parameter, Symbol)
            slot = region.slots.get(parameter.name) if parameter.name in names else None
            writes.append(compile_slot_write(region, slot or region.new_slot(parameter.name)))
            names.append(parameter.name)
        defaults = [(key.name, compiler.expression(value, region)) for key, value in node.keyword]
        return cls(names, writes, defaults)

    def bind(self, env: Env, positional: list[Value], keyword: dict[str, Value]) -> None:
        """Bind arguments: surplus positional ones fill the defaults, missing ones are looked for among the keywords."""
        keyword = dict(keyword)
        for (name, _), value in zip(self.defaults, positional[len(self.names) :], strict=False):
            keyword[name] = value
        missing = self.names[len(positional) :]
        values = positional[: len(self.names)] + [keyword.pop(name, UNDEFINED) for name in missing]
        for name, write, value in zip(self.names, self.writes, values, strict=True):
            env.scope.names[name] = value
            write(env, value)
        for name, default in self.defaults:
            env.scope.names[name] = keyword[name] if name in keyword else default(env)
        declared = {name for name, _ in self.defaults}
        if "caller" in keyword and "caller" not in declared and "caller" not in self.names:
            env.scope.names["caller"] = keyword["caller"]


@dataclass(frozen=True, slots=True)
class MacroCode:
    """What a macro is before it is declared: its slots, parameters and body."""

    plan: FramePlan
    parameters: _Parameters
    body: Execute


class MacroFunction(TemplateFunction):
    """A declared macro, or the body of a call block as `caller`, with the scope it sees."""

    __slots__ = ("code", "exports", "frame", "is_caller", "scope")

    def __init__(
        self, code: MacroCode, scope: Scope, frame: Frame | None, exports: Scope, *, is_caller: bool = False
    ) -> None:
        self.code = code
        self.scope = scope
        self.frame = frame
        self.exports = exports
        self.is_caller = is_caller

    def invoke(self, run: Run, positional: list[Value], keyword: dict[str, Value]) -> Value:
        """The text that the body writes, as a safe string."""
        meter = run.meter
        meter.work(4)
        meter.depth += 1
        if meter.depth > meter.limits.nesting:
            raise Fault(f"The template exceeded its limit of nesting ({meter.limits.nesting})", limit="nesting")
        env = Env(run, Frame(self.code.plan.size, self.frame), self.scope.child(isolated=True), self.exports)
        self.code.parameters.bind(env, positional, keyword)
        out: list[str] = []
        self.code.body(env, out)
        meter.depth -= 1
        text = join_units(out)
        charge_result(meter, text)
        return SafeString(text)


def _write_text(text: str) -> Execute:
    def execute(env: Env, out: list[str]) -> None:
        env.run.meter.emit(len(text))
        out.append(text)

    return execute
