"""Random templates for the oracle: mostly well-formed expressions over the names of the corpus, and some text around them."""

from hypothesis import strategies as st

_NUMBERS = ("0", "1", "2", "3", "10", "0.5", "1.25", "100", "7", "9007199254740993", "0.1")
_TEXTS = (
    '""',
    '"a"',
    '"Hello World"',
    "'12'",
    '"1.5"',
    '" x "',
    '"a,b"',
    '"é😀"',
    '"true"',
    '"null"',
    '"0x10"',
    '"b\\n"',
)
_NAMES = ("text", "five", "t", "f", "n", "list", "obj", "people", "missing", "emoji", "host", "key", "values", "lines")
_CONSTANTS = ("true", "false", "null", "none", "[]", "{}", "range")
_BINARY = (
    *("+", "-", "*", "/", "//", "%", "**", "~", "==", "!=", "===", "!==", "<", "<=", ">", ">=", "and", "or", "in"),
    "not in",
)
_PROPERTIES = ("length", "a", "nested", "list", "name", "0", "missing", "deep", "x", "age", "ports", "constructor")
_PLAIN_FILTERS = (
    *(
        "abs",
        "capitalize",
        "center",
        "d",
        "default",
        "dictsort",
        "dump",
        "e",
        "escape",
        "first",
        "float",
        "forceescape",
    ),
    *(
        "indent",
        "int",
        "join",
        "last",
        "length",
        "list",
        "lower",
        "nl2br",
        "reject",
        "reverse",
        "round",
        "safe",
        "select",
    ),
    *("sort", "string", "striptags", "sum", "title", "trim", "truncate", "upper", "urlencode", "urlize", "wordcount"),
    *("echo", "nothing"),
)
_FILTERS_WITH_ARGUMENTS = (
    *("batch", "center", "default", "groupby", "indent", "int", "join", "replace", "round", "select", "selectattr"),
    *("slice", "sort", "sum", "truncate", "dump", "rejectattr", "float", "echo", "dictsort"),
)
_TESTS = (
    *("defined", "undefined", "odd", "even", "string", "number", "lower", "upper", "mapping", "iterable", "truthy"),
    *("falsy", "null", "callable", "escaped", "eq(1)", "ne(null)", "lt(5)", "ge(2)", "divisibleby(2)", "sameas(list)"),
)
_METHODS = (
    *("split", "slice", "substring", "includes", "startsWith", "endsWith", "indexOf", "lastIndexOf", "toUpperCase"),
    *("trim", "charAt", "concat", "replace", "join", "at", "flat", "toFixed", "toString", "toPrecision", "sort"),
    *("reverse", "push", "pop", "splice", "toLowerCase", "charCodeAt"),
)
_PATTERNS = ("r/l/g", "r/[a-z]+/i", "r/(o)/", "r/^H/", "r/\\d+/g", "r/\\s/", "r/(a)|b/g")
# Bounds that are no numbers make nunjitsu count up to its limit of work, on ever longer text.
_SLICES = (
    "[1:]",
    "[:2]",
    "[-2:]",
    "[:-1]",
    "[::2]",
    "[::-1]",
    "[2:0:-1]",
    "[0.5:]",
    "['1':]",
    "[missing:]",
    "[none:1]",
)


def _extend(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    arguments = st.lists(inner | st.sampled_from(_PATTERNS), max_size=3).map(", ".join)
    return st.one_of(
        st.tuples(inner, st.sampled_from(_BINARY), inner).map(" ".join),
        st.tuples(inner, st.sampled_from(_BINARY), inner).map(lambda parts: f"({' '.join(parts)})"),
        st.tuples(st.sampled_from(("not ", "-", "+", "- ")), inner).map("".join),
        st.tuples(inner, st.sampled_from(_PROPERTIES)).map(".".join),
        st.tuples(inner, inner).map(lambda parts: f"{parts[0]}[{parts[1]}]"),
        st.tuples(inner, st.sampled_from(_SLICES)).map("".join),
        st.tuples(inner, st.sampled_from(_PLAIN_FILTERS)).map(" | ".join),
        st.tuples(inner, st.sampled_from(_FILTERS_WITH_ARGUMENTS), arguments).map(
            lambda parts: f"{parts[0]} | {parts[1]}({parts[2]})"
        ),
        st.tuples(inner, st.sampled_from(("is", "is not")), st.sampled_from(_TESTS)).map(" ".join),
        st.tuples(inner, st.sampled_from(_METHODS), arguments).map(
            lambda parts: f"({parts[0]}).{parts[1]}({parts[2]})"
        ),
        st.tuples(inner, inner, inner).map(lambda parts: f"{parts[0]} if {parts[1]} else {parts[2]}"),
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.lists(st.tuples(st.sampled_from(("a", "b", "2", "10", '"x y"', "length")), inner), max_size=3).map(
            lambda pairs: f"{{{', '.join(f'{key}: {value}' for key, value in pairs)} }}"
        ),
    )


EXPRESSIONS = st.recursive(
    st.sampled_from(_NUMBERS) | st.sampled_from(_TEXTS) | st.sampled_from(_NAMES) | st.sampled_from(_CONSTANTS),
    _extend,
    max_leaves=8,
)

_STATEMENTS = st.one_of(
    EXPRESSIONS.map(lambda text: f"{{% if {text} %}}yes{{% else %}}no{{% endif %}}"),
    EXPRESSIONS.map(
        lambda text: f"{{% for x in {text} %}}${{{{ x }}}}/${{{{ loop.length }}}} {{% else %}}none{{% endfor %}}"
    ),
    EXPRESSIONS.map(lambda text: f"{{% for x, y in {text} %}}${{{{ x }}}}=${{{{ y }}}};{{% else %}}none{{% endfor %}}"),
    EXPRESSIONS.map(lambda text: f"{{% set v = {text} %}}${{{{ v }}}}${{{{ v | dump }}}}"),
    EXPRESSIONS.map(
        lambda text: f"{{% macro m(a, b=2) %}}${{{{ a }}}}${{{{ b }}}}{{% endmacro %}}${{{{ m({text}) }}}}"
    ),
    st.tuples(EXPRESSIONS, EXPRESSIONS).map(
        lambda parts: f"{{% switch {parts[0]} %}}{{% case {parts[1]} %}}c{{% default %}}d{{% endswitch %}}"
    ),
)

TEMPLATES = st.one_of(
    EXPRESSIONS.map(lambda text: f"${{{{ {text} }}}}"),
    EXPRESSIONS.map(lambda text: f"${{{{ {text} }}}}"),
    EXPRESSIONS.map(lambda text: f"< ${{{{- {text} -}}}} >"),
    _STATEMENTS,
)
"""Templates to render as values with the context of the corpus."""

_PIECES = (
    *(
        "${{",
        "}}",
        "{%",
        "%}",
        "{#",
        "#}",
        "-",
        " ",
        "\n",
        "if",
        "t",
        "endif",
        "for x in list",
        "endfor",
        "raw",
        "endraw",
    ),
    *("else", "text", "x", "|", "upper", "'", '"', "(", ")", "[", "]", "{", "}", "set", "=", "1", ".", "\\"),
)
NOISE = st.lists(st.sampled_from(_PIECES), max_size=14).map("".join)
"""Pieces of templates in no order: mostly errors, and the same ones."""
