"""`parse_each`: what is broken in one document of a text hides nothing of the others."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from understage.errors import SourceError
from understage.model.yaml import MAX_BROKEN, Document, parse_documents, parse_each
from understage.model.yaml_parts import split_documents


def told(text: str | bytes) -> list[object]:
    """The values of documents, and the places of errors."""
    return [
        item.value if isinstance(item, Document) else f"{item.line}:{item.column} {item.reason}"
        for item in parse_each(text, "f")
    ]


@pytest.mark.parametrize(
    ("broken", "line", "column", "reason"),
    [
        ('b: "open\n', 4, 1, "found unexpected document indicator while scanning a quoted scalar"),
        ("b: [1\n", 4, 1, "did not find expected ',' or ']' while parsing a flow sequence"),
        ("b: {x: 1\n", 4, 1, "did not find expected ',' or '}' while parsing a flow mapping"),
        ("b: 1\nfoo\n", 5, 1, "could not find expected ':' while scanning a simple key"),
        ("b: c: d\n", 3, 5, "mapping values are not allowed in this context"),
        ("\tb: 1\n", 3, 1, "found character that cannot start any token while scanning for the next token"),
        ("b: 1\nb: 2\n", 4, 1, "the key 'b' stands here a second time; map keys must be unique"),
        ("b: *a\n", 3, 4, "the alias *a has no anchor &a before it"),
        ("b: \x07\n", 3, None, "the character U+0007 is not allowed in YAML"),
    ],
)
def test_a_broken_document_is_told_beside_the_others(broken: str, line: int, column: int, reason: str) -> None:
    assert told(f"a: &a 1\n---\n{broken}---\nc: 3\n") == [{"a": 1}, f"{line}:{column} {reason}", {"c": 3}]


def test_each_broken_document_is_told_with_its_place_in_the_text() -> None:
    text = "# top\na: [\n---\nb: 1\n--- {c\n---\nd: 'x\n"
    assert told(text) == [
        "3:1 did not find expected node content while parsing a flow node",
        {"b": 1},
        "6:1 did not find expected ',' or '}' while parsing a flow mapping",
        # The last one ends with the text, and so do its words.
        "8:1 found unexpected end of stream while scanning a quoted scalar",
    ]
    errors = [item for item in parse_each(text, "f") if isinstance(item, SourceError)]
    assert str(errors[1]) == "f:6:1: did not find expected ',' or '}' while parsing a flow mapping"


def test_a_place_in_a_good_document_is_one_of_the_whole_text() -> None:
    _, good = parse_each("a: [\r\n---\r\n# é\r\nb:\r\n  - {c: 1}\r\n", "f")
    assert isinstance(good, Document)
    error = good.error("wrong", ["b", 0, "c"])
    assert (error.line, error.column, error.text) == (5, 9, "  - {c: 1}")


def test_directives_go_with_the_document_below_them() -> None:
    text = "a: [\n...\n# next\n%TAG !e! tag:e,2000:\n---\nb: !e!x 1\n"
    assert told(text)[1:] == [{"b": "1"}]
    assert told("a: 1\n%YAML 1.2\n# next\n%TAG !e! tag:e,2000:\n\n---\nb: !e!x 1\n---\n[") == [
        {"a": 1},
        {"b": "1"},
        "10:1 did not find expected node content while parsing a flow node",
    ]


def test_markers_in_the_middle_of_a_line_are_text() -> None:
    text = "a: |\n  ---\n  x\nb: --- \nc: a---\n----: d\n---e: f\n"
    assert told(text + "---\nx: [\n")[0] == parse_documents(text)[0].value


def test_what_is_no_text_and_too_long_is_one_error() -> None:
    assert told(b"a: 1\n---\nb: \xff\n") == ["3:None not UTF-8 text"]
    [error] = parse_each("a: 1\n---\nb: 2\n", "f", max_bytes=5)
    assert isinstance(error, SourceError)
    assert error.reason == "longer than the 5 bytes that are read"


def test_a_text_that_only_the_whole_shows_to_be_broken_is_broken() -> None:
    text = "text\n%TAG !e! tag:e,2000:\n---\nb: 1\n"
    assert told(text) == ["2:20 mapping values are not allowed in this context", "text", {"b": 1}]


def test_hostile_texts_are_bounded() -> None:
    start = time.perf_counter()
    many = told("--- [\n" * 300_000)
    assert len(many) == MAX_BROKEN + 1
    assert (
        many[-1] == f"{MAX_BROKEN + 1}:None 50 documents before this one are broken; from here on nothing was looked at"
    )
    assert told("%TAG !e! tag:e:\n" * 300_000 + "[") == ["2:1 found duplicate %TAG directive"]
    assert len(told("%TAG !e! tag:e:\n\n# x\n" * 100_000 + "[")) == 1
    levels = "".join(
        f"{name}: &{name} [{', '.join(['*' + below] * 10)}]\n" for below, name in zip("abc", "bcd", strict=True)
    )
    bombs = told(("a: &a [x, x, x, x, x]\n" + levels + "---\n") * 2000 + "[")
    # All documents share one limit, beyond which nothing is read.
    assert "aliases expand to more than" in str(bombs[-1])
    assert len(bombs) < 20
    assert time.perf_counter() - start < 20


LINES = st.sampled_from(
    (
        "a: 1",
        "a: [",
        "a: 'x",
        "- b",
        "  c: 2",
        "---",
        "--- d",
        "...",
        "# e",
        "%TAG !e! tag:e:",
        "\tf",
        "",
        "}",
        "a: |",
        "--",
    )
)


@settings(max_examples=400, deadline=None)
@given(lines=st.lists(LINES, max_size=12), end=st.sampled_from(("\n", "\r\n", "\r")))
def test_texts_fare_as_they_do_as_a_whole(lines: list[str], end: str) -> None:
    text = end.join(lines)
    parts = list(split_documents(text))
    assert "".join(part for _, part in parts) == text
    found = parse_each(text, "f")
    whole = read_whole(text)
    errors = [(str(item), item.text) for item in found if isinstance(item, SourceError)]
    if isinstance(whole, SourceError):
        assert (str(whole), whole.text) in errors
    else:
        assert not errors
        assert [item.value for item in found if isinstance(item, Document)] == whole


def read_whole(text: str) -> list[object] | SourceError:
    """What the text says, or what is wrong with it first."""
    try:
        return [document.value for document in parse_documents(text, "f")]
    except SourceError as error:
        return error
