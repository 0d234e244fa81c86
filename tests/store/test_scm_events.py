"""Events of forges: what is read again, unregistered and registered anew, in the database before the forge is answered."""

import asyncio
import hashlib
import hmac
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from tests.store.catalog_bench import Bench, component, running
from tests.store.service_bench import running_service

from understage.platform.database import Database
from understage.platform.event_bus import Event

REPOSITORY = "https://example.com/o/Repo"
MAIN = f"{REPOSITORY}/blob/main"
ALL = {"scmEvents": True}


def push(**paths: Sequence[str]) -> dict[str, Any]:
    return {
        "ref": "refs/heads/main",
        "repository": {"html_url": REPOSITORY, "default_branch": "main", "name": "Repo"},
        "commits": [{"id": "c1", **{member: list(names) for member, names in paths.items()}}],
    }


def about_repository(action: str, **more: Any) -> dict[str, Any]:
    return {"action": action, "repository": {"html_url": REPOSITORY, "default_branch": "main", "name": "Repo"}, **more}


async def publish(bench: Bench, topic: str, payload: Mapping[str, Any], *, is_trusted: bool = True) -> None:
    assert await bench.engine.events.publish(Event(topic, payload, is_trusted=is_trusted))


async def due_alone(bench: Bench, topic: str, payload: Mapping[str, Any], *, is_trusted: bool = True) -> set[str]:
    """What an event makes due, with the loops standing still."""
    await bench.engine.stop()
    await publish(bench, topic, payload, is_trusted=is_trusted)
    async with bench.database.read() as connection:
        statement = "SELECT entity_ref FROM refresh_state WHERE id IN (SELECT entity_id FROM refresh_due)"
        return {row.entity_ref for row in await connection.execute(text(statement))}


@asynccontextmanager
async def registered(
    database: Database, folder: Path, names: Sequence[str] = ("a.yaml", "b.yaml"), **catalog: Any
) -> AsyncIterator[Bench]:
    """An engine with one registered location a file of the repository, everything read."""
    async with running(database, folder, **{**ALL, **catalog}) as bench:
        for name in names:
            bench.reader.pages[f"{MAIN}/{name}"] = component(name.partition(".")[0])
            await bench.service.create_location("url", f"{MAIN}/{name}")
        await bench.settle()
        bench.reader.sent.clear()
        yield bench


async def targets(bench: Bench) -> list[str]:
    return sorted(location.target for location in await bench.service.list_locations())


async def test_a_push_reads_the_changed_file_again_and_no_other(database: Database, tmp_path: Path) -> None:
    async with registered(database, tmp_path) as bench:
        for name in ("a", "b"):
            bench.reader.pages[f"{MAIN}/{name}.yaml"] = component(name, owner="changed")
        await publish(bench, "github.push", push(modified=["a.yaml", "docs/index.md"]))
        await bench.settle()
        assert bench.reader.sent == [f"{MAIN}/a.yaml"]
        owners = {ref: entity["spec"].get("owner") for ref, entity in (await bench.entities()).items()}
        assert owners["component:default/a"] == "changed"
        assert owners["component:default/b"] == "team-a"


async def test_a_push_is_in_the_database_when_it_is_answered(database: Database, tmp_path: Path) -> None:
    async with registered(database, tmp_path) as bench:
        found = await bench.service.find_location("url", f"{MAIN}/a.yaml")
        assert found is not None
        due = await due_alone(bench, "github.push", push(modified=["a.yaml"]))
        assert due == {found.entity_ref, "component:default/a"}


async def test_a_file_that_is_known_as_tree_is_found_too(database: Database, tmp_path: Path) -> None:
    async with running(database, tmp_path, **ALL) as bench:
        tree = f"{REPOSITORY}/tree/main/a.yaml"
        bench.reader.pages[tree] = component("a")
        await bench.service.create_location("url", tree)
        await bench.settle()
        bench.reader.pages[tree] = component("a", owner="changed")
        await publish(bench, "github.push", push(modified=["a.yaml"]))
        await bench.settle()
        assert (await bench.entity("component:default/a"))["spec"]["owner"] == "changed"


