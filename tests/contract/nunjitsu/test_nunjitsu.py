"""Templates mean what they mean to the stock scaffolder: the same value, type, and error or not, as nunjitsu gives."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.contract.nunjitsu.cases import Case, answer, load_cases, load_context
from tests.contract.nunjitsu.conftest import Oracle
from tests.contract.nunjitsu.expressions import NOISE, TEMPLATES

KNOWN = {
    template
    for entry in yaml.safe_load(Path(__file__).with_name("known_differences.yaml").read_text("utf-8"))
    for template in entry["templates"]
}
PLACE = re.compile(r"error: Template error at line (\d+), column")
# JSON.stringify escapes half a character and nothing else in this way: the first of the known differences.
HALF = re.compile(r"(?<!\\)\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
HYPOTHESIS = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


def agree(ours: str, theirs: str) -> bool:
    if "exceeded the work unit limit" in theirs:  # random templates get little of it, see oracle.mjs
        return True
    return ours == theirs or (ours.startswith("error: ") and theirs.startswith("error: "))


def differences(oracle: Oracle, cases: Sequence[Case]) -> dict[str, tuple[str, str]]:
    """What ours and theirs are, by template, where they differ."""
    pairs = zip(cases, oracle.ask(cases), strict=True)
    return {case.template: (ours, theirs) for case, theirs in pairs if not agree(ours := answer(case), theirs)}


def test_the_corpus_is_large_and_covers_every_construct() -> None:
    constructs = Counter(case.construct for case in load_cases())
    assert constructs.total() >= 600
    assert min(constructs.values()) >= 4


def test_every_snippet_means_the_same(oracle: Oracle) -> None:
    found = differences(oracle, load_cases())
    unexpected = {template: pair for template, pair in found.items() if template not in KNOWN}
    assert unexpected == {}


def test_every_known_difference_still_differs(oracle: Oracle) -> None:
    assert {case.template for case in load_cases()} >= KNOWN
    found = differences(oracle, load_cases())
    assert KNOWN - found.keys() == set(), "agrees by now: take it off the list"


def test_snippets_that_fail_fail_on_the_same_line(oracle: Oracle) -> None:
    cases = [case for case in load_cases() if "\n" in case.template]
    for case, theirs in zip(cases, oracle.ask(cases), strict=True):
        if (stock := PLACE.match(theirs)) is not None:
            ours = PLACE.match(answer(case))
            assert ours is not None
            assert ours[1] == stock[1], case.template


@pytest.mark.parametrize("kind", ["expressions", "noise"])
def test_random_templates_mean_the_same(oracle: Oracle, kind: str) -> None:
    context = load_context()

    @HYPOTHESIS
    @given(st.lists(TEMPLATES if kind == "expressions" else NOISE, min_size=1, max_size=40, unique=True))
    def compare(templates: list[str]) -> None:
        cases = [Case("random", template, context=context) for template in templates]
        found = differences(oracle, cases)
        assert {case: pair for case, pair in found.items() if pair[0] != HALF.sub("\ufffd", pair[1])} == {}

    compare()
