import pytest
from hypothesis import given
from hypothesis import strategies as st

from understage.model.ref import (
    EntityRef,
    IncompleteRefError,
    LocationRef,
    RefSyntaxError,
    canonical_ref,
    entity_ref,
    is_script_url,
    split_ref,
)


@pytest.mark.parametrize(
    ("text", "kind", "namespace", "name"),
    [
        ("a", None, None, "a"),
        ("k:a", "k", None, "a"),
        ("n/a", None, "n", "a"),
        ("k:n/a", "k", "n", "a"),
        ("a:b:c", "a", None, "b:c"),
        ("n/a:b", None, "n", "a:b"),
        ("k:n/a/b:c", "k", "n", "a/b:c"),
    ],
)
def test_parts_are_split_at_first_colon_and_slash(
    text: str, kind: str | None, namespace: str | None, name: str
) -> None:
    assert split_ref(text) == (kind, namespace, name)


@pytest.mark.parametrize("text", [":a", "k:", "/a", "k:/a", "k:n/", "n/", ":", "/", ":/"])
def test_empty_part_is_a_syntax_error(text: str) -> None:
    with pytest.raises(RefSyntaxError) as caught:
        EntityRef.parse(text, default_kind="component")
    assert str(caught.value) == f'Entity reference "{text}" was not on the form [<kind>:][<namespace>/]<name>'


def test_defaults_fill_what_is_absent_and_case_is_kept_until_written() -> None:
    ref = EntityRef.parse("Payments", default_kind="Group", default_namespace="EU")
    assert ref == ("Group", "EU", "Payments")
    assert str(ref) == "group:eu/payments"
    assert EntityRef.parse("User:x/Y", default_kind="Group") == ("User", "x", "Y")
    assert canonical_ref("API:Petstore") == "api:default/petstore"
    assert EntityRef.from_parts({"name": "a", "namespace": None}, default_kind="k") == ("k", "default", "a")


def test_missing_kind_and_empty_reference_have_the_stock_messages() -> None:
    with pytest.raises(IncompleteRefError) as caught:
        EntityRef.parse("orders-db")
    assert str(caught.value) == (
        'Entity reference "orders-db" had missing or empty kind (e.g. did not start with "component:" or similar)'
    )
    with pytest.raises(IncompleteRefError, match=r"^Entity reference must not be empty$"):
        EntityRef.parse("", default_kind="component")


def test_lower_case_does_not_depend_on_the_locale() -> None:
    assert str(EntityRef("API", "TITLE", "İI")) == "api:title/i̇i"


name = st.from_regex(r"([A-Za-z0-9][-A-Za-z0-9_.]{0,20})?[A-Za-z0-9]", fullmatch=True)


@given(name, name, name)
def test_written_reference_reads_back(kind: str, namespace: str, entity_name: str) -> None:
    ref = EntityRef(kind, namespace, entity_name)
    text = str(ref)
    assert EntityRef.parse(text) == tuple(part.lower() for part in ref)
    assert str(EntityRef.parse(text)) == text
    entity = {"kind": kind, "metadata": {"namespace": namespace, "name": entity_name}}
    assert entity_ref(entity) == text


@given(st.text(max_size=30))
def test_what_is_split_can_be_joined_again(text: str) -> None:
    try:
        kind, namespace, rest = split_ref(text)
    except RefSyntaxError:
        assert not text or text[0] in ":/" or text[-1] in ":/" or ":/" in text
    else:
        assert "".join((f"{kind}:" if kind else "", f"{namespace}/" if namespace else "", rest)) == text


def test_location_reference_is_split_and_trimmed() -> None:
    assert LocationRef.parse(" url : https://x.y/a:b ") == ("url", "https://x.y/a:b")
    assert str(LocationRef("file", "/a")) == "file:/a"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x", "expected '<type>:<target>'"),
        ("url:", "expected '<type>:<target>'"),
        (":x", "expected '<type>:<target>'"),
        ("https://x.y", "please prefix it with 'url:', e.g. 'url:https://x.y'"),
        ("url:javascript:alert(1)", "target is a javascript: URL"),
        ("url:\x01 jAva\nscr\tipt\r:alert(1)", "target is a javascript: URL"),
    ],
)
def test_bad_location_reference_says_why(text: str, message: str) -> None:
    with pytest.raises(RefSyntaxError) as caught:
        LocationRef.parse(text)
    assert message in str(caught.value)


def test_only_scripts_are_script_urls() -> None:
    assert not is_script_url("https://x/javascript:")
    assert not is_script_url("java script:x")
    assert is_script_url("javascript\n:x")
