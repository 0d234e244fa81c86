"""Fourth stage: pieces become statements, and a template becomes a tree. Called by `compiling` once for each source."""

from collections.abc import Iterator

from understage.templating.errors import Fault, quote
from understage.templating.expressions import ExpressionParser
from understage.templating.lexing import END, tokenize
from understage.templating.limits import Limits
from understage.templating.nodes import (
    Arguments,
    Block,
    Body,
    Call,
    CallBlock,
    Capture,
    Expression,
    For,
    If,
    Literal,
    Lookup,
    Macro,
    Output,
    Set,
    Statement,
    Switch,
    Symbol,
    Text,
)
from understage.templating.scanning import CODE_WHITESPACE, Piece, Syntax, scan_template

_BARE_STOPS = frozenset(
    ("else", "endif", "endfor", "endmacro", "endcall", "endfilter", "endset", "default", "endswitch")
)
_STOPS = _BARE_STOPS | {"elif", "elseif", "case"}
_LOADING = ("include", "import", "from", "extends")


def parse_template(source: str, syntax: Syntax, limits: Limits) -> Body:
    """The tree of `source`; a Fault with an offset when the syntax is wrong or a limit is exceeded."""
    if len(source) > limits.source:
        raise Fault(f"The template exceeded its limit of source ({limits.source})", limit="source")
    return _Parser(source, scan_template(source, syntax), limits).parse()


