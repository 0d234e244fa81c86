import pytest

from understage.catalog.query.fields import parse_fields, project
from understage.errors import InputError

ENTITY = {
    "kind": "Component",
    "metadata": {"name": "cart", "tags": ["a"], "annotations": {"backstage.io/managed-by-location": "url:x"}},
    "spec": {"a": {"b.c": 1, "b": {"d": 2}}},
    "relations": [],
}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (["kind"], {"kind": "Component"}),
        (["metadata.name,kind"], {"metadata": {"name": "cart"}, "kind": "Component"}),
        (["metadata.name", "metadata.tags"], {"metadata": {"name": "cart", "tags": ["a"]}}),
        (
            ["metadata.annotations.backstage.io/managed-by-location"],
            {"metadata": {"annotations": {"backstage.io/managed-by-location": "url:x"}}},
        ),
        (["spec.a.b.d"], {"spec": {"a": {"b": {"d": 2}}}}),
        (["spec.missing", "relations"], {"relations": []}),
        (["Kind"], {}),
    ],
)
def test_a_projection_keeps_the_asked_paths_in_their_order(fields: list[str], expected: dict[str, object]) -> None:
    projected = project(ENTITY, parse_fields(fields))
    assert projected == expected
    assert list(projected) == list(expected)


def test_paths_into_arrays_are_refused() -> None:
    with pytest.raises(InputError, match=r'Invalid field "relations\[0\]", array type fields are not supported'):
        parse_fields(["relations[0]"])
