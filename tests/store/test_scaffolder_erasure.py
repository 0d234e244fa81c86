"""What the rows of an ended task still know of its secrets, once they are decrypted; and that a retry needs no more."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from tests.store.scaffolder_bench import KEY
from tests.store.test_scaffolder_road import SAY, completion, create, road
from tests.unit.scaffolder.road import calls, template

from understage.platform.database import Database
from understage.scaffolder.cipher import Cipher

pytestmark = pytest.mark.usefixtures("task_engine")

PASSWORD = "hunter22-of-the-test"
KEEP = {"id": "keep", "name": "Keep", "action": "test:keep", "input": {"message": "x ${{ secrets.password }}"}}
LOOP = {**KEEP, "id": "loop", "each": ["a", "b"]}
TELL = {"id": "tell", "name": "Tell", "action": "test:secret"}
FAIL = {"id": "fail", "name": "Fail", "action": "test:effect", "input": {"message": "once", "times": 2}}
CLEANUP = {**TELL, "id": "cleanup", "if": "${{ always() }}"}
START_OVER = {"EXPERIMENTAL_recovery": {"EXPERIMENTAL_strategy": "startOver"}}


async def kept(database: Database, task_id: str) -> Mapping[str, str]:
    """All that is stored of the task's run, decrypted, by its place."""
    cipher, found = Cipher(KEY), {}
    async with database.read() as connection:
        for step, result in await connection.execute(text("SELECT step_id, result FROM task_steps")):
            found[f"steps/{step}"] = cipher.decrypt(bytes(result), f"{task_id}/steps/{step}").decode()
        for step, key, value in await connection.execute(text("SELECT step_id, key, value FROM task_checkpoints")):
            place = f"checkpoints/{step}/{key}"
            found[place] = cipher.decrypt(bytes(value), f"{task_id}/{place}").decode()
        for (secrets,) in await connection.execute(text("SELECT secrets FROM tasks")):
            assert secrets is None
        if (await connection.execute(text("SELECT count(*) FROM task_workspaces"))).scalar_one():
            found["workspace"] = ""
    return found


async def test_a_completed_task_keeps_nothing_of_its_secrets(database: Database, tmp_path: Path) -> None:
    calls.clear()
    async with road(database, tmp_path, template(SAY, KEEP, LOOP, TELL)) as bench:
        task_id = await create(bench, password=PASSWORD)
        assert "output" in await completion(bench, task_id)
        found = await kept(database, task_id)
        assert set(found) == {"checkpoints/keep/number", "checkpoints/loop/number#0", "checkpoints/loop/number#1"}
        assert not any(PASSWORD in value for value in found.values())
        # It begins anew, and does not repeat what it remembers.
        count = calls.count("numbered")
        assert (
            await bench.http.post(f"/v2/tasks/{task_id}/retry", json={"secrets": {"password": "new"}})
        ).status_code == 201
        assert "output" in await completion(bench, task_id)
        assert calls.count("numbered") == count
        assert not any(PASSWORD in value for value in (await kept(database, task_id)).values())


async def test_a_failed_task_keeps_what_leads_to_its_failed_step(database: Database, tmp_path: Path) -> None:
    calls.clear()
    entity = template(SAY, TELL, FAIL, CLEANUP, output={"n": "${{ steps.fail.output.count }}"})
    async with road(database, tmp_path, entity) as bench:
        task_id = await create(bench, password=PASSWORD)
        assert (await completion(bench, task_id))["error"]["name"] == "ConflictError"
        found = await kept(database, task_id)
        assert set(found) == {"steps/say", "steps/tell", "steps/fail", "checkpoints/fail/effect", "workspace"}
        assert [place for place, value in found.items() if PASSWORD in value] == ["steps/tell"]
        await bench.http.post(f"/v2/tasks/{task_id}/retry", json={"secrets": {"password": "the-right-one"}})
        assert (await completion(bench, task_id))["output"] == {"n": 1}
        assert calls == ["once"]
        assert set(await kept(database, task_id)) == {"checkpoints/fail/effect"}


async def test_a_failed_loop_of_a_later_step_begins_again(database: Database, tmp_path: Path) -> None:
    """Its finished items go with its result: a retry runs the whole step."""
    calls.clear()
    later: dict[str, Any] = {**SAY, "id": "later", "each": ["a", "b"], "if": "${{ always() }}"}
    async with road(database, tmp_path, template(FAIL, later)) as bench:
        task_id = await create(bench, password=PASSWORD)
        await bench.status(task_id, "failed")
        assert not any("later" in place for place in await kept(database, task_id))
        await bench.http.post(f"/v2/tasks/{task_id}/retry", json={"secrets": {"password": "the-right-one"}})
        assert await bench.status(task_id, "completed", "failed") == "completed"
        assert (await bench.messages(task_id)).count("Finished step Say it") == 2


async def test_a_failed_task_that_starts_over_keeps_no_results(database: Database, tmp_path: Path) -> None:
    calls.clear()
    async with road(database, tmp_path, template(TELL, FAIL, **START_OVER)) as bench:
        task_id = await create(bench, password=PASSWORD)
        await bench.status(task_id, "failed")
        assert set(await kept(database, task_id)) == {"checkpoints/fail/effect"}
