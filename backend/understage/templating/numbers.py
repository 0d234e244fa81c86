"""Numbers as JavaScript writes, reads and reckons them: IEEE doubles.

Python ints within ±2**53 stand for the doubles they equal; zero below zero is always a float.
"""

import math
import re
from decimal import ROUND_HALF_UP, Context, Decimal

from understage.templating.errors import Fault
from understage.templating.text import trim

_DECIMAL = re.compile(r"[+-]?(?:Infinity|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)")
_PREFIXED = {"0x": 16, "0X": 16, "0o": 8, "0O": 8, "0b": 2, "0B": 2}
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_SAFE_INTEGER = 2**53
_EXACT = Context(prec=1200)


def number_text(value: float) -> str:
    """`value` as String(value): the shortest digits that name the double, with an exponent from 1e21 and below 1e-6."""
    if type(value) is int:
        return str(value)
    if value != value:
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = repr(abs(float(value))).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    return sign + _place_point(digits, point)


def parse_number(text: str) -> float:
    """Number(text): NaN unless the whole trimmed text is a number; empty text is 0."""
    text = trim(text)
    if not text:
        return 0
    if (base := _PREFIXED.get(text[:2])) is not None:
        digits = text[2:].lower()
        allowed = _DIGITS[:base]
        return simplify(int(digits, base)) if digits and all(digit in allowed for digit in digits) else math.nan
    match = _DECIMAL.fullmatch(text)
    return _decimal_value(match[0]) if match else math.nan


def parse_float(text: str) -> float:
    """parseFloat(text): the number at the beginning, NaN when there is none."""
    match = _DECIMAL.match(trim(text))
    return _decimal_value(match[0]) if match else math.nan


def parse_int(text: str, base: int) -> float:
    """parseInt(text, base): the integer at the beginning in that base (0 means 10, or 16 after 0x)."""
    text = trim(text)
    sign = -1 if text.startswith("-") else 1
    text = text[1:] if text[:1] in ("-", "+") and text else text
    if base in (0, 16) and text[:2] in ("0x", "0X"):
        text, base = text[2:], 16
    base = base or 10
    if not 2 <= base <= 36:
        return math.nan
    allowed = _DIGITS[:base]
    end = 0
    while end < len(text) and text[end].lower() in allowed and text[end].isascii():
        end += 1
    if end == 0:
        return math.nan
    value = int(text[:end], base) if end < 400 else math.inf
    return -0.0 if value == 0 and sign < 0 else simplify(sign * value)


def simplify(value: float) -> float:
    """`value` as an int where an int stands for that double, else as a double."""
    if type(value) is int:
        return value if -_SAFE_INTEGER <= value <= _SAFE_INTEGER else _double(value)
    if value == 0:
        return value if math.copysign(1, value) < 0 else 0
    return int(value) if -_SAFE_INTEGER <= value <= _SAFE_INTEGER and value.is_integer() else value


def add(left: float, right: float) -> float:
    """left + right."""
    return simplify(left + right) if type(left) is int and type(right) is int else left + right


def subtract(left: float, right: float) -> float:
    """left - right."""
    return simplify(left - right) if type(left) is int and type(right) is int else left - right


def multiply(left: float, right: float) -> float:
    """left * right."""
    if type(left) is int and type(right) is int:
        product = left * right
        return -0.0 if product == 0 and (left < 0 or right < 0) else simplify(product)
    return float(left) * float(right)


def divide(left: float, right: float) -> float:
    """left / right; by zero is ±Infinity or NaN."""
    if right == 0:
        if left == 0 or left != left:
            return math.nan
        return math.copysign(math.inf, math.copysign(1, left) * math.copysign(1, right))
    return float(left) / float(right)


def remainder(left: float, right: float) -> float:
    """left % right with the sign of the left."""
    if right == 0 or math.isinf(left):
        return math.nan
    return math.fmod(left, right)


def power(left: float, right: float) -> float:
    """left ** right; ±1 to an infinite power is NaN."""
    if right != right or (abs(left) == 1 and math.isinf(right)):
        return math.nan
    try:
        return math.pow(left, right)
    except OverflowError:
        return -math.inf if left < 0 and right % 2 == 1 else math.inf
    except ValueError:
        if left != 0:
            return math.nan
        return -math.inf if math.copysign(1, left) < 0 and right % 2 == 1 else math.inf


def negate(value: float) -> float:
    """-value."""
    return -0.0 if type(value) is int and value == 0 else -value


def round_half_up(value: float) -> float:
    """Math.round: halves go up."""
    if not math.isfinite(value):
        return value
    below = math.floor(value)
    rounded = below + 1 if value - below >= 0.5 else below
    return -0.0 if rounded == 0 and math.copysign(1, value) < 0 else simplify(rounded)


