"""Requests made by hypothesis, to both backends, compared whole: filters, predicates, orders, fields, pages, cursors, facets,
references, and malformed ones of all these. In CI the same examples each time; UNDERSTAGE_EXAMPLES sets how many of each family.
"""

import json
import os
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.contract import generated
from tests.contract.cases import Case
from tests.contract.comparison import Answer
from tests.contract.pair import Pair, compare
from tests.contract.tally import ON_PURPOSE, note

EXAMPLES = int(os.environ.get("UNDERSTAGE_EXAMPLES", "150"))
WALKS = 60
shared_pair = settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))

FAMILIES = {
    "filters": generated.filtered,
    "lists": generated.lists,
    "predicates": generated.predicated,
    "malformed predicates": generated.malformed_predicates,
    "pages": generated.first_pages,
    "forged cursors": generated.forged,
    "references": generated.references,
    "malformed parameters": generated.malformed_parameters,
    "malformed bodies": generated.malformed_bodies,
    "raw bodies": generated.raw_bodies,
}


@pytest.mark.parametrize("cases", FAMILIES.values(), ids=FAMILIES)
def test_generated_requests_are_answered_alike(pair: Pair, cases: st.SearchStrategy[Case]) -> None:
    @shared_pair
    @given(cases)
    def ask(case: Case) -> None:
        stock, ours = pair.ask(case)
        expect_the_same(case, stock, ours)

    ask()


@settings(shared_pair, max_examples=WALKS)
@given(generated.first_pages, generated.turns)
def test_walks_along_generated_pages_are_the_same(pair: Pair, first: Case, turns: list[tuple[str, int, str]]) -> None:
    """Each backend is asked for the page that its own answer led to, forth and back, by GET and by POST, of changing length."""
    responses = [pair.respond(backend, first) for backend in (pair.stock, pair.ours)]
    for where, limit, verb in turns:
        stock, ours = pair.normalised(*responses)
        expect_the_same(first, stock, ours)
        cursors = [response.json().get("pageInfo", {}).get(where) for response in responses]
        if not all(cursors):
            return
        turned = [generated.turn(cursor, limit, verb) for cursor in cursors]
        responses = [pair.respond(backend, case) for backend, case in zip((pair.stock, pair.ours), turned, strict=True)]


def expect_the_same(case: Case, stock: Answer, ours: Answer) -> None:
    if stock != ours and known_difference(case, stock, ours):
        note(ON_PURPOSE)
    elif difference := compare(stock, ours):
        pytest.fail(f"{case.id}\n{difference}", pytrace=False)


# What schema libraries and runtimes word; the words after them are theirs.
FOREIGN_TEXTS = ("Invalid query: Validation error: ", "Malformed cursor", "Malformed request")
ODD_NUMBER = re.compile(r"request/body/(limit|offset) must be (integer|>= 0)")
MISFIT = "Malformed cursor: sort field values do not fit the order"


def known_difference(case: Case, stock: Answer, ours: Answer) -> str | None:
    """The row of docs/differences.md by which these answers may differ."""
    said, answered = _error(stock), _error(ours)
    # With a module beside it, the stock catalog names the error of its body parser.
    if stock.status == ours.status == 400 and said.get("name") in (answered.get("name"), "SyntaxError"):
        is_foreign = said["message"].startswith(FOREIGN_TEXTS) or answered["message"].startswith("Request body is")
        return "error-texts" if is_foreign and stock.body["request"] == ours.body["request"] else None
    if "cursor" in json.dumps([case.path, case.options]) and _has_odd_place(stock, ours):
        return "forged-cursors"
    if (
        ODD_NUMBER.fullmatch(answered.get("message", ""))
        and "/entities/by-query" in case.path
        and stock.status in (200, 500)
    ):
        return "numbers"
    if "%2F" in case.path.partition("?")[0] and ours.status == 404:
        return "encoded-slashes"
    return None


def _has_odd_place(stock: Answer, ours: Answer) -> bool:
    """Refused by ours alone or, of a cursor with something else wrong too, for another reason; or where the stock one fails."""
    return _error(ours).get("message") == MISFIT or (stock.status == 500 and ours.status == 200)


def _error(answer: Answer) -> dict[str, Any]:
    error = answer.body.get("error", {}) if isinstance(answer.body, dict) else {}
    return dict(error)
