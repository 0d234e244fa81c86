"""Errors of form values and secrets, in the words of npm's `jsonschema`."""

from typing import Any

import pytest

from understage.errors import InputError
from understage.scaffolder.errors import ValuesError
from understage.scaffolder.parameters import check_secrets, check_values


def errors_of(schema: dict[str, Any], values: dict[str, Any]) -> list[dict[str, Any]]:
    with pytest.raises(ValuesError) as caught:
        check_values(values, [schema])
    return caught.value.errors


@pytest.mark.parametrize(
    ("schema", "value", "message"),
    [
        ({"type": "number"}, "x", "is not of a type(s) number"),
        ({"type": ["number", "null"]}, "x", "is not of a type(s) number,null"),
        ({"minLength": 3}, "x", "does not meet minimum length of 3"),
        ({"maxLength": 1}, "xyz", "does not meet maximum length of 1"),
        ({"pattern": "^a"}, "x", 'does not match pattern "^a"'),
        ({"enum": ["a", "b"]}, "x", "is not one of enum values: a,b"),
        ({"const": "a"}, "x", "does not exactly match expected constant: a"),
        ({"minimum": 3}, 1, "must be greater than or equal to 3"),
        ({"maximum": 3}, 4, "must be less than or equal to 3"),
        ({"exclusiveMinimum": 3}, 3, "must be strictly greater than 3"),
        ({"minItems": 2}, [1], "does not meet minimum length of 2"),
        ({"uniqueItems": True}, [1, 1], "contains duplicate item"),
        ({"anyOf": [{"type": "number"}, {"title": "T", "type": "null"}]}, "x", 'is not any of [subschema 0],"T"'),
    ],
)
def test_messages(schema: dict[str, Any], value: Any, message: str) -> None:
    (error,) = errors_of({"properties": {"v": schema}}, {"v": value})
    assert error["message"] == message
    assert error["property"] == "instance.v"
    assert error["stack"] == f"instance.v {message}"
    assert error["schema"] == schema
    assert error["instance"] == value


def test_a_missing_value_is_the_objects_error() -> None:
    schema = {"required": ["name"], "properties": {"name": {"type": "string", "default": "ada"}}}
    (error,) = errors_of(schema, {})
    assert error["path"] == []
    assert error["property"] == "instance"
    assert error["message"] == 'requires property "name"'
    assert error["argument"] == "name"


def test_paths_lead_into_lists_and_odd_names() -> None:
    schema = {"properties": {"a": {"items": {"properties": {"b c": {"type": "string"}}}}}}
    (error,) = errors_of(schema, {"a": [{}, {"b c": 1}]})
    assert error["property"] == 'instance.a[1]["b c"]'


def test_unknown_members_are_refused_only_where_the_schema_says_so() -> None:
    check_values({"more": 1}, [{"properties": {}}])
    (error,) = errors_of({"additionalProperties": False}, {"more": 1})
    assert error["message"] == 'is not allowed to have the additional property "more"'


def test_only_the_first_page_with_errors_is_reported() -> None:
    pages = [{"required": ["a"]}, {"required": ["b"]}, {"required": ["c"]}]
    with pytest.raises(ValuesError) as caught:
        check_values({"a": 1}, pages)
    assert [error["argument"] for error in caught.value.errors] == ["b"]


def test_secrets_are_never_echoed() -> None:
    schema = {"required": ["tok", "more"], "properties": {"tok": {"minLength": 30}}}
    with pytest.raises(ValuesError) as caught:
        check_secrets({"tok": "hunter22"}, schema)
    messages = {error["message"]: error for error in caught.value.errors}
    assert set(messages) == {"secrets.more is required", "secrets.tok does not meet minimum length of 30"}
    assert messages["secrets.more is required"]["property"] == "secrets"
    assert all(error["instance"] == {} for error in caught.value.errors)
    assert "hunter22" not in str(caught.value) + str(caught.value.errors)


def test_a_schema_that_is_none_is_the_templates_fault() -> None:
    with pytest.raises(InputError, match="parameter page 1 is no valid JSON Schema"):
        check_values({}, [{"type": "nonsense"}])
