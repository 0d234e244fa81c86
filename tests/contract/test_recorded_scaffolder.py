"""What the stock backend answered when its scaffolder was recorded: Understage answers the same to the same requests.

No stock backend is needed here. What differs on purpose is in `recorded/scaffolder_differs.yaml`: ids of rows by the row of
docs/differences.md.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.contract.cases import listed_differences
from tests.contract.pair import compare
from tests.contract.replay import RECORDED, Outcome
from tests.contract.scaffolder_replay import load_texts, replaying_scaffolder
from tests.contract.tally import ON_PURPOSE, note
from tests.databases import PostgresServer

REASONS = yaml.safe_load((RECORDED / "scaffolder_differs.yaml").read_text(encoding="utf-8"))
DIFFERS = {name for names in REASONS.values() for name in names}


@pytest.fixture(scope="module")
def outcomes(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Outcome]]:
    folder: Path = tmp_path_factory.mktemp("scaffolder-replay")
    with replaying_scaffolder(postgres_server.url("postgres"), folder) as replay:
        yield replay.run()


@pytest.mark.parametrize("name", [name for name in load_texts() if name not in DIFFERS])
def test_the_answer_is_what_was_recorded(outcomes: dict[str, Outcome], name: str) -> None:
    if difference := compare(outcomes[name].stock, outcomes[name].ours):
        pytest.fail(f"{name}\n{difference}", pytrace=False)


@pytest.mark.parametrize("name", sorted(DIFFERS))
def test_the_answer_differs_on_purpose(outcomes: dict[str, Outcome], name: str) -> None:
    assert outcomes[name].stock != outcomes[name].ours, "the same by now: take it out of scaffolder_differs.yaml"
    note(ON_PURPOSE)


def test_every_reason_is_listed() -> None:
    assert REASONS.keys() <= listed_differences()
    assert load_texts().keys() >= DIFFERS
