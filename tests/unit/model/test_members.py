"""Looks into values whose members may be anything, and names that become segments of paths."""

from typing import Any

import pytest

from understage.errors import InputError
from understage.model.members import list_at, map_at, member_at, members_of, objects_in
from understage.model.path_segment import path_segment

VALUE: dict[str, Any] = {"a": {"b": {"c": 1}, "d": [1, {}]}, "e": None}


@pytest.mark.parametrize("value", [None, 7, "text", [1], {"a": "text"}])
def test_what_is_not_there_is_nothing(value: Any) -> None:
    assert member_at(value, "a", "b") is None
    assert map_at(value, "a", "b") == {}
    assert list_at(value, "a", "b") == []


def test_what_is_there_is_found() -> None:
    assert member_at(VALUE, "a", "b", "c") == 1
    assert map_at(VALUE, "a", "b") == {"c": 1}
    assert map_at(VALUE) == VALUE
    assert list_at(VALUE, "a", "d") == [1, {}]
    assert (map_at(VALUE, "a", "d"), list_at(VALUE, "a", "b")) == ({}, [])


def test_lists_are_opened_at_any_depth_and_what_is_no_map_is_left_out() -> None:
    one, two = {"kind": "ConfigMap", "items": ["no list"]}, {"kind": "Secret"}
    manifest = {"kind": "List", "items": [one, 7, {"kind": "SecretList", "items": [two, None]}, {"kind": "List"}]}
    assert list(objects_in(manifest)) == [one, two, {"kind": "List"}]
    assert list(members_of(manifest)) == [one, 7, two, None, {"kind": "List"}]
    assert list(objects_in("text")) == []


@pytest.mark.parametrize(
    ("name", "segment"), [("a", "a"), ("a/b?c#d", "a%2Fb%3Fc%23d"), ("é ", "%C3%A9%20"), ("...", "...")]
)
def test_a_name_is_one_segment(name: str, segment: str) -> None:
    assert path_segment(name, "is no name of a thing") == segment


@pytest.mark.parametrize("name", ["", ".", "..", "a\0b"])
def test_a_name_that_would_be_another_segment_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=r"is no name of a thing$"):
        path_segment(name, "is no name of a thing")