def to_fixed(value: float, digits: float) -> str:
    """value.toFixed(digits)."""
    places = _whole(digits, 0, 100, "toFixed() digits argument must be between 0 and 100")
    if not math.isfinite(value) or abs(value) >= 1e21:
        return number_text(value)
    scaled = Decimal(value).quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP, context=_EXACT)
    text = f"{abs(scaled):f}"
    return f"-{text}" if value < 0 else text


def to_exponential(value: float, digits: float | None) -> str:
    """value.toExponential(digits); all digits needed when None."""
    places = (
        _whole(digits, 0, 100, "toExponential() argument must be between 0 and 100") if digits is not None else None
    )
    if not math.isfinite(value):
        return number_text(value)
    if places is None:
        mantissa, exponent = _shortest_digits(abs(value))
    else:
        mantissa, exponent = _rounded_digits(abs(value), places + 1)
    return ("-" if value < 0 else "") + _scientific(mantissa, exponent)


def to_precision(value: float, digits: float | None) -> str:
    """value.toPrecision(digits)."""
    if digits is None or not math.isfinite(value):
        return number_text(value)
    precision = _whole(digits, 1, 100, "toPrecision() argument must be between 1 and 100")
    sign = "-" if value < 0 else ""
    mantissa, exponent = _rounded_digits(abs(value), precision)
    if exponent < -6 or exponent >= precision:
        return sign + _scientific(mantissa, exponent)
    if exponent == precision - 1:
        return sign + mantissa
    if exponent >= 0:
        return f"{sign}{mantissa[: exponent + 1]}.{mantissa[exponent + 1 :]}"
    return f"{sign}0.{'0' * -(exponent + 1)}{mantissa}"


def to_radix(value: float, base: float) -> str:
    """value.toString(base), with as many digits of the fraction as tell the double from its neighbours."""
    radix = _whole(base, 2, 36, "toString() radix must be between 2 and 36")
    if radix == 10 or not math.isfinite(value):
        return number_text(value)
    whole = math.floor(abs(value))
    fraction = abs(value) - whole
    text = _fraction_digits(whole, fraction, math.ulp(float(abs(value))) / 2, radix)
    return f"-{text}" if value < 0 else text


def _fraction_digits(whole: int, fraction: float, delta: float, radix: int) -> str:
    digits: list[int] = []
    delta = max(delta, math.ulp(0.0))
    if fraction >= delta:
        while True:
            fraction *= radix
            delta *= radix
            digit = int(fraction)
            digits.append(digit)
            fraction -= digit
            if (fraction > 0.5 or (fraction == 0.5 and digit & 1)) and fraction + delta > 1:
                while digits and digits[-1] + 1 == radix:
                    digits.pop()
                if digits:
                    digits[-1] += 1
                else:
                    whole += 1
                break
            if fraction < delta:
                break
    text = _integer_digits(whole, radix)
    return text + ("." + "".join(_DIGITS[digit] for digit in digits) if digits else "")


def _integer_digits(value: int, radix: int) -> str:
    number, zeros = float(value), 0
    while number >= _SAFE_INTEGER:  # digits below the precision of a double are zeros
        number /= radix
        zeros += 1
    text = ""
    while True:
        digit = math.fmod(number, radix)
        text = _DIGITS[int(digit)] + text
        number = (number - digit) / radix
        if not number > 0:
            return text + "0" * zeros


def _whole(value: float, low: int, high: int, message: str) -> int:
    number = 0 if value != value else value
    if not low <= number < high + 1:
        raise Fault(message)
    return int(number)


def _shortest_digits(value: float) -> tuple[str, int]:
    if value == 0:
        return "0", 0
    _, digits, exponent = Decimal(repr(value)).as_tuple()
    text = "".join(map(str, digits))
    return text.rstrip("0") or "0", len(text) + int(exponent) - 1


def _rounded_digits(value: float, count: int) -> tuple[str, int]:
    if value == 0:
        return "0" * count, 0
    exact = Decimal(value)
    rounded = exact.quantize(Decimal(1).scaleb(exact.adjusted() - count + 1), rounding=ROUND_HALF_UP, context=_EXACT)
    if rounded.adjusted() != exact.adjusted():
        rounded = rounded.quantize(Decimal(1).scaleb(rounded.adjusted() - count + 1), context=_EXACT)
    return "".join(map(str, rounded.as_tuple().digits)), rounded.adjusted()


def _scientific(digits: str, exponent: int) -> str:
    mantissa = digits[0] + ("." + digits[1:] if len(digits) > 1 else "")
    return f"{mantissa}e{'+' if exponent >= 0 else '-'}{abs(exponent)}"


def _place_point(digits: str, point: int) -> str:
    if len(digits) <= point <= 21:
        return digits + "0" * (point - len(digits))
    if 0 < point <= 21:
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"0.{'0' * -point}{digits}"
    return _scientific(digits, point - 1)


def _decimal_value(text: str) -> float:
    value = simplify(float(text.replace("Infinity", "inf")))
    return -0.0 if value == 0 and text.startswith("-") else value


def _double(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
