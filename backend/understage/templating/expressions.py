"""Third stage: tokens become expression nodes, with the precedence of Nunjucks.

From loose to tight: `if`/`else`, or, and, not, in, is, `==`, `<`, `+ - ~`, `* / // %`, `**`, filters, unary signs, postfix. Each
operator has a binding power and one method climbs them, so that nesting in a template costs few Python frames.
"""

from understage.templating.errors import Fault, quote
from understage.templating.lexing import END, NAME, NUMBER, OPERATOR, REGEX, STRING, Token
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
from understage.templating.numbers import parse_number
from understage.templating.values import RESERVED

_OR, _AND, _NOT, _IN, _IS, _EQUALITY, _RELATION, _SUM, _PRODUCT, _POWER, _FILTER = range(1, 12)
_OPERATORS = {
    **dict.fromkeys(("==", "===", "!=", "!=="), _EQUALITY),
    **dict.fromkeys(("<", "<=", ">", ">="), _RELATION),
    **dict.fromkeys(("+", "-", "~"), _SUM),
    **dict.fromkeys(("*", "/", "//", "%"), _PRODUCT),
    "**": _POWER,
    "|": _FILTER,
}
_WORDS = {"or": _OR, "and": _AND, "in": _IN, "is": _IS}
_CONSTANTS: dict[str, bool | None] = {"true": True, "false": False, "none": None, "null": None}


