from datetime import UTC, datetime, timedelta

import pytest

from understage.identity.credentials import Credentials
from understage.identity.verified import MOST, SECONDS, VerifiedTokens


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1_000_000.0]
    monkeypatch.setattr("understage.identity.verified.time.time", lambda: now[0])
    return now


def user(expires_at: float) -> Credentials:
    return Credentials.user("user:default/ada", "token", datetime.fromtimestamp(expires_at, UTC))


def test_a_token_is_known_for_some_seconds(clock: list[float]) -> None:
    tokens, ada = VerifiedTokens(), user(clock[0] + 3600)
    tokens.keep("token", ada)
    assert tokens.find("token") is ada
    assert tokens.find("another") is None
    clock[0] += SECONDS
    assert tokens.find("token") is None


def test_no_token_is_known_for_longer_than_it_is_valid(clock: list[float]) -> None:
    tokens = VerifiedTokens()
    tokens.keep("token", user(clock[0] + 1))
    clock[0] += 0.5
    assert tokens.find("token") is not None
    clock[0] += 0.5
    assert tokens.find("token") is None


def test_the_oldest_are_forgotten(clock: list[float]) -> None:
    tokens = VerifiedTokens()
    for number in range(MOST + 1):
        tokens.keep(str(number), user(clock[0] + timedelta(hours=1).total_seconds()))
    assert tokens.find("0") is None
    assert tokens.find(str(MOST)) is not None
