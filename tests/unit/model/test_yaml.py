"""What the texts mean was recorded from JavaScript's `yaml` 2.9.1, the reader of the stock backend."""

import math
import time
from typing import Any

import pytest
import yaml as pyyaml
from hypothesis import given
from hypothesis import strategies as st

from understage.errors import SourceError
from understage.model.yaml import dump, parse_document, parse_documents

SCALARS: list[tuple[str, Any]] = [
    *((word, word) for word in ("on", "off", "yes", "No", "tRue", "nUll", "y", "=", "<<", ".", "1.2.3", "x#y")),
    *((word, True) for word in ("true", "True", "TRUE")),
    *((word, None) for word in ("null", "Null", "NULL", "~")),
    *(("012", 12), ("08", 8), ("0o14", 12), ("0o18", "0o18"), ("0x1F", 31), ("0XFF", "0XFF"), ("+1", 1), ("-012", -12)),
    *((text, text) for text in ("1_000", "0b101", "12:30", "12:30:45", "2024-01-02", "2024-01-02T03:04:05Z")),
    *(
        ("1e3", 1000),
        ("1E-3", 0.001),
        ("-.5", -0.5),
        (".e2", ".e2"),
        ("1.0", 1),
        ("1.50", 1.5),
        ("-0", 0),
        ("1e1000", math.inf),
    ),
    *((".inf", math.inf), ("-.Inf", -math.inf), ("9007199254740993", 9007199254740993)),
    *(("'x'", "x"), ('"a\\nb"', "a\nb"), ("'it''s'", "it's"), ("'12'", "12"), ("! 12", "12")),
    *(("!foo x", "x"), ("!!str 12", "12"), ("!!int '12'", 12), ("!!int x", "x"), ("!!null ''", None)),
    *(("a:b", "a:b"), ("http://x#y", "http://x#y"), ("${{ x | f }}", "${{ x | f }}"), ("x # c", "x")),
]


@pytest.mark.parametrize(("text", "value"), SCALARS)
def test_scalar_means_what_it_means_to_javascript(text: str, value: Any) -> None:
    assert parse_document(f"a: {text}\n").value == {"a": value}
    assert type(parse_document(f"- {text}\n").value[0]) is type(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("<<: {a: 1}\nb: 2", {"<<": {"a": 1}, "b": 2}),
        ("a: &x {q: 1}\nb:\n  <<: *x\n", {"a": {"q": 1}, "b": {"<<": {"q": 1}}}),
        ("1: a\ntrue: b\n0x10: c\n1.50: d\n1e21: e\n1e-7: f\n0.000001: g\n~: h\non: i", {
            "1": "a", "true": "b", "16": "c", "1.5": "d", "1e+21": "e", "1e-7": "f", "0.000001": "g", "": "h", "on": "i",
        }),
        ("a: |\n  x\n  y\n", {"a": "x\ny\n"}),
        ("a: >\n  x\n  y\n\n  z\n", {"a": "x y\nz\n"}),
        ("a:\n- b\n-\n  - c\n", {"a": ["b", ["c"]]}),
        ("a: x\u2028y\nb: x\u0085y\n", {"a": "x\u2028y", "b": "x\u0085y"}),
        ("\ufeffa: 1\r\nb: 2\r\n", {"a": 1, "b": 2}),
        ('{"a": [1, 2.0, null]}', {"a": [1, 2, None]}),
    ],
)  # fmt: skip
def test_document_means_what_it_means_to_javascript(text: str, value: Any) -> None:
    assert parse_document(text).value == value


def test_text_holds_documents_in_order_and_empty_ones_stay() -> None:
    assert [document.value for document in parse_documents("---\na: 1\n---\n---\nb: 2\n...\n")] == [
        {"a": 1},
        None,
        {"b": 2},
    ]
    assert parse_documents("") == []
    assert parse_documents("# only a comment\n") == []


@pytest.mark.parametrize(
    ("text", "line", "column", "reason"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, 1, "'a' stands here a second time"),
        ("1: a\n'1': b\n", 2, 1, "'1' stands here a second time"),
        ("a: [1, 2\nb: 3", 2, 2, "parsing a flow"),
        ("a: b: c", 1, 5, "mapping values are not allowed"),
        ("x: 1\nname: {{ name }}\n", 2, 8, "must be quoted"),
        ("a: *x", 1, 4, r"alias \*x has no anchor"),
        ("a: &x [*x]", 1, 8, "inside of what it refers to"),
        ("a: 'x", 1, 6, "end of stream"),
    ],
)
def test_error_names_its_place(text: str, line: int, column: int, reason: str) -> None:
    with pytest.raises(SourceError, match=reason) as caught:
        parse_documents("ok: true\n---\n" + text, "catalog-info.yaml")
    error = caught.value
    assert (error.file, error.line, error.column) == ("catalog-info.yaml", line + 2, column)
    assert str(error).startswith(f"catalog-info.yaml:{line + 2}:{column}: ")
    if "\n" in text or line == 1:
        assert error.text is None or error.text == text.split("\n")[line - 1]


def test_character_that_yaml_forbids_is_named_with_its_line() -> None:
    with pytest.raises(SourceError, match=r"^f:2: the character U\+0007 is not allowed"):
        parse_documents("a: é\nb: \x07", "f")
    with pytest.raises(SourceError, match=r"^f:2: not UTF-8 text$"):
        parse_documents(b"a: 1\nb: \xff", "f")


