import base64
import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understage.catalog.predicate import All, Has, In
from understage.catalog.query.cursor import Cursor, FullText, Order, decode_cursor
from understage.errors import InputError


def test_a_cursor_carries_the_question_and_the_place() -> None:
    cursor = Cursor(
        query={"Kind": "Component"},
        orders=(Order("metadata.name", descending=True), Order("kind")),
        full_text=FullText("cart", ("metadata.name",)),
        place=("x", "uid-2"),
        first=("z", "uid-1"),
        total=7,
        filter={"key": "spec.type"},
    )
    assert cursor.predicate == All((In("kind", ("component",)), Has("spec.type")))
    assert decode_cursor(cursor.encode()) == cursor


def test_the_stock_client_finds_query_in_the_cursor_only_when_there_was_a_filter() -> None:
    def content(cursor: Cursor) -> dict[str, object]:
        decoded: dict[str, object] = json.loads(base64.b64decode(cursor.encode()))
        return decoded

    unfiltered = Cursor(None, (), None, (None, "u"), (None, "u"), 1)
    assert "query" not in content(unfiltered)
    assert content(Cursor({"Kind": "A"}, (), None, (None, "u"), None, 1))["query"] == {"Kind": "A"}


@pytest.mark.parametrize("text", ["", "%%%", "bm90IGpzb24=", base64.b64encode(b"[]").decode()])
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="Malformed cursor"):
        decode_cursor(text)


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "orderFields",
                "isPrevious",
                "query",
                "filter",
                "fullTextFilter",
                "orderFieldValues",
                "firstSortFieldValues",
            ]
        ),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=3),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
            max_leaves=5,
        ),
    )
)
def test_forged_cursors_are_read_or_refused_never_anything_else(content: dict[str, object]) -> None:
    text = base64.b64encode(json.dumps(content).encode()).decode()
    with suppress(InputError):
        decode_cursor(text)