async def test_a_deleted_file_is_unregistered_with_what_it_gave(database: Database, tmp_path: Path) -> None:
    async with registered(database, tmp_path) as bench:
        await publish(bench, "github.push", push(removed=["a.yaml"]))
        assert await targets(bench) == [f"{MAIN}/b.yaml"]
        assert await bench.names() == ["component:default/b"]


async def test_a_moved_file_is_registered_where_it_is(database: Database, tmp_path: Path) -> None:
    async def read(repository_url: str, commit_id: str) -> Sequence[tuple[str, str, str | None]]:
        return [("renamed", "sub/a2.yaml", "a.yaml"), ("renamed", "y.yaml", "x.yaml")]

    async with registered(database, tmp_path) as bench:
        bench.reader.pages[f"{MAIN}/sub/a2.yaml"] = component("a2")
        moved = push(added=["sub/a2.yaml", "y.yaml"], removed=["a.yaml", "x.yaml"])
        await publish(bench, "github.push", moved)
        assert await targets(bench) == [f"{MAIN}/b.yaml"], "without the commits it went, and something came"
    async with running(database, tmp_path, read_commit=read, **ALL) as bench:
        bench.reader.pages[f"{MAIN}/a.yaml"] = component("a")
        bench.reader.pages[f"{MAIN}/b.yaml"] = component("b")
        bench.reader.pages[f"{MAIN}/sub/a2.yaml"] = component("a2")
        await bench.service.create_location("url", f"{MAIN}/a.yaml")
        await bench.settle()
        await publish(bench, "github.push", moved)
        # What moved and was never registered is not registered now.
        assert await targets(bench) == [f"{MAIN}/b.yaml", f"{MAIN}/sub/a2.yaml"]
        await bench.settle()
        assert await bench.names() == ["component:default/a2", "component:default/b"]


async def test_a_deleted_repository_takes_its_own_locations_only(database: Database, tmp_path: Path) -> None:
    async with registered(database, tmp_path) as bench:
        others = ["https://example.com/o/Repo-two/blob/main/a.yaml", "https://example.com/o/repo/blob/main/a.yaml"]
        for other in others:
            await bench.service.create_location("url", other)
        await publish(bench, "github.repository", about_repository("deleted"))
        assert await targets(bench) == sorted(others)
        for url in (
            "https://example.com",
            "https://example.com/",
            "https://example.com/o",
            "https://example.com/o?x/y",
        ):
            payload = {"action": "deleted", "repository": {"html_url": url}}
            await publish(bench, "github.repository", payload)
        assert await targets(bench) == sorted(others)


async def test_a_renamed_repository_takes_its_locations_along(database: Database, tmp_path: Path) -> None:
    async with registered(database, tmp_path) as bench:
        for name in ("a", "b"):
            bench.reader.pages[f"https://example.com/o/New/blob/main/{name}.yaml"] = component(name, owner="new")
        payload = {
            "action": "renamed",
            "repository": {"html_url": "https://example.com/o/New", "owner": {"html_url": "https://example.com/o"}},
            "changes": {"repository": {"name": {"from": "Repo"}}},
        }
        await publish(bench, "github.repository", payload)
        moved = [f"https://example.com/o/New/blob/main/{name}.yaml" for name in ("a", "b")]
        assert await targets(bench) == moved
        await bench.settle()
        assert (await bench.entity("component:default/a"))["spec"]["owner"] == "new"
        # A second delivery of the same finds nothing to do.
        snapshot = await bench.snapshot()
        await publish(bench, "github.repository", payload)
        assert await bench.snapshot() == snapshot


async def test_another_default_branch_moves_only_what_was_on_the_former(database: Database, tmp_path: Path) -> None:
    async with registered(database, tmp_path) as bench:
        await bench.service.create_location("url", f"{REPOSITORY}/blob/other/a.yaml")
        payload = about_repository("edited", changes={"default_branch": {"from": "main"}})
        payload["repository"]["default_branch"] = "trunk"
        await publish(bench, "github.repository", payload)
        assert await targets(bench) == [
            f"{REPOSITORY}/blob/other/a.yaml",
            f"{REPOSITORY}/blob/trunk/a.yaml",
            f"{REPOSITORY}/blob/trunk/b.yaml",
        ]


