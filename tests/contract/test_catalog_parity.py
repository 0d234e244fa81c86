"""The catalog answers as the stock one does: the same request to both over the same files, compared whole."""

import pytest
from tests.contract.cases import Case, load_cases
from tests.contract.pair import Pair
from tests.contract.tally import ON_PURPOSE, note

CATALOG = (
    "pages",
    "entities",
    "by-query",
    "single",
    "facets",
    "checks",
    "locations",
    "edge",
    "unprocessed",
    "undeclared",
    "incremental",
    "checklist",
    "actions",
    "order-of-checks",
)
CASES = load_cases(*CATALOG)


def test_both_serve_the_same_entities(pair: Pair) -> None:
    stock, ours = pair.refs(pair.stock), pair.refs(pair.ours)
    assert ours.keys() == stock.keys()
    assert ours == stock


@pytest.mark.parametrize("case", [case for case in CASES if not case.differs], ids=lambda case: case.id)
def test_answers_are_the_same(pair: Pair, case: Case) -> None:
    if difference := pair.difference(case):
        pytest.fail(f"{case.id}\n{difference}", pytrace=False)


@pytest.mark.parametrize("case", [case for case in CASES if case.differs], ids=lambda case: case.id)
def test_answers_differ_on_purpose(pair: Pair, case: Case) -> None:
    stock, ours = pair.ask(case)
    assert stock != ours, "they are the same by now: take `differs` out of the list, and the row of docs/differences.md"
    assert ours.status == case.ours["status"]
    assert case.ours.get("text", "") in "\n".join(ours.lines())
    note(ON_PURPOSE)