class _Parser:
    def __init__(self, source: str, pieces: list[Piece], limits: Limits) -> None:
        self.source = source
        self.pieces = pieces
        self.limits = limits
        self.index = 0
        self.depth = 0
        self.nodes = 0
        self.blocks: set[str] = set()

    def parse(self) -> Body:
        body, _ = self.body(None, ())
        return body

    def body(self, opening: Piece | None, stops: tuple[str, ...]) -> tuple[Body, Piece | None]:
        """Statements up to one of the `stops`, and that stop; without stops up to the end of the template."""
        self.depth += 1
        if self.depth > self.limits.nesting:
            raise Fault(f"The template exceeded its limit of nesting ({self.limits.nesting})", limit="nesting")
        children: list[Statement] = []
        while self.index < len(self.pieces):
            piece = self.pieces[self.index]
            self.index += 1
            self.count(1)
            if piece.kind == "text":
                children.append(Text(piece.offset, piece.text))
            elif piece.kind == "variable":
                children.append(Output(piece.offset, self.expression(piece)))
            elif piece.name in stops:
                if piece.name in _BARE_STOPS and piece.start < piece.end:
                    raise Fault(f"{piece.name} tag does not accept trailing content", piece.offset)
                self.depth -= 1
                return Body(piece.offset, children), piece
            elif piece.name in _STOPS:
                expected = f"; expected {', '.join(map(quote, stops))}" if stops else " without a matching opening tag"
                raise Fault(f"Unexpected {quote(piece.name)} tag{expected}", piece.offset)
            else:
                children.append(self.statement(piece))
        if opening is not None:
            raise Fault(f"Missing {stops[-1]} tag", opening.offset)
        self.depth -= 1
        return Body(0, children), None

    def statement(self, piece: Piece) -> Statement:
        if piece.name in _LOADING:
            raise Fault(f"Unsupported template-loading tag {quote(piece.name)}", piece.offset)
        if not piece.name:
            raise Fault("Template block tag cannot be empty", piece.offset)
        if piece.name not in _STATEMENTS:
            raise Fault(f"Unknown template tag {quote(piece.name)}", piece.offset)
        return _STATEMENTS[piece.name](self, piece)

    def if_statement(self, piece: Piece) -> Statement:
        branches = []
        stop: Piece = piece
        while stop.name in ("if", "elif", "elseif"):
            condition = self.expression(stop)
            body, found = self.body(piece, ("elif", "elseif", "else", "endif"))
            branches.append((condition, body))
            assert found is not None
            stop = found
        otherwise = self.body(piece, ("endif",))[0] if stop.name == "else" else None
        return If(piece.offset, branches, otherwise)

    def for_statement(self, piece: Piece) -> Statement:
        parser = self.parser(piece)
        if parser.token.kind == END:
            raise Fault("For tag requires an in expression", piece.offset)
        targets = parser.targets()
        keyword = parser.token
        if not parser.accept_word("in") or self.source[keyword.offset + 2] not in CODE_WHITESPACE:
            raise Fault("For tag requires an in expression", piece.offset)
        if len(targets) == 1 and targets[0].name == "loop":
            raise Fault("A single loop target cannot be named loop", piece.offset)
        iterable = self.finish(parser)
        body, stop = self.body(piece, ("else", "endfor"))
        otherwise = self.body(piece, ("endfor",))[0] if stop is not None and stop.name == "else" else None
        return For(piece.offset, targets, iterable, body, otherwise)

    def set_statement(self, piece: Piece) -> Statement:
        parser = self.parser(piece)
        targets = parser.targets()
        if parser.accept("="):
            return Set(piece.offset, targets, self.finish(parser))
        parser.expect_end()
        return Set(piece.offset, targets, self.capture(piece, "endset"))

    def macro(self, piece: Piece) -> Statement:
        parser = self.parser(piece)
        name = parser.target()
        parser.expect("(")
        parameters = parser.signature()
        parser.expect_end()
        body, _ = self.body(piece, ("endmacro",))
        return Macro(piece.offset, name.name, parameters, body)

    def call_block(self, piece: Piece) -> Statement:
        parser = self.parser(piece)
        parameters = parser.signature() if parser.accept("(") else Arguments(piece.offset)
        call = self.finish(parser)
        if not isinstance(call, Call):
            raise Fault("Call block requires a function call", piece.offset)
        if not _is_static(call.target):
            raise Fault("Call block target must be a static macro reference", piece.offset)
        body, _ = self.body(piece, ("endcall",))
        return CallBlock(piece.offset, call, Macro(piece.offset, "", parameters, body))

    def filter_block(self, piece: Piece) -> Statement:
        capture = self.capture(piece, "endfilter")
        return Output(piece.offset, self.parser(piece).filter_chain(capture))

    def block(self, piece: Piece) -> Statement:
        name = self.expression(piece)
        if not isinstance(name, Symbol):
            raise Fault("Block name must be an identifier", piece.offset)
        body, stop = self.body(piece, ("endblock",))
        assert stop is not None
        closing = self.source[stop.start : stop.end]
        if closing not in ("", name.name):
            raise Fault("Endblock name must match its opening block", stop.offset)
        if name.name in self.blocks:
            raise Fault(f"Block {quote(name.name)} is declared more than once", piece.offset)
        self.blocks.add(name.name)
        return Block(piece.offset, name.name, body)

    def switch(self, piece: Piece) -> Statement:
        subject = self.expression(piece)
        stops = ("case", "default", "endswitch")
        before, stop = self.body(piece, stops)
        if before.children:
            raise Fault("Switch content must begin with case or default", piece.offset)
        cases: list[tuple[Expression, Body]] = []
        otherwise = None
        while stop is not None and stop.name == "case":
            value = self.expression(stop)
            body, stop = self.body(piece, stops)
            cases.append((value, body))
        if stop is not None and stop.name == "default":
            otherwise, _ = self.body(piece, ("endswitch",))
        if not cases and otherwise is None:
            raise Fault("Switch requires at least one case or default", piece.offset)
        return Switch(piece.offset, subject, cases, otherwise)

    def capture(self, piece: Piece, stop: str) -> Capture:
        body, _ = self.body(piece, (stop,))
        if any(isinstance(statement, Macro) for statement in _walk(body)):
            kind = stop.removeprefix("end")
            raise Fault(f"Macro declarations are not supported inside {kind} captures", piece.offset)
        return Capture(piece.offset, body)

    def expression(self, piece: Piece) -> Expression:
        return self.finish(self.parser(piece))

    def finish(self, parser: ExpressionParser) -> Expression:
        expression = parser.whole_expression()
        self.count(parser.count)
        return expression

    def parser(self, piece: Piece) -> ExpressionParser:
        return ExpressionParser(tokenize(self.source, piece.start, piece.end), self.limits.nesting)

    def count(self, nodes: int) -> None:
        self.nodes += nodes
        if self.nodes > self.limits.nodes:
            raise Fault(f"The template exceeded its limit of nodes ({self.limits.nodes})", limit="nodes")


_STATEMENTS = {
    "if": _Parser.if_statement,
    "for": _Parser.for_statement,
    "set": _Parser.set_statement,
    "macro": _Parser.macro,
    "call": _Parser.call_block,
    "filter": _Parser.filter_block,
    "block": _Parser.block,
    "switch": _Parser.switch,
}


def _is_static(target: Expression) -> bool:
    while isinstance(target, Lookup) and isinstance(target.key, Literal) and not isinstance(target.key.value, tuple):
        target = target.target
    return isinstance(target, Symbol)


def _walk(body: Body) -> Iterator[Statement]:
    """Every statement inside of `body`."""
    for statement in body.children:
        yield statement
        match statement:
            case If(branches=branches, otherwise=otherwise) | Switch(cases=branches, otherwise=otherwise):
                inner = [branch for _, branch in branches] + [otherwise]
            case For(body=first, otherwise=otherwise):
                inner = [first, otherwise]
            case Block(body=first):
                inner = [first]
            case CallBlock(caller=caller):
                inner = [caller.body]
            case Set(value=Capture(body=first)):
                inner = [first]
            case _:
                inner = []
        for child in inner:
            if child is not None:
                yield from _walk(child)