async def test_an_updated_repository_is_read_again_as_a_whole(database: Database, tmp_path: Path) -> None:
    async with registered(database, tmp_path) as bench:
        near = "https://example.com/o/Repo2/blob/main/a.yaml"
        bench.reader.pages[near] = component("near")
        await bench.service.create_location("url", near)
        await bench.settle()
        due = await due_alone(bench, "github.repository", about_repository("archived"), is_trusted=False)
        assert {ref for ref in due if ref.startswith("component:")} == {"component:default/a", "component:default/b"}


@pytest.mark.parametrize(
    "url", ["https:", "https://", "https://example.com", "https://example.com/o", "https://[", "o/Repo"]
)
async def test_a_repository_that_is_none_makes_nothing_due(sqlite_database: Database, tmp_path: Path, url: str) -> None:
    async with registered(sqlite_database, tmp_path) as bench:
        payload = {"repository": {"links": {"html": {"href": url}}}}
        assert await due_alone(bench, "bitbucketCloud.repo:push", payload, is_trusted=False) == set()


async def test_what_no_database_can_hold_is_malformed_and_not_delivered_again(
    database: Database, tmp_path: Path
) -> None:
    async with registered(database, tmp_path) as bench:
        strange = ["\0.yaml", "x" * 100_000 + ".yaml", "%00.yaml", "' OR 1=1 --.yaml", "\u202e.yaml"]
        await publish(bench, "github.push", push(modified=strange))
        await publish(bench, "github.push", push(removed=strange))
        assert await targets(bench) == [f"{MAIN}/a.yaml", f"{MAIN}/b.yaml"]


async def test_another_replica_acts_when_the_one_that_was_told_dies(database: Database, tmp_path: Path) -> None:
    async with running(database, tmp_path, processingInterval=False, **ALL) as told:
        await told.service.create_location("url", f"{MAIN}/a.yaml")
        async with running(database, tmp_path, **ALL) as other:
            other.reader.pages[f"{MAIN}/a.yaml"] = component("a")
            await other.refresh_all()
            other.reader.pages[f"{MAIN}/a.yaml"] = component("a", owner="changed")
            # It takes the event, and processes nothing itself, as if it were killed after its answer.
            await publish(told, "github.push", push(modified=["a.yaml"]))
            other.engine.wake()
            await other.settle()
            assert (await other.entity("component:default/a"))["spec"]["owner"] == "changed"


@pytest.mark.parametrize(
    ("scm_events", "options", "left", "read"),
    [
        (False, {}, ["a.yaml", "b.yaml"], []),
        ({"unregister": False, "refresh": False}, {}, ["a.yaml", "b.yaml"], []),
        ({"unregister": False}, {}, ["a.yaml", "b.yaml"], ["b.yaml"]),
        ({"refresh": False}, {}, ["b.yaml"], []),
        (True, {"GenericScmEventRefreshProvider": {"disabled": True}}, ["b.yaml"], []),
        (True, {}, ["b.yaml"], ["b.yaml"]),
    ],
)
async def test_what_is_done_is_configured(
    sqlite_database: Database, tmp_path: Path, scm_events: Any, options: Any, left: list[str], read: list[str]
) -> None:
    async with registered(sqlite_database, tmp_path, scmEvents=scm_events, providerOptions=options) as bench:
        bench.reader.pages[f"{MAIN}/b.yaml"] = component("b", owner="changed")
        await publish(bench, "github.push", push(removed=["a.yaml"], modified=["b.yaml"]))
        await bench.settle()
        assert await targets(bench) == [f"{MAIN}/{name}" for name in left]
        assert bench.reader.sent == [f"{MAIN}/{name}" for name in read]


async def test_an_event_that_nobody_vouches_for_only_makes_files_be_read(
    sqlite_database: Database, tmp_path: Path
) -> None:
    async with registered(sqlite_database, tmp_path) as bench:
        bench.reader.pages[f"{MAIN}/b.yaml"] = component("b", owner="changed")
        await publish(bench, "github.push", push(removed=["a.yaml"], modified=["b.yaml"]), is_trusted=False)
        await publish(bench, "github.repository", about_repository("deleted"), is_trusted=False)
        await bench.settle()
        assert await targets(bench) == [f"{MAIN}/a.yaml", f"{MAIN}/b.yaml"]
        assert bench.reader.sent == [f"{MAIN}/b.yaml"]


