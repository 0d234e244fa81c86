"""What a step may write into its log: as much as people read, and nothing that harms the page or the database."""

import base64

import pytest

from understage.platform.json import dumps
from understage.scaffolder.steps.log import LONGEST_LINE, MOST_CHARACTERS, MOST_LINES, LineLog
from understage.scaffolder.steps.redaction import Redactor

SECRET = "correct-horse-battery-staple"
INFO = "\x1b[32minfo\x1b[39m: "


@pytest.fixture
def written() -> list[str]:
    return []


def log_into(written: list[str], *secrets: str) -> LineLog:
    return LineLog(written.append, Redactor(secrets))


def test_a_line_of_a_megabyte_is_cut_and_says_so(written: list[str]) -> None:
    log_into(written).info("x" * 1_000_000)
    (line,) = written
    assert line.startswith(INFO + "xxx")
    assert line.endswith(f"… (a line of {1_000_000 + len(INFO)} characters, cut)")
    assert len(line) < LONGEST_LINE + 100


def test_details_count_too(written: list[str]) -> None:
    log_into(written).info("much", items=["y" * 100] * 10_000)
    assert len(written[0]) < LONGEST_LINE + 100


@pytest.mark.parametrize("made", [SECRET, SECRET[::-1], base64.b64encode(SECRET.encode()).decode()])
def test_no_beginning_of_a_secret_is_left_at_a_cut(written: list[str], made: str) -> None:
    log = log_into(written, SECRET)
    for before in range(LONGEST_LINE - len(INFO) - len(made) - 5, LONGEST_LINE - len(INFO) + 5):
        log.info("x" * before + made + "z" * 10_000)
        # Six characters of a secret are one, and so are the first of them.
        assert made[:6] not in written[-1]
        # Of base64, the end depends on what comes after.
        assert set(written[-1].removeprefix(INFO).split("…")[0]) <= set("xz*Q=")


def test_a_secret_longer_than_a_line_leaves_nothing(written: list[str]) -> None:
    secret = "".join(chr(ord("a") + number % 23) for number in range(3 * LONGEST_LINE))
    log_into(written, secret).info(f"it is {secret}{'-' * 1000}")
    assert "abcdef" not in written[0]


def test_a_flood_of_lines_ends_with_a_line_that_says_so(written: list[str]) -> None:
    log = log_into(written)
    for number in range(MOST_LINES + 1000):
        log.info(f"line {number}")
    assert len(written) == MOST_LINES + 1
    assert written[-2] == f"{INFO}line {MOST_LINES - 1}"
    assert "longer than 50000 lines or 16 million characters; the rest is left out" in written[-1]


def test_a_flood_of_long_lines_ends_too(written: list[str]) -> None:
    log = log_into(written)
    for _ in range(2 * MOST_CHARACTERS // LONGEST_LINE):
        log.error("x" * LONGEST_LINE)
    assert sum(map(len, written)) < MOST_CHARACTERS + 2 * LONGEST_LINE
    assert "the rest is left out" in written[-1]


@pytest.mark.parametrize("text", ["\0\x01\x02\x7f", "half \ud83d of a pair", bytes(range(256)).decode("latin-1")])
def test_what_is_no_text_can_be_stored_and_sent(written: list[str], text: str) -> None:
    log_into(written).info(text)
    assert dumps({"message": written[0]})


def test_marks_of_colour_and_of_pages_go_through_as_text(written: list[str]) -> None:
    """The page escapes what it shows; the log keeps what was written."""
    log_into(written).info('<script>alert("x")</script>')
    assert written == [f'{INFO}<script>alert("x")</script>']
