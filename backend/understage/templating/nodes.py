"""The syntax tree of a template. `offset` is the place in the source, for messages.

Expressions have a value, statements write text and change bindings; `compiling` turns both into closures.
"""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Node:
    """Anything at a place in the source."""

    offset: int


class Expression(Node):
    """A node that has a value."""

    __slots__ = ()


class Statement(Node):
    """A node that writes or binds."""

    __slots__ = ()


@dataclass(slots=True)
class Literal(Expression):
    """true, 1, "text", null, or r/…/flags as a pair of source and flags."""

    value: bool | float | str | tuple[str, str] | None


@dataclass(slots=True)
class Symbol(Expression):
    """A name: as expression, or as target of a binding."""

    name: str


@dataclass(slots=True)
class Group(Expression):
    """(a, b): the value of the last."""

    children: list[Expression]


@dataclass(slots=True)
class Array(Expression):
    """[a, b]."""

    children: list[Expression]


@dataclass(slots=True)
class Dict(Expression):
    """{a: 1, "b": 2}."""

    pairs: list[tuple[str, Expression]]


@dataclass(slots=True)
class Lookup(Expression):
    """target.key or target[key]."""

    target: Expression
    key: Expression


@dataclass(slots=True)
class Slice(Expression):
    """start:stop:step inside brackets."""

    start: Expression
    stop: Expression
    step: Expression


@dataclass(slots=True)
class InlineIf(Expression):
    """body if condition else otherwise."""

    condition: Expression
    body: Expression
    otherwise: Expression | None


@dataclass(slots=True)
class Arguments(Node):
    """What stands between the parentheses of a call, or of a signature."""

    positional: list[Expression] = field(default_factory=list)
    keyword: list[tuple[Symbol, Expression]] = field(default_factory=list)


@dataclass(slots=True)
class Call(Expression):
    """target(arguments)."""

    target: Expression
    arguments: Arguments


@dataclass(slots=True)
class FilterCall(Expression):
    """input | name(arguments)."""

    input: Expression
    name: str
    arguments: Arguments


@dataclass(slots=True)
class Test(Expression):
    """subject is name(arguments); the parser keeps whatever expression stood behind `is`."""

    subject: Expression
    test: Expression


@dataclass(slots=True)
class Binary(Expression):
    """left operator right for + ~ - * / % ** and or in."""

    operator: str
    left: Expression
    right: Expression


@dataclass(slots=True)
class Unary(Expression):
    """not, -, + or floor (the lower half of //)."""

    operator: str
    target: Expression


@dataclass(slots=True)
class Compare(Expression):
    """A chain: each operator compares the result so far with the next operand."""

    first: Expression
    operations: list[tuple[str, Expression]]


@dataclass(slots=True)
class Capture(Expression):
    """The text that a body writes."""

    body: "Body"


@dataclass(slots=True)
class Body(Statement):
    """Statements one after the other."""

    children: list[Statement]


@dataclass(slots=True)
class Text(Statement):
    """Literal text."""

    text: str


@dataclass(slots=True)
class Output(Statement):
    """${{ expression }}."""

    expression: Expression


@dataclass(slots=True)
class If(Statement):
    """if, elif …, else: pairs of condition and body."""

    branches: list[tuple[Expression, Body]]
    otherwise: Body | None


@dataclass(slots=True)
class For(Statement):
    """for targets in iterable, else."""

    targets: list[Symbol]
    iterable: Expression
    body: Body
    otherwise: Body | None


@dataclass(slots=True)
class Set(Statement):
    """set targets = value; a block's value is a Capture of its body."""

    targets: list[Symbol]
    value: Expression


@dataclass(slots=True)
class Macro(Statement):
    """A named body with parameters; the unnamed body of a call block is one too."""

    name: str
    parameters: Arguments
    body: Body


@dataclass(slots=True)
class CallBlock(Statement):
    """call macro(…) with a body as `caller`."""

    call: Call
    caller: Macro


@dataclass(slots=True)
class Block(Statement):
    """A named block, rendered where it stands, with a scope of its own."""

    name: str
    body: Body


@dataclass(slots=True)
class Switch(Statement):
    """switch: pairs of case and body; an empty body falls through to the next."""

    subject: Expression
    cases: list[tuple[Expression, Body]]
    otherwise: Body | None
