"""Masking of known secrets."""

import base64
import codecs
import hashlib
import html
import json
import re
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
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


SECRET = "S3cr3t/Zz81+\"the&user é'"


@pytest.mark.parametrize(
    "disguise",
    [
        str.upper,
        str.swapcase,
        lambda s: s[::-1],
        lambda s: json.dumps(s),
        lambda s: json.dumps(json.dumps(json.dumps({"a": s}))),
        lambda s: json.dumps(s, ensure_ascii=False),
        lambda s: repr([repr(s)]),
        html.escape,
        lambda s: quote(s, safe=""),
        quote_plus,
        lambda s: quote(quote(s)),
        lambda s: s.encode().hex(),
        lambda s: s.encode().hex(":").upper(),
        lambda s: base64.b64encode(s.encode()).decode(),
        lambda s: base64.b64encode(f"u:{s}".encode()).decode(),
        lambda s: base64.urlsafe_b64encode(f"me:{s}@x".encode()).decode(),
        lambda s: base64.b64encode(base64.b64encode(s.encode())).decode(),
        lambda s: base64.b32encode(s.encode()).decode(),
        lambda s: hashlib.sha256(s.encode()).hexdigest(),
        lambda s: base64.b64encode(hashlib.sha512(s.encode()).digest()).decode(),
        lambda s: " ".join(s),
        lambda s: codecs.encode(s, "rot13"),
    ],
)
def test_a_secret_is_found_in_disguise(disguise: Callable[[str], str]) -> None:
    hidden = disguise(SECRET)
    shown = Redactor([SECRET]).redact(f"it is {hidden}, indeed")
    assert "***" in shown
    assert shown.startswith("it is ")
    # The ends of an encoding that depend on what stands beside it tell next to nothing.
    left = shown.replace("***", "").removeprefix("it is ").removesuffix(", indeed")
    assert len(re.sub(r"\W", "", left)) <= max(8, len(hidden) // 4)


def test_each_line_of_a_key_is_masked() -> None:
    key = "-----BEGIN KEY-----\nMIIEpAIBAAKCAQEA1\nq9Zbx3hX0aAf2w77\n-----END KEY-----\n"
    redactor = Redactor([key])
    assert redactor.redact("line: q9Zbx3hX0aAf2w77") == "line: ***"
    assert redactor.redact(json.dumps({"key": key})) == '{"key": "***\\n"}'


def test_words_are_left_alone() -> None:
    redactor = Redactor(["abc", "s3cr3t-value"])
    assert redactor.redact("ABC s3cr3t value") == "ABC s3cr3t value"
    assert redactor.redact("İ S3CR3T-VALUE İ") == "İ *** İ"