class ExpressionParser:
    """Parses the tokens of one tag. `nesting` bounds how deep expressions may stand in each other."""

    def __init__(self, tokens: list[Token], nesting: int) -> None:
        self.tokens = tokens
        self.index = 0
        self.token = tokens[0]
        self.nesting = nesting
        self.depth = 0
        self.count = 0

    # --- what the statements need -------------------------------------------------------------------------------------

    def whole_expression(self) -> Expression:
        """One expression up to the end of the tag."""
        expression = self.expression()
        self.expect_end()
        return expression

    def targets(self) -> list[Symbol]:
        """Names to bind, separated by commas."""
        targets = [self.target()]
        while self.accept(","):
            targets.append(self.target())
        return targets

    def target(self) -> Symbol:
        """One name to bind."""
        token = self._expect_name()
        if token.value in _CONSTANTS:
            raise Fault("Binding targets must be ordinary names", token.offset)
        return self._symbol(token)

    def signature(self) -> Arguments:
        """Parameters of a macro or caller, after the opening parenthesis."""
        arguments = self.arguments()
        for parameter in arguments.positional:
            if not isinstance(parameter, Symbol):
                raise Fault("Formal parameters must be names", parameter.offset)
        return arguments

    def filter_chain(self, value: Expression) -> Expression:
        """The header of a filter block: one filter, applied to `value`."""
        filtered = self._filter_call(value)
        self.expect_end()
        return filtered

    def expect_end(self) -> None:
        """The end of the tag."""
        if self.token.kind != END:
            raise self._unexpected()

    # --- expressions --------------------------------------------------------------------------------------------------

    def expression(self) -> Expression:
        """body if condition else otherwise, or less."""
        self.depth += 1
        if self.depth > self.nesting:
            raise Fault(
                f"The template exceeded its limit of nesting ({self.nesting})", self.token.offset, limit="nesting"
            )
        body = self.climb(_OR)
        if self.accept_word("if"):
            condition = self.climb(_OR)
            otherwise = self.climb(_OR) if self.accept_word("else") else None
            body = InlineIf(body.offset, condition, body, otherwise)
        self.depth -= 1
        return body

    def climb(self, lowest: int) -> Expression:
        """An expression of operators that bind at least as tightly as `lowest`."""
        self.count += 1
        left = (
            self._negation()
            if lowest <= _NOT and self.token.kind == NAME and self.token.value == "not"
            else self._unary()
        )
        highest = _FILTER
        while True:
            power = self.power()
            if not lowest <= power <= highest:
                return left
            left, highest = self.operation(left, power)

    def power(self) -> int:
        """The binding power of the operator that comes next, 0 when none does."""
        token = self.token
        if token.kind == OPERATOR:
            return _OPERATORS.get(token.value, 0)
        if token.kind != NAME:
            return 0
        if token.value == "not" and self._following() == "in":
            return _IN
        return _WORDS.get(token.value, 0)

    def operation(self, left: Expression, power: int) -> tuple[Expression, int]:
        """`left` with the operation that follows it, and the tightest power that may come after it."""
        if power in (_EQUALITY, _RELATION):
            return self._comparison(left, power), power
        if power == _PRODUCT:
            return self.product(left), power
        token = self._advance()
        if power == _FILTER:
            return self._filter_call(left), power
        if power == _IS:
            negated = self.accept_word("not")
            right = self.climb(_EQUALITY)
            test: Expression = Test(right.offset, left, right)
            return (Unary(left.offset, "not", test) if negated else test), _IN
        if power == _IN and token.value == "not":
            self._advance()
            return Unary(left.offset, "not", Binary(left.offset, "in", left, self.climb(_IS))), power
        return Binary(left.offset, token.value, left, self.climb(power + 1)), power

    def _comparison(self, left: Expression, power: int) -> Expression:
        operations: list[tuple[str, Expression]] = []
        while self.token.kind == OPERATOR and _OPERATORS.get(self.token.value) == power:
            operator = self._advance().value
            operations.append((operator, self.climb(power + 1)))
        return Compare(left.offset, left, operations)

    def product(self, first: Expression) -> Expression:
        """A run of `* / // %`.

        Nunjucks writes it out as JavaScript without parentheses, so it runs from left to right; but `//` floors the division of
        what stands between the nearest `*` or `/` before it and the next `//`.
        """
        value, pending = self._floor_run(first)
        while self.token.kind == OPERATOR and self.token.value in ("*", "/"):
            operator = self._advance().value
            operand, modulos = self._floor_run(self.climb(_POWER))
            pending += [(operator, operand), *modulos]
        return _fold(value, pending)

    def _floor_run(self, first: Expression) -> tuple[Expression, list[tuple[str, Expression]]]:
        pending: list[tuple[str, Expression]] = []
        while True:
            if self.accept("%"):
                pending.append(("%", self.climb(_POWER)))
            elif self.accept("//"):
                pending.append(("/", self.climb(_POWER)))
                while self.accept("%"):
                    pending.append(("%", self.climb(_POWER)))
                first, pending = Unary(first.offset, "floor", _fold(first, pending)), []
            else:
                return first, pending

    def _negation(self) -> Expression:
        offsets = []
        while self.token.kind == NAME and self.token.value == "not":
            offsets.append(self._advance().offset)
        target = self.climb(_IN)
        for offset in reversed(offsets):
            target = _negate(target, offset)
        return target

    def _filter_call(self, value: Expression) -> FilterCall:
        first = self._expect_name()
        self._refuse_reserved(first)
        name = first.value
        while self.accept("."):
            segment = self._expect_name()
            self._refuse_reserved(segment)
            name += "." + segment.value
        arguments = self.arguments() if self.accept("(") else Arguments(first.offset)
        return FilterCall(first.offset, value, name, arguments)

    def _unary(self) -> Expression:
        signs: list[Token] = []
        while self.token.kind == OPERATOR and self.token.value in "+-":
            if signs and signs[-1].value == self.token.value:
                raise Fault(f"Repeated unparenthesized unary {self.token.value} is not supported", self.token.offset)
            signs.append(self._advance())
        expression = self._postfix()
        for sign in reversed(signs):
            expression = Unary(sign.offset, sign.value, expression)
        return expression

    def _postfix(self) -> Expression:
        expression = self._primary()
        while True:
            if self.accept("."):
                key = self._expect_name()
                self._refuse_reserved(key)
                expression = Lookup(key.offset, expression, Literal(key.offset, key.value))
            elif self.accept("["):
                subscript = self._subscript()
                self.expect("]")
                if isinstance(subscript, Literal) and subscript.value in RESERVED:
                    raise Fault(f"Template name {quote(str(subscript.value))} is reserved", subscript.offset)
                expression = Lookup(subscript.offset, expression, subscript)
            elif self.accept("("):
                expression = Call(expression.offset, expression, self.arguments())
            else:
                return expression

    def _subscript(self) -> Expression:
        offset = self.token.offset
        bounds: list[Expression | None] = [None]
        if not self._at(":") and not self._at("]"):
            only = self.expression()
            if not self._at(":"):
                return only
            bounds[0] = only
        if self._at("]"):
            raise Fault("Expected subscript expression", offset)
        while self._at(":") and len(bounds) < 3:
            self._advance()
            bounds.append(None if self._at(":") or self._at("]") else self.expression())
        start, stop, step = (*bounds, None, None)[:3]
        null = Literal(offset, None)
        return Slice(offset, start or null, stop or null, step or Literal(offset, 1))

    def _primary(self) -> Expression:
        token = self.token
        if token.kind == NAME:
            self._advance()
            if token.value in _CONSTANTS:
                return Literal(token.offset, _CONSTANTS[token.value])
            return self._symbol(token)
        if token.kind == STRING:
            self._advance()
            return Literal(token.offset, token.value)
        if token.kind == NUMBER:
            self._advance()
            return Literal(token.offset, parse_number(token.value))
        if token.kind == REGEX:
            self._advance()
            pattern, _, flags = token.value.rpartition("/")
            return Literal(token.offset, (pattern, flags))
        if self.accept("("):
            children = self._delimited(")")
            if not children:
                raise Fault("Parenthesized expression cannot be empty", token.offset)
            return Group(token.offset, children)
        if self.accept("["):
            return Array(token.offset, self._delimited("]"))
        if self.accept("{"):
            return Dict(token.offset, self._pairs())
        raise self._unexpected()

    def _pairs(self) -> list[tuple[str, Expression]]:
        pairs: list[tuple[str, Expression]] = []
        if self.accept("}"):
            return pairs
        while True:
            key = self.token
            if key.kind != STRING and (key.kind != NAME or key.value in _CONSTANTS):
                raise Fault("Dictionary keys must be strings or names", key.offset)
            self._refuse_reserved(self._advance())
            self.expect(":")
            pairs.append((key.value, self.expression()))
            if not self.accept(","):
                self.expect("}")
                return pairs

    def _delimited(self, end: str) -> list[Expression]:
        children: list[Expression] = []
        if self.accept(end):
            return children
        while True:
            children.append(self.expression())
            if not self.accept(","):
                self.expect(end)
                return children

    def arguments(self) -> Arguments:
        """Arguments up to the closing parenthesis."""
        arguments = Arguments(self.token.offset)
        if self.accept(")"):
            return arguments
        while True:
            if self.token.kind == NAME and self._following() == "=":
                key = self._symbol(self._advance())
                self._advance()
                arguments.keyword.append((key, self.expression()))
            else:
                arguments.positional.append(self.expression())
            if not self.accept(","):
                self.expect(")")
                return arguments

    # --- tokens -------------------------------------------------------------------------------------------------------

    def _symbol(self, token: Token) -> Symbol:
        self._refuse_reserved(token)
        return Symbol(token.offset, token.value)

    def _refuse_reserved(self, token: Token) -> None:
        if token.value in RESERVED:
            raise Fault(f"Template name {quote(token.value)} is reserved", token.offset)

    def _advance(self) -> Token:
        token = self.token
        if self.index < len(self.tokens) - 1:
            self.index += 1
            self.token = self.tokens[self.index]
        return token

    def _following(self) -> str:
        return self.tokens[min(self.index + 1, len(self.tokens) - 1)].value

    def _at(self, operator: str) -> bool:
        return self.token.kind == OPERATOR and self.token.value == operator

    def accept(self, operator: str) -> bool:
        """Whether the operator comes next; it is consumed."""
        if self._at(operator):
            self._advance()
            return True
        return False

    def accept_word(self, word: str) -> bool:
        """Whether the word comes next; it is consumed."""
        if self.token.kind == NAME and self.token.value == word:
            self._advance()
            return True
        return False

    def expect(self, operator: str) -> None:
        """Consume the operator; a Fault when something else comes."""
        if not self.accept(operator):
            raise Fault(f"Expected {operator}, received {self._shown()}", self.token.offset)

    def _expect_name(self) -> Token:
        if self.token.kind != NAME:
            raise Fault(f"Expected name, received {self._shown()}", self.token.offset)
        return self._advance()

    def _shown(self) -> str:
        return "end of input" if self.token.kind == END else quote(self.token.value)

    def _unexpected(self) -> Fault:
        where = "at end of input" if self.token.kind == END else self._shown()
        return Fault(f"Unexpected expression token {where}", self.token.offset)


def _fold(first: Expression, operations: list[tuple[str, Expression]]) -> Expression:
    for operator, operand in operations:
        first = Binary(first.offset, operator, first, operand)
    return first


def _negate(target: Expression, offset: int) -> Expression:
    """`not` reaches no further than the first operand of a sum, product or comparison: Nunjucks prints it as JavaScript's `!`."""
    if isinstance(target, Binary) and target.operator in ("+", "-", "~", "*", "/", "%"):
        return Binary(offset, target.operator, _negate(target.left, offset), target.right)
    if isinstance(target, Compare):
        return Compare(offset, _negate(target.first, offset), target.operations)
    return Unary(offset, "not", target)
