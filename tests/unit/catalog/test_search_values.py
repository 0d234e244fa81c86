"""The search index of an entity, row by row."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understage.catalog.stitching.search_values import number_text, search_values
from understage.errors import InputError


def rows(**spec: Any) -> dict[str, list[str | None]]:
    entity = {
        "apiVersion": "v1",
        "kind": "Component",
        "metadata": {"name": "Comp", "uid": "u", "etag": "e", "namespace": "ns"},
        "spec": spec,
        "relations": [{"type": "x", "targetRef": "y"}],
        "status": {"items": []},
    }
    found: dict[str, list[str | None]] = {}
    for key, value, _ in search_values(entity, [("ownedBy", "group:default/a")]):
        found.setdefault(key, []).append(value)
    return found


def test_the_fixed_rows() -> None:
    assert rows() == {
        "apiversion": ["v1"],
        "kind": ["component"],
        "metadata.name": ["comp"],
        "metadata.namespace": ["ns"],
        "metadata.uid": ["u"],
        "relations.ownedby": ["group:default/a"],
    }


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"a": "Text"}, {"spec.a": ["text"]}),
        ({"a": True, "b": False}, {"spec.a": ["true"], "spec.b": ["false"]}),
        ({"a": 5, "b": 2.5, "c": 3.0}, {"spec.a": ["5"], "spec.b": ["2.5"], "spec.c": ["3"]}),
        ({"a": None}, {"spec.a": [None]}),
        ({"a": "x" * 200, "b": "x" * 201}, {"spec.a": ["x" * 200], "spec.b": [None]}),
        ({"a": {"b/c.d": "e"}}, {"spec.a.b/c.d": ["e"]}),
        ({"a": {}, "b": []}, {}),
        ({"a": ["X", 1, "x"]}, {"spec.a": ["x", "1"], "spec.a.x": ["true"]}),
        ({"a": [["n"], {"d": 1}]}, {"spec.a": ["n"], "spec.a.n": ["true"], "spec.a.d": ["1"]}),
        ({"a" * 196: "fits not"}, {}),
    ],
)
def test_leaves_become_rows(spec: dict[str, Any], expected: dict[str, list[str | None]]) -> None:
    found = {key: values for key, values in rows(**spec).items() if key.startswith("spec.")}
    assert found == expected


def test_the_first_writing_of_a_value_is_kept() -> None:
    entity = {"kind": "K", "metadata": {"name": "n", "uid": "u"}, "spec": {"a": ["Java", "JAVA"]}}
    assert [row for row in search_values(entity, []) if row[0] == "spec.a"] == [("spec.a", "java", "Java")]


def test_keys_that_differ_only_in_case_are_refused() -> None:
    with pytest.raises(InputError, match=r"^Entity has duplicate keys that vary only in casing, 'spec.foo'$"):
        rows(Foo=True, foo=True)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (-3, "-3"),
        (1e21, "1e+21"),
        (1e20, "100000000000000000000"),
        (1.5e-7, "1.5e-7"),
        (0.000001, "0.000001"),
        (1.25e-5, "0.0000125"),
        (123456.789, "123456.789"),
        (5e-324, "5e-324"),
        (-2.5, "-2.5"),
        (1.7e308, "1.7e+308"),
    ],
)
def test_numbers_are_written_as_javascript_does(number: float, text: str) -> None:
    assert number_text(number) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_written_number_reads_as_itself(number: float) -> None:
    text = number_text(number)
    assert text is not None
    assert float(text) == number
