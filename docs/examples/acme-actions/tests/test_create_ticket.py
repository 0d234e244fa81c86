"""What the action does, against fakes of every port: no service, no network."""

import asyncio
import json
from pathlib import Path

import pytest
from acme_actions.create_ticket import create_ticket

from understage.sdk import HttpResponse, InputError, NotAllowedError
from understage.sdk.testing import Checkpoints, FakeHttp, fake_ports, run_action

URL = "https://tracker.acme.example"
STEP = {"trackerUrl": URL, "title": "Load balancer for ledger", "team": "network", "token": "s3cret-token"}


def tracker(status: int = 201) -> FakeHttp:
    return FakeHttp({("POST", f"{URL}/tickets"): HttpResponse(status, {}, b'{"id": 42}')})


def test_creates_a_ticket_and_says_where(tmp_path: Path) -> None:
    http = tracker()
    result = asyncio.run(run_action(create_ticket, STEP, workspace=tmp_path, ports=fake_ports(http=http)))

    assert result.output == {"ticketId": "42", "ticketUrl": f"{URL}/tickets/42"}
    assert json.loads(http.sent[0].content or b"") == {"title": "Load balancer for ledger", "team": "network"}
    assert result.log == ["Ticket 42 waits for network"]


def test_a_continued_task_creates_no_second_ticket(tmp_path: Path) -> None:
    http, checkpoints = tracker(), Checkpoints()
    for _ in range(2):
        asyncio.run(
            run_action(create_ticket, STEP, workspace=tmp_path, ports=fake_ports(http=http), checkpoints=checkpoints)
        )
    assert len(http.sent) == 1


def test_a_dry_run_asks_nobody(tmp_path: Path) -> None:
    http = tracker()
    asyncio.run(run_action(create_ticket, STEP, workspace=tmp_path, ports=fake_ports(http=http), dry_run=True))
    assert http.sent == []


def test_a_refused_token_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NotAllowedError, match="renew TRACKER_TOKEN"):
        asyncio.run(run_action(create_ticket, STEP, workspace=tmp_path, ports=fake_ports(http=tracker(403))))


def test_a_typo_in_the_step_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="titel"):
        asyncio.run(run_action(create_ticket, {**STEP, "titel": "x"}, workspace=tmp_path))
