from typing import Any

import pytest

from understage.errors import InputError
from understage.model.hash import stable_hash, text_hash
from understage.model.task import TaskStatus, base_url_of, build_task_spec
from understage.model.template import API_VERSION, read_template


def entity(spec: dict[str, Any], **annotations: str) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": "Template",
        "metadata": {"name": "New-Service", "annotations": annotations},
        "spec": {"type": "service", **spec},
    }


STEPS = [
    {"action": "debug:log", "input": {"message": "hi"}, "if": "${{ x }}"},
    {"id": "pub", "name": "Publish", "action": "p:g"},
]


def test_template_is_readable_by_name() -> None:
    template = read_template(
        entity(
            {
                "steps": [{**STEPS[0], "backstage:permissions": {"tags": ["risky"]}}],
                "parameters": {"title": "One page"},
                "secrets": {"schema": {"type": "object"}},
                "EXPERIMENTAL_recovery": {"EXPERIMENTAL_strategy": "startOver"},
                "EXPERIMENTAL_formDecorators": [{"id": "d"}],
            }
        )
    )
    assert str(template.ref) == "template:default/new-service"
    assert template.title == "New-Service"
    assert template.pages == [{"title": "One page"}]
    assert [(step.action, step.id, step.name, step.tags) for step in template.steps] == [
        ("debug:log", None, None, ["risky"])
    ]
    assert template.secrets_schema == {"type": "object"}
    assert template.recovery == "startOver"
    assert template.form_decorators == [{"id": "d"}]
    assert template.output == {}


def test_parameters_may_be_absent_one_or_many() -> None:
    assert read_template(entity({"steps": []})).pages == []
    assert read_template(entity({"steps": [], "parameters": [{"a": 1}, {}]})).pages == [{"a": 1}, {}]


def test_broken_template_names_the_place_and_counts_the_rest() -> None:
    with pytest.raises(InputError) as caught:
        read_template(entity({"steps": [{"id": 5}]}))
    assert str(caught.value) == (
        "Template default/New-Service is not valid: "
        "/spec/steps/0 must have required property 'action' - missingProperty: action (and 1 more)"
    )


def test_other_kinds_and_versions_are_no_templates() -> None:
    with pytest.raises(InputError, match=r"Unsupported apiVersion and kind 'scaffolder.backstage.io/v1beta2 Template'"):
        read_template({**entity({"steps": []}), "apiVersion": "scaffolder.backstage.io/v1beta2"})


def test_task_spec_has_the_stored_shape() -> None:
    source = entity(
        {"steps": STEPS, "output": {"links": []}, "EXPERIMENTAL_recovery": {"EXPERIMENTAL_strategy": "none"}},
        **{"backstage.io/managed-by-location": "url:https://x/template.yaml"},
    )
    user = {"kind": "User"}
    spec = build_task_spec(read_template(source), {"name": "a"}, user_ref="user:default/bob", user_entity=user)
    assert spec == {
        "apiVersion": API_VERSION,
        "steps": [
            {"action": "debug:log", "input": {"message": "hi"}, "if": "${{ x }}", "id": "step-1", "name": "debug:log"},
            {"id": "pub", "name": "Publish", "action": "p:g"},
        ],
        "EXPERIMENTAL_recovery": {"EXPERIMENTAL_strategy": "none"},
        "output": {"links": []},
        "parameters": {"name": "a"},
        "user": {"entity": user, "ref": "user:default/bob"},
        "templateInfo": {
            "entityRef": "template:default/new-service",
            "baseUrl": "https://x/template.yaml",
            "entity": {"metadata": source["metadata"]},
        },
    }


def test_ids_are_numbered_among_the_steps_that_remain() -> None:
    template = read_template(entity({"steps": [{"action": "a"}, {"action": "b"}]}))
    spec = build_task_spec(template, {}, steps=template.steps[1:])
    assert [(step["id"], step["action"]) for step in spec["steps"]] == [("step-1", "b")]
    assert spec["user"] == {}
    assert "baseUrl" not in spec["templateInfo"]


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        ({"managed-by-location": "file:/a/t.yaml"}, "file:///a/t.yaml"),
        ({"managed-by-location": "file:/a", "source-location": "url:https://x/"}, "https://x/"),
        ({"managed-by-location": "bootstrap:bootstrap"}, None),
        ({"managed-by-location": "nonsense"}, None),
        ({}, None),
    ],
)
def test_relative_paths_start_where_the_template_is(annotations: dict[str, str], expected: str | None) -> None:
    full = {f"backstage.io/{name}": value for name, value in annotations.items()}
    assert base_url_of(entity({"steps": []}, **full)) == expected


def test_only_open_and_processing_tasks_go_on() -> None:
    assert [status for status in TaskStatus if not status.is_final] == ["open", "processing"]


def test_hash_depends_on_values_and_not_on_the_order_of_keys() -> None:
    assert stable_hash({"a": 1, "b": [1, 2]}) == stable_hash({"b": [1, 2], "a": 1})
    assert stable_hash({"b": [1, 2]}) != stable_hash({"b": [2, 1]})
    assert text_hash("url:https://x") == "0dd9b24703e7bb9ab0ab0fe0483d71f9b1633f6b"
