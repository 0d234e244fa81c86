"""What the bench says of figures: ratios, targets that hold and that do not, and the page that it writes."""

from pathlib import Path
from typing import Any, cast

import orjson
import pytest
from tests.perf import page
from tests.perf.connection import Connection
from tests.perf.entities import write_catalog
from tests.perf.questions import questions
from tests.perf.report import Row, different_answers, table
from tests.perf.writes import difference, rows

from understage.model.yaml import parse_documents


@pytest.mark.parametrize(
    ("row", "ratio", "target", "holds"),
    [
        (Row("a page", "ms", (50.0, 60.0), (10.0, 30.0), factor=5), 5.0, "<= 1/5", True),
        (Row("a page", "ms", (49.0, 60.0), (10.0, 10.0), factor=5), 4.9, "<= 1/5", False),
        (Row("a rate", "/s", (10.0, 9.0), (40.0, 30.0), factor=4, higher=True), 4.0, ">= 4x", True),
        (Row("a rate", "/s", (10.0, 9.0), (39.0, 39.0), factor=4, higher=True), 3.9, ">= 4x", False),
        (Row("growth", "MB", (1.0, 1.0), (100.0, 100.0), limit=100), 0.01, "<= 100 MB", True),
        (Row("rows", "", (5.0, 5.0), (1.0, 1.0), limit=0), 5.0, "<= 0", False),
        (Row("no stock", "ms", None, (1.0, 1.0), factor=5), None, "<= 1/5", None),
        (Row("no target", "ms", (2.0, 2.0), (1.0, 1.0)), 2.0, "", None),
    ],
)
def test_a_target_holds_or_does_not(row: Row, ratio: float | None, target: str, holds: bool | None) -> None:
    assert (row.ratio, row.target, row.holds) == (ratio, target, holds)


def test_the_table_says_what_does_not_hold() -> None:
    lines = table([Row("a page", "ms", (49.0, 60.0), (10.0, 12.5), factor=5)]).splitlines()
    assert lines[2] == "| a page | 49 / 60 ms | 10 / 12.5 ms | 4.9x | <= 1/5 | **no** |"


def test_an_answer_that_differs_is_found() -> None:
    stock = {"questions": {"page": {"answer": {"total": 2}}, "name": {"answer": "x"}, "memory": 1.0}}
    ours = {"questions": {"page": {"answer": {"total": 3}}, "name": {"answer": "x"}, "memory": 2.0}}
    assert different_answers(stock, ours) == ["page"]


def test_answers_are_compared_as_they_are_kept() -> None:
    """The stock backend's may come from a file of an earlier run."""

    class Answering:
        def json(self, _method: str, _path: str, _body: Any = None) -> Any:
            return {
                "facets": {"kind": [{"value": "B", "count": 2}, {"value": "A", "count": 1}]},
            }

    for question in questions(100):
        answer = question.answer(cast(Connection, Answering()))
        assert answer == {"kind": [["A", 1], ["B", 2]]} == orjson.loads(orjson.dumps(answer))


def test_rows_of_schedules_are_counted_apart() -> None:
    before = {"refresh_state": (10, 0, 0), "refresh_buckets": (1, 5, 0), "search": (3, 3, 3)}
    after = {"refresh_state": (10, 7, 1), "refresh_buckets": (1, 9, 0), "search": (3, 3, 3)}
    changes = difference(before, after)
    assert changes == {"refresh_state": [0, 7, 1], "refresh_buckets": [0, 4, 0]}
    assert rows(changes) == (8, 4)


def test_a_section_is_written_anew_and_the_others_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "PAGE", tmp_path / "performance.md")
    page.write_section("bench-large", "## Large\n\nsome")
    page.write_section("bench", "## Bench\n\nfirst")
    page.write_section("bench", "## Bench\n\nsecond")
    assert page.read_sections() == {"bench": "## Bench\n\nsecond", "bench-large": "## Large\n\nsome"}
    text = (tmp_path / "performance.md").read_text()
    assert text.startswith("# Performance")
    assert "first" not in text


def test_the_catalog_is_the_same_each_time(tmp_path: Path) -> None:
    location = write_catalog(tmp_path / "one", 25, per_file=10)
    write_catalog(tmp_path / "two", 25, per_file=10)
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == ["all.yaml", "parts-0000.yaml", "parts-0001.yaml", "parts-0002.yaml"]
    assert all((tmp_path / "one" / name).read_text() == (tmp_path / "two" / name).read_text() for name in names)
    (document,) = parse_documents(location.read_text(), "all.yaml")
    entities = [
        entity
        for target in document.value["spec"]["targets"]
        for entity in parse_documents((location.parent / target).read_text(), target)
    ]
    assert len({entity.value["metadata"]["name"] for entity in entities}) == 25
