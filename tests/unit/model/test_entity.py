"""Messages were compared with those of Backstage catalog-model 1.10.1 on thousands of mutated entities."""

from typing import Any

import pytest

from understage.model import entity as entity_module
from understage.model import ref as ref_module
from understage.model.entity import (
    EnvelopeError,
    FieldFormats,
    PolicyError,
    check_envelope,
    check_policies,
    is_qualified_name,
    source_location,
)
from understage.model.ref import canonical_ref
from understage.model.url import is_absolute_url

ADR = (
    " To learn more about catalog file format, visit: "
    "https://github.com/backstage/backstage/blob/master/docs/architecture-decisions/adr002-default-catalog-file-format.md"
)
NAME_FORM = "a string that is sequences of [a-zA-Z0-9] separated by any of [-_.], at most 63 characters in total"


def entity(**metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Component",
        "metadata": {"name": "payments", **metadata},
        "spec": {"type": "service"},
    }


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "<root> must be object - type: object"),
        ({"kind": "X"}, "<root> must have required property 'apiVersion' - missingProperty: apiVersion"),
        ({"apiVersion": "a", "kind": "", "metadata": {"name": "x"}}, "/kind must NOT have fewer than 1 characters - limit: 1"),
        ({"apiVersion": "a", "kind": 5, "metadata": {"name": "x"}}, "/kind must be string - type: string"),
        (
            {"apiVersion": "a", "kind": "K", "metadata": {}},
            "/metadata must have required property 'name' - missingProperty: name",
        ),
        (entity(namespace=""), "/metadata/namespace must NOT have fewer than 1 characters - limit: 1"),
    ],
)  # fmt: skip
def test_envelope_that_gives_no_reference_is_refused(value: Any, message: str) -> None:
    with pytest.raises(EnvelopeError) as caught:
        check_envelope(value)
    assert str(caught.value) == message


def test_namespace_is_filled_without_touching_the_source() -> None:
    source = entity()
    checked = check_policies(source)
    assert checked["metadata"] == {"name": "payments", "namespace": "default"}
    assert "namespace" not in source["metadata"]
    complete = entity(namespace="eu")
    assert check_policies(complete) is complete


def test_full_entity_is_valid() -> None:
    check_policies(
        entity(
            namespace="my-namespace",
            title="Payments",
            description="",
            labels={"a.b.example.com/x_Y.z": "", "tier": "A-1"},
            annotations={"github.com/project-slug": "org/repo", "any": " any text {}"},
            tags=["java", "c++", "c#", "a:b"],
            links=[{"url": "mailto:a@b", "title": "mail", "icon": "email", "type": "contact"}],
            custom={"kept": [1]},
        )
    )


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({**entity(), "extra": 1}, "Malformed envelope, <root> must NOT have additional properties"),
        ({**entity(), "relations": []}, "Unknown field relations"),
        ({**entity(), "spec": []}, "Malformed envelope, /spec must be object"),
        (entity(tags=["a", 1]), "Malformed envelope, /metadata/tags/1 must be string"),
        (entity(labels={"a": 1}), "Malformed envelope, /metadata/labels/a must be string"),
        (entity(links=[{"title": "x"}]), "Malformed envelope, /metadata/links/0 must have required property 'url'"),
        (entity(name="a b"), f'"metadata.name" is not valid; expected {NAME_FORM} but found "a b".{ADR}'),
        (entity(name="-a"), f'"metadata.name" is not valid; expected {NAME_FORM} but found "-a".{ADR}'),
        (entity(name="a" * 64), f'"metadata.name" is not valid; expected {NAME_FORM} but found "{"a" * 64}".{ADR}'),
        (entity(labels={"a": "x y"}), f'"labels.a" is not valid; expected {NAME_FORM} but found "x y".{ADR}'),
        (
            entity(annotations={"a/b/c": "x"}),
            f'"annotations.a/b/c" is not valid; expected a valid prefix and/or suffix but found "a/b/c".{ADR}',
        ),
        (
            entity(tags=["Java"]),
            '"tags.0" is not valid; expected a string that is sequences of [a-z0-9+#] separated by [-], '
            f'at most 63 characters in total but found "Java".{ADR}',
        ),
        (
            entity(namespace="Team"),
            '"metadata.namespace" is not valid; expected a string that is sequences of [a-z0-9] separated by [-], '
            f'at most 63 characters in total but found "Team".{ADR}',
        ),
        (
            entity(links=[{"url": "docs/x"}]),
            f'"links.0.url" is not valid; expected a string that is a valid url but found "docs/x".{ADR}',
        ),
        (
            entity(links=[{"url": "https://x", "title": " "}]),
            f'"links.0.title" is not valid; expected a non empty string but found " ".{ADR}',
        ),
        (
            {**entity(), "kind": "My-Kind"},
            '"kind" is not valid; expected a string that is a sequence of [a-zA-Z][a-z0-9A-Z], '
            f'at most 63 characters in total but found "My-Kind".{ADR}',
        ),
        (
            {**entity(), "apiVersion": "v1/"},
            f'"apiVersion" is not valid; expected a valid prefix and/or suffix but found "v1/".{ADR}',
        ),
    ],
)
def test_broken_rule_has_the_stock_message(value: Any, message: str) -> None:
    with pytest.raises(PolicyError) as caught:
        check_policies(value)
    assert str(caught.value) == message


def test_an_installation_may_redefine_formats() -> None:
    spaced = entity(name="with space")
    assert check_policies(spaced, FieldFormats(entity_name=lambda _text: True))["metadata"]["name"] == "with space"


def test_trailing_newline_is_no_part_of_a_name() -> None:
    """`$` of Python's expressions would let it pass."""
    with pytest.raises(PolicyError):
        check_policies(entity(name="a\n"))


def test_source_location_prefers_its_own_annotation() -> None:
    managed = {"backstage.io/managed-by-location": "file:/a.yaml"}
    assert source_location(entity()) is None
    assert source_location(entity(annotations=managed)) == ("file", "/a.yaml")
    both = {**managed, "backstage.io/source-location": "url:https://x/y/"}
    assert source_location(entity(annotations=both)) == ("url", "https://x/y/")


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        *((text, True) for text in ("https://a.b", "http:a", "foo:bar", "foo://", "mailto:x", "http://[::1]:80/", "file:///x")),
        *((text, True) for text in ("http://user:p@h/", "javascript:alert(1)", " https://a_b/ ", "http://1.2.3.4")),
        *((text, False) for text in ("", "x", "/x", "https:", "https://", "foo://:", "http://a:99999", "http://a:x")),
        *((text, False) for text in ("http://[zz]/", "http://a%20b", "http://a b", "http://1.2.3.999", "://x")),
    ],
)  # fmt: skip
def test_url_is_absolute_as_browsers_see_it(text: str, valid: bool) -> None:
    assert is_absolute_url(text) is valid


def test_nothing_is_remembered_of_long_texts() -> None:
    """A hostile file's keys and references may be megabytes; thousands of them would fill the memory."""
    before = entity_module._has_known_form.cache_info().currsize, ref_module._known_canonical.cache_info().currsize
    long = "x" * (ref_module.LONGEST_REMEMBERED + 1)
    assert not is_qualified_name(long)
    assert canonical_ref(f"component:default/{long}") == f"component:default/{long}"
    after = entity_module._has_known_form.cache_info().currsize, ref_module._known_canonical.cache_info().currsize
    assert after == before
