"""`notification:send`: the body that the notifications backend takes, once, as the scaffolder."""

import json
from pathlib import Path
from typing import Any

import pytest

from understage.errors import ForeignError, InputError
from understage.sdk import HttpResponse
from understage.sdk.testing import ActionResult, Checkpoints, FakeHttp, fake_ports, run_action
from understage_actions.notification_send import send

TEAM = {"recipients": "entity", "entityRefs": ["group:default/payments"], "title": "Done"}


def backend(status: int = 200) -> FakeHttp:
    return FakeHttp({("POST", "notifications"): HttpResponse(status, {}, b"[]")})


async def run(backstage: FakeHttp, workspace: Path, input: dict[str, Any], **more: Any) -> ActionResult:
    return await run_action(send, input, workspace=workspace, ports=fake_ports(backstage=backstage), **more)


async def test_a_team_is_told_once(tmp_path: Path) -> None:
    backstage, checkpoints = backend(), Checkpoints()
    step = {**TEAM, "info": "It runs", "link": "/x", "severity": "high", "topic": "t", "scope": "s"}
    for _ in range(2):
        await run(backstage, tmp_path, step, checkpoints=checkpoints)
    (sent,) = backstage.sent
    assert sent.as_service
    assert json.loads(sent.content or b"") == {
        "recipients": {"type": "entity", "entityRef": ["group:default/payments"]},
        "payload": {
            "title": "Done",
            "description": "It runs",
            "link": "/x",
            "severity": "high",
            "topic": "t",
            "scope": "s",
        },
    }


async def test_everybody_is_told(tmp_path: Path) -> None:
    backstage = backend()
    await run(backstage, tmp_path, {"recipients": "broadcast", "title": "Done"})
    assert json.loads(backstage.sent[0].content or b"") == {
        "recipients": {"type": "broadcast"},
        "payload": {"title": "Done"},
    }


async def test_a_failure_ends_the_step_unless_it_is_optional(tmp_path: Path) -> None:
    with pytest.raises(ForeignError, match="Failed to send notifications: Request failed with status 403"):
        await run(backend(403), tmp_path, TEAM)
    result = await run(backend(403), tmp_path, {**TEAM, "optional": True})
    assert result.lines[-1].level == "error"
    nobody = {"recipients": "entity", "title": "Done"}
    with pytest.raises(InputError, match="Entity references must be provided"):
        await run(backend(), tmp_path, nobody)
    assert (await run(backend(), tmp_path, {**nobody, "optional": True})).output == {}


async def test_a_dry_run_tells_nobody(tmp_path: Path) -> None:
    backstage = backend()
    assert "Would send the notification 'Done'" in (await run(backstage, tmp_path, TEAM, dry_run=True)).log
    assert backstage.sent == []
