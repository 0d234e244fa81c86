"""Masking of known secrets."""

from hypothesis import given
from hypothesis import strategies as st

from understage.scaffolder.steps.redaction import Redactor


def test_overlapping_matches_become_one_mask() -> None:
    redactor = Redactor(["abcd", "cdef", " padded ", "x"])
    assert redactor.redact("1 abcdef 2 abcd-cdef padded x") == "1 *** 2 ***-*** *** x"
    assert redactor.redact("aaaa") == "aaaa"
    assert Redactor(["aa"]).redact("aaa b aa") == "*** b ***"


def test_values_inside_of_json_are_masked() -> None:
    redactor = Redactor(["secret"])
    assert redactor.redact_value({"a secret": ["my secret", 1, None, True]}) == {"a ***": ["my ***", 1, None, True]}


@given(st.lists(st.text("ab", min_size=2, max_size=4), min_size=1), st.text("abc"))
def test_no_secret_is_left(secrets: list[str], text: str) -> None:
    shown = Redactor(secrets).redact(text)
    assert not any(secret in shown for secret in secrets)