async def test_a_whole_service_acts_on_a_signed_webhook_before_it_answers(database: Database, tmp_path: Path) -> None:
    overlay = {
        "catalog": {"scmEvents": True, "orphanStrategy": "keep"},
        "events": {"modules": {"github": {"webhookSecret": "hook"}}},
    }
    async with running_service(tmp_path, database=database, overlay=overlay) as bench:
        page = f"{bench.files}/o/Repo/blob/main/a.yaml"
        file = tmp_path / "public/o/Repo/blob/main/a.yaml"
        file.parent.mkdir(parents=True)
        file.write_text(component("a"))
        assert (await bench.post("/api/catalog/locations", {"type": "url", "target": page})).status_code == 201
        await bench.settle()
        payload = push(modified=["a.yaml"])
        payload["repository"]["html_url"] = f"{bench.files}/o/Repo"

        async def send(body: bytes, event: str, secret: str = "hook") -> int:
            signature = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
            headers = {"content-type": "application/json", "x-github-event": event, "x-hub-signature-256": signature}
            answer = await bench.client.post(
                "/api/events/http/github", content=body, headers={**headers, "authorization": ""}
            )
            return answer.status_code

        file.write_text(component("a", owner="changed"))
        body = json.dumps(payload).encode()
        assert await send(body, "push", "wrong") == 403
        await bench.settle()
        assert (await bench.entity("component", "a"))["spec"]["owner"] == "team-a"
        assert await send(body, "push") == 202
        await bench.settle()
        assert (await bench.entity("component", "a"))["spec"]["owner"] == "changed"
        gone = {"action": "deleted", "repository": {"html_url": f"{bench.files}/o/Repo"}}
        assert await send(json.dumps(gone).encode(), "repository") == 202
        assert "component:a" not in await bench.names()


# Meters are one per process, so the service's part is played by a process of its own.
COUNTED = """
import asyncio, sys
from pathlib import Path
from prometheus_client import REGISTRY, generate_latest
from tests.store.test_scm_events import about_repository, publish, push, registered
from understage.platform.database import connect_sqlite_temporary
from understage.platform.migrations import migrate
from understage.platform.telemetry import configure_telemetry

async def main(folder):
    configure_telemetry()
    database = connect_sqlite_temporary()
    await migrate(database)
    async with registered(database, folder, ("a.yaml", "b.yaml", "c.yaml")) as bench:
        await publish(bench, "github.push", push(modified=["a.yaml"], removed=["b.yaml"]))
        await publish(bench, "github.repository", about_repository("created"))
        payload = about_repository("edited", changes={"default_branch": {"from": "main"}})
        payload["repository"]["default_branch"] = "trunk"
        await publish(bench, "github.repository", payload)
        print(generate_latest(REGISTRY).decode())
    await database.close()

asyncio.run(main(Path(sys.argv[1])))
"""


async def test_messages_and_actions_are_counted_under_the_stock_names(tmp_path: Path) -> None:
    command = [sys.executable, "-c", COUNTED, str(tmp_path)]
    run = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, check=False, timeout=60, cwd=Path(__file__).parents[2]
    )
    assert run.returncode == 0, run.stderr
    counted = dict(
        (re.sub(r',?otel_scope_\w+="[^"]*"', "", name), float(value))
        for name, value in re.findall(r"^(catalog_events_scm_\w+_total\{.*\}) (\S+)$", run.stdout, re.MULTILINE)
    )
    assert counted == {
        'catalog_events_scm_messages_total{eventType="location"}': 2,
        'catalog_events_scm_messages_total{eventType="repository"}': 2,
        'catalog_events_scm_actions_total{action="refresh"}': 2,
        'catalog_events_scm_actions_total{action="delete"}': 1,
        'catalog_events_scm_actions_total{action="move"}': 2,
    }