def test_position_of_any_part() -> None:
    document = parse_documents("skip: me\n---\nmetadata:\n  name: x\n  tags: [a, bb,\n    c]\n1: y\n", "f")[1]
    assert document.position_of() == (3, 1)
    assert document.position_of(["metadata", "name"]) == (4, 9)
    assert document.position_of(["metadata", "name"], key=True) == (4, 3)
    assert document.position_of(["metadata", "tags", 2]) == (6, 5)
    assert document.position_of(["metadata", "missing", "deeper"]) == (4, 3)
    assert document.position_of(["1"]) == (7, 4)
    error = document.error("too short", ["metadata", "name"])
    assert (str(error), error.text) == ("f:4:9: too short", "  name: x")


@pytest.mark.parametrize(
    ("text", "document", "path", "line", "column", "shown"),
    [
        ("a: 1\r\n---\r\nb:\r\n  - c\r\n", 1, ["b", 0], 4, 5, "  - c"),
        ("a: 1\r---\rb: 2\r", 1, ["b"], 3, 4, "b: 2"),
        ("# one\n\n   a: 1\n   b: {c: 2}\n", 0, ["b", "c"], 4, 11, "   b: {c: 2}"),
        ("é: \U0001f600\n--- # ü\n- {x: ü, y: z}\n", 1, [0, "y"], 3, 13, "- {x: ü, y: z}"),
        ("%TAG !e! tag:e,2000:\n--- !e!x\na: 1\n---\nb: 2\n", 0, ["a"], 3, 4, "a: 1"),
        ("a: &x 1\n--- {b: &x 2, c: *x}\n", 1, ["c"], 2, 18, "--- {b: &x 2, c: *x}"),
        ("a:\n  - &x {p: 1}\n  - *x\n", 0, ["a", 1, "p"], 3, 5, "  - *x"),
        ("a: " + "x" * 400 + "\n", 0, ["a"], 1, 4, "a: " + "x" * 297 + "…"),
        ("{a: '" + "x" * 400 + "', b: c}\n", 0, ["b"], 1, 412, "…c}"),
    ],
)
def test_position_in_texts_of_any_shape(
    text: str, document: int, path: list[str | int], line: int, column: int, shown: str
) -> None:
    error = parse_documents(text, "f")[document].error("wrong", path)
    assert (error.line, error.column, error.text) == (line, column, shown)


def test_alias_is_a_copy() -> None:
    value = parse_document("a: &x {q: [1]}\nb: *x\nc: &k key\n*k : 1\n").value
    value["a"]["q"].append(2)
    assert value == {"a": {"q": [1, 2]}, "b": {"q": [1]}, "c": "key", "key": 1}


def test_alias_bomb_is_refused_at_once() -> None:
    levels = "".join(
        f"{name}: &{name} [{', '.join(['*' + below] * 9)}]\n"
        for below, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    start = time.perf_counter()
    with pytest.raises(SourceError, match="aliases expand to more than"):
        parse_documents("a: &a [x, x, x, x, x, x, x, x, x]\n" + levels)
    assert time.perf_counter() - start < 2


@pytest.mark.parametrize("text", ["[" * 100_000, "- " * 5_000 + "x", "{a: " * 3_000])
def test_deep_nesting_is_refused(text: str) -> None:
    with pytest.raises(SourceError):
        parse_documents(text)


def test_size_is_limited_in_bytes() -> None:
    assert parse_document("a: éé", max_bytes=7).value == {"a": "éé"}
    with pytest.raises(SourceError, match="longer than the 6 bytes"):
        parse_document("a: éé", max_bytes=6)


def test_second_document_is_an_error_where_one_is_expected() -> None:
    with pytest.raises(SourceError, match=r"^f:3:1: expected one document"):
        parse_document("a: 1\n---\nb: 2\n", "f")


def test_huge_numbers_are_doubles_as_in_javascript() -> None:
    assert parse_document("a: " + "9" * 5000).value == {"a": math.inf}
    assert parse_document("a: 123456789012345678901234567890").value == {"a": 1.2345678901234568e29}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text() | st.sampled_from([text for text, _ in SCALARS])
    | st.floats(allow_nan=False).map(lambda number: int(number) if number.is_integer() and abs(number) <= 2**53 else number),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(json_values)
def test_dumped_value_reads_back_whatever_it_holds(value: Any) -> None:
    text = dump(value)
    assert parse_document(text).value == value
    assert text == dump(value)


@given(st.dictionaries(st.text(max_size=8), st.sampled_from([text for text, _ in SCALARS]) | st.text(max_size=12)))
def test_dumped_text_is_text_to_yaml_1_1_too(value: dict[str, str]) -> None:
    assert pyyaml.load(dump(value), Loader=pyyaml.CSafeLoader) == value


def test_dump_is_block_style_with_header_and_literal_blocks() -> None:
    value = {
        "zeta": {"on": "on", "empty": {}, "list": ["a", {"b": 1.0}]},
        "alpha": "#!/bin/sh\necho 'hi'\n",
        "at": 1e20,
    }
    assert dump(value, header="Rendered by understage\n\nDo not edit") == (
        "# Rendered by understage\n#\n# Do not edit\n"
        "zeta:\n  'on': 'on'\n  empty: {}\n  list:\n  - a\n  - b: 1.0\n"
        "alpha: |\n  #!/bin/sh\n  echo 'hi'\nat: 1.0e+20\n"
    )


def test_dump_refuses_what_is_not_json() -> None:
    with pytest.raises(TypeError, match="set is not a JSON value"):
        dump({"a": {1, 2}})


def test_more_documents_than_entities_fit_into_a_text_are_refused() -> None:
    with pytest.raises(SourceError, match="more than the 150000 documents that are read") as caught:
        parse_documents("---\n" * 200_000)
    assert caught.value.line == 150_001
