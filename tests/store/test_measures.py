"""The measures of success over a whole service: a synthetic history is told, and the figures are those computed by hand."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.store.measured_history import BEGIN, BY_SCOPE, END, ENTITIES, EVENTS, TICKETS
from tests.store.service_bench import ServiceBench, running_service

from understage.measures.definitions import DEFINITIONS
from understage.platform.database import Database

MEASURES = "/api/understage/measures"
PERIOD = f"from={BEGIN}&to={END}"


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).astimezone(UTC).timestamp() * 1000)


@pytest.fixture
async def bench(database: Database, tmp_path: Path) -> AsyncIterator[ServiceBench]:
    async with running_service(tmp_path, ENTITIES, database=database) as running:
        yield running


async def tell(bench: ServiceBench, events: Any) -> dict[str, int]:
    answer = await bench.post(f"{MEASURES}/events", {"events": events})
    assert answer.status_code == 202, answer.text
    found: dict[str, int] = answer.json()["stored"]
    return found


async def import_tickets(bench: ServiceBench, text: str, form: str = "text/csv") -> Any:
    return await bench.client.post(
        f"{MEASURES}/tickets?source=jira", content=text.encode(), headers={"content-type": form}
    )


async def test_figures_are_those_computed_by_hand(bench: ServiceBench) -> None:
    deployments = sum(event["type"] == "deployment" for event in EVENTS)
    stored = await tell(bench, EVENTS[::-1])
    assert stored["deployments"] == deployments
    assert (await import_tickets(bench, TICKETS)).json() == {"tickets": 4}
    # Told again, and imported again, they are the same events.
    assert await tell(bench, EVENTS) == {"deployments": 0, "healths": 0, "starts": 0}
    await import_tickets(bench, TICKETS)

    for scope, expected in BY_SCOPE.items():
        answer = (await bench.get(f"{MEASURES}?{PERIOD}&{scope}")).json()
        figures = answer["measures"]
        assert figures.pop("satisfaction") == {"answers": 0, "mean": None}
        assert figures == expected, scope
        assert (answer["from"], answer["to"]) == (BEGIN, END)
        assert answer["definitions"] == DEFINITIONS
        assert set(DEFINITIONS) == {*figures, "satisfaction"}
    team = (await bench.get(f"{MEASURES}?{PERIOD}&team=books")).json()
    assert team["services"] == ["component:default/invoices", "component:default/ledger"]


async def test_nothing_of_a_ticket_is_kept_but_times_and_places(bench: ServiceBench) -> None:
    await import_tickets(bench, TICKETS)
    rows = await bench.dump()
    assert "jira" in rows
    for text in ("ada@example.com", "bob@example.com", "Why, oh why", "for Ada"):
        assert text not in rows


async def test_the_survey_counts_people_and_knows_none(bench: ServiceBench) -> None:
    measures = bench.service.measures.measures
    measures.clock = lambda: at("2026-03-10T12:00:00+00:00")
    for score, name in ((5, "ada"), (4, "bob"), (2, "carol")):
        assert await measures.answer_survey(f"user:default/{name}", score, None) == "2026-Q1"
    await measures.answer_survey("user:default/Carol", 3, "builds are slow")
    answer = (await bench.get(f"{MEASURES}?{PERIOD}")).json()
    # 5 + 4 + 3 = 12, by 3 people: Carol's second answer replaced her first.
    assert answer["measures"]["satisfaction"] == {"answers": 3, "mean": 4}
    measures.clock = lambda: at("2026-04-10T12:00:00+00:00")
    assert await measures.answer_survey("user:default/ada", 1, None) == "2026-Q2"
    april = (await bench.get(f"{MEASURES}?from=2026-04-01&to=2026-05-01")).json()
    assert april["measures"]["satisfaction"] == {"answers": 1, "mean": None}
    comments = await bench.get("/api/understage/survey/comments?period=2026-Q1")
    assert comments.json()["comments"] == [{"score": 3, "comment": "builds are slow"}]
    rows = await bench.dump()
    for name in ("user:default/ada", "user:default/bob", "carol"):
        assert name not in rows


async def test_the_survey_by_its_endpoint(bench: ServiceBench) -> None:
    good = await bench.post("/api/understage/survey", {"score": 4, "comment": "thanks"})
    assert good.status_code == 200
    assert good.json()["score"] == 4
    for body in ({"score": 0}, {"score": 6}, {"score": "4"}, {"score": 3, "name": "ada"}, {}):
        assert (await bench.post("/api/understage/survey", body)).status_code == 400, body
    too_long = await bench.post("/api/understage/survey", {"score": 3, "comment": "x" * 2001})
    assert too_long.status_code == 400
    nobody = await bench.post("/api/understage/survey", {"score": 4}, headers={"authorization": ""})
    assert nobody.status_code == 401
    page = await bench.get("/api/understage/survey/page", headers={"authorization": ""})
    assert page.status_code == 200
    assert bench.service.measures.measures.settings.survey.question in page.text
    assert "script-src 'self'" in page.headers["content-security-policy"]


async def test_who_and_what_is_refused(bench: ServiceBench) -> None:
    missing = await bench.get(f"{MEASURES}?service=nowhere")
    assert missing.status_code == 404
    assert "component:default/nowhere" in missing.json()["error"]["message"]
    for query in (
        "service=ledger&team=books",
        "service=group:default/books",
        "service=a,b=c",
        "from=2026-03-02&to=2026-03-02",
        "from=yesterday",
        "from=1990-01-01&to=2026-01-01",
        "person=ada",
    ):
        assert (await bench.get(f"{MEASURES}?{query}")).status_code == 400, query
    assert (await bench.get(MEASURES, headers={"authorization": ""})).status_code == 401
    good = {**EVENTS[1], "revision": "e1"}
    for wrong in (
        {"at": "2999-01-01T00:00:00Z"},
        {"at": "yesterday"},
        {"revision": ""},
        {"revision": "a b"},
        {"application": "../x y"},
        {"environment": None},
        {"service": "user:default/ada"},
        {"committedAt": "soon"},
        {"rollback": "yes"},
        {"type": "party"},
    ):
        answer = await bench.post(f"{MEASURES}/events", {"events": [good, {**good, **wrong}]})
        assert answer.status_code == 400, wrong
        assert "events[1]" in answer.json()["error"]["message"]
    # Of a request with a mistake nothing was taken.
    assert (await tell(bench, [good]))["deployments"] == 1


@pytest.mark.parametrize(
    ("text", "form", "told"),
    [
        ("id,closed\n1,2026-03-01\n", "text/csv", "line 1 must name one of the columns openedat, opened"),
        ("id,opened\n1,soon\n", "text/csv", "line 2: openedAt must be a time"),
        ("id,opened,closed\n1,2026-03-02,2026-03-01\n", "text/csv", "closed before it was opened"),
        ('id,opened\n"1,2026-03-02\n', "text/csv", "is no CSV"),
        ("[1]", "application/json", "JSON array of objects"),
        ("{", "application/json", "no JSON"),
        ('[{"id": 7, "openedAt": "2026-03-02", "team": "user:default/ada"}]', "application/json", "of a group"),
        ("id,opened\n", "text/html", "unsupported media type"),
    ],
)
async def test_tickets_that_are_none(bench: ServiceBench, text: str, form: str, told: str) -> None:
    answer = await import_tickets(bench, text, form)
    assert answer.status_code == 400
    assert told in answer.json()["error"]["message"]


async def test_tickets_as_json(bench: ServiceBench) -> None:
    text = '{"tickets": [{"id": 7, "openedAt": "2026-03-02T10:00:00Z", "service": "ledger", "title": "Ada\'s"}]}'
    assert (await import_tickets(bench, text, "application/json")).json() == {"tickets": 1}
    answer = (await bench.get(f"{MEASURES}?{PERIOD}&service=ledger")).json()
    assert answer["measures"]["tickets"] == {"opened": 1, "closed": 0}
