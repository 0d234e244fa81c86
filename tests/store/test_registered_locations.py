"""Locations registered by API: what the import page, the unregister dialog and the refresh button do."""

import hashlib
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.store.catalog_bench import PagesReader, component, location, running

from understage.errors import ConflictError, InputError, NotAllowedError, NotFoundError
from understage.platform.database import Database

URL = "https://example.com/repo/catalog-info.yaml"
OTHER = "https://example.com/repo/other.yaml"


async def test_a_registered_location_is_visible_without_waiting_for_its_turn(
    database: Database, tmp_path: Path
) -> None:
    async with running(database, tmp_path) as bench:
        bench.reader.pages[URL] = component("one")
        created = await bench.service.create_location("url", URL)
        await bench.settle()
        name = "generated-" + hashlib.sha1(f"url:{URL}".encode()).hexdigest()
        assert created.to_json() == {
            "location": {
                "id": created.location.id,
                "type": "url",
                "target": URL,
                "entityRef": f"location:default/{name}",
            },
            "entities": [],
        }
        annotations = (await bench.entity("component:default/one"))["metadata"]["annotations"]
        assert annotations == {
            "backstage.io/managed-by-location": f"url:{URL}",
            "backstage.io/managed-by-origin-location": f"url:{URL}",
            "backstage.io/view-url": URL,
            "backstage.io/edit-url": f"{URL}?edit",
            "backstage.io/source-location": "url:https://example.com/repo/",
        }
        assert await bench.service.list_locations() == [created.location]
        assert await bench.service.get_location(created.location.id) == created.location
        assert await bench.service.find_location("url", URL) == created.location
        assert await bench.service.find_location("url", OTHER) is None


async def test_what_is_pinned_to_a_commit_is_not_edited(sqlite_database: Database, tmp_path: Path) -> None:
    pinned = f"https://example.com/repo/{'0a' * 20}/one.yaml"
    async with running(sqlite_database, tmp_path) as bench:
        bench.reader.pages[pinned] = component("one")
        await bench.service.create_location("url", pinned)
        await bench.settle()
        annotations = (await bench.entity("component:default/one"))["metadata"]["annotations"]
    assert annotations["backstage.io/view-url"] == pinned
    assert "backstage.io/source-location" in annotations
    assert "backstage.io/edit-url" not in annotations


async def test_a_second_registration_is_refused_or_refreshes(database: Database, tmp_path: Path) -> None:
    async with running(database, tmp_path) as bench:
        bench.reader.pages[URL] = component("one")
        created = await bench.service.create_location("url", URL)
        await bench.settle()
        with pytest.raises(ConflictError, match=f"^Location url:{URL} already exists$"):
            await bench.service.create_location("url", URL)
        bench.reader.pages[URL] = component("two")
        again = await bench.service.create_location("url", URL, on_conflict="refresh")
        await bench.settle()
        assert again.location == created.location
        assert "component:default/two" in await bench.names()


@pytest.mark.parametrize(
    ("type", "target", "message"),
    [
        ("file", "/etc/passwd", 'Registered locations must be of an allowed type ["url"]'),
        ("url", "", "Unable to parse location ref 'url:'"),
        ("url", " java\tscript:alert(1)", "target is a javascript: URL"),
    ],
)
async def test_a_location_that_cannot_be_is_not_stored(
    sqlite_database: Database, tmp_path: Path, type: str, target: str, message: str
) -> None:
    reader = PagesReader()
    reader.pages[URL] = component("one")
    async with running(sqlite_database, tmp_path, reader=reader) as bench:
        with pytest.raises(InputError) as caught:
            await bench.service.create_location(type, target)
        assert message in caught.value.message
        assert await bench.service.list_locations() == []
        kept = (await bench.service.create_location("url", URL)).location
        with pytest.raises(InputError):
            await bench.service.update_location(kept.id, type, target)
        assert await bench.service.list_locations() == [kept]
    # What was refused does not stand in the way of the next start.
    async with running(sqlite_database, tmp_path, reader=reader) as bench:
        await bench.settle()
        assert await bench.names() == ["component:default/one"]


async def test_a_location_that_another_backend_stored_without_a_target_stops_no_start(
    sqlite_database: Database, tmp_path: Path
) -> None:
    reader = PagesReader()
    reader.pages[URL] = component("one")
    async with running(sqlite_database, tmp_path, reader=reader) as bench:
        await bench.service.create_location("url", URL)
    async with sqlite_database.write() as connection:
        await connection.execute(
            text(
                "INSERT INTO locations (id, type, target, location_entity_ref) VALUES (:id, 'url', '', 'location:default/x')"
            ),
            {"id": "11111111-2222-4333-8444-555555555555"},
        )
    async with running(sqlite_database, tmp_path, reader=reader) as bench:
        await bench.settle()
        assert await bench.names() == ["component:default/one"]
        empty = next(location for location in await bench.service.list_locations() if not location.target)
        await bench.service.delete_location(empty.id)


async def test_unregistering_removes_at_once_what_only_it_gave(database: Database, tmp_path: Path) -> None:
    async with running(database, tmp_path) as bench:
        bench.reader.pages[URL] = component("one") + "\n---\n" + location("more", "./other.yaml")
        bench.reader.pages[OTHER] = component("two")
        created = await bench.service.create_location("url", URL)
        await bench.settle()
        assert await bench.names() == ["component:default/one", "component:default/two", "location:default/more"]
        await bench.service.delete_location(created.location.id)
        assert await bench.entities() == {}
        with pytest.raises(NotFoundError, match=f"^Found no location with ID {created.location.id}$"):
            await bench.service.delete_location(created.location.id)
        with pytest.raises(NotFoundError, match=r"^Found no location with ID nope$"):
            await bench.service.get_location("nope")


async def test_a_location_pointed_elsewhere_keeps_id_and_name_and_changes_what_it_gives(
    database: Database, tmp_path: Path
) -> None:
    async with running(database, tmp_path) as bench:
        bench.reader.pages[URL] = component("one")
        bench.reader.pages[OTHER] = component("two")
        created = (await bench.service.create_location("url", URL)).location
        await bench.settle()
        before = await bench.entity(created.entity_ref)
        moved = await bench.service.update_location(created.id, "url", OTHER)
        assert "component:default/one" not in await bench.entities()
        await bench.settle()
        assert (moved.id, moved.entity_ref, moved.target) == (created.id, created.entity_ref, OTHER)
        assert await bench.names() == ["component:default/two"]
        assert (await bench.entity(created.entity_ref))["metadata"]["uid"] != before["metadata"]["uid"]
        # The first target may be registered again, beside it.
        again = (await bench.service.create_location("url", URL)).location
        await bench.settle()
        assert again.entity_ref != created.entity_ref
        assert await bench.names() == ["component:default/one", "component:default/two"]
        with pytest.raises(ConflictError):
            await bench.service.update_location(again.id, "url", OTHER)


async def test_a_dry_run_tells_all_and_stores_nothing(database: Database, tmp_path: Path) -> None:
    async with running(database, tmp_path) as bench:
        before = await bench.snapshot()
        bench.reader.pages[URL] = component("one") + "\n---\n" + location("more", "./other.yaml")
        bench.reader.pages[OTHER] = component("two")
        planned = await bench.service.create_location("url", URL, dry_run=True)
        assert planned.exists is False
        assert planned.location.id == f"url:{URL}"
        assert [entity["metadata"]["name"] for entity in planned.entities][1:] == ["one", "more", "two"]
        assert all("uid" not in entity["metadata"] for entity in planned.entities)
        assert await bench.snapshot() == before
        await bench.service.create_location("url", URL)
        assert (await bench.service.create_location("url", URL, dry_run=True)).exists is True


@pytest.mark.parametrize(
    ("pages", "message"),
    [
        ({}, f"NotFoundError: Unable to read url, no matching files found for {URL}"),
        ({URL: component("a") + "\n---\n" + component("a")}, "Duplicate nested entity: component:default/a"),
        (
            {URL: "apiVersion: backstage.io/v1alpha1\nkind: Domain\nmetadata: {name: d}\nspec: {owner: x}"},
            f"NotAllowedError: Entity domain:default/d at url:{URL}, originated at url:{URL}, "
            "is not of an allowed kind for that location",
        ),
        ({URL: location("a", OTHER), OTHER: location("b", URL)}, "Duplicate nested entity: location:default/a"),
    ],
)
async def test_a_dry_run_says_what_is_wrong(
    sqlite_database: Database, tmp_path: Path, pages: dict[str, str], message: str
) -> None:
    async with running(sqlite_database, tmp_path) as bench:
        bench.reader.pages.update(pages)
        with pytest.raises(InputError) as caught:
            await bench.service.create_location("url", URL, dry_run=True)
        assert caught.value.message == message


async def test_a_host_that_is_not_allowed_is_named(sqlite_database: Database, tmp_path: Path) -> None:
    async with running(sqlite_database, tmp_path) as bench:
        with pytest.raises(InputError, match=r"^Error: Unable to read url, Reading from 'https://evil.test/x' is not"):
            await bench.service.create_location("url", "https://evil.test/x", dry_run=True)


async def test_readonly_refuses_changes_and_allows_dry_runs(sqlite_database: Database, tmp_path: Path) -> None:
    async with running(sqlite_database, tmp_path, readonly=True) as bench:
        bench.reader.pages[URL] = component("one")
        for change in (
            bench.service.create_location("url", URL),
            bench.service.update_location("x", "url", URL),
            bench.service.delete_location("x"),
        ):
            with pytest.raises(NotAllowedError, match=r"^This operation not allowed in readonly mode$"):
                await change
        assert len((await bench.service.create_location("url", URL, dry_run=True)).entities) == 2


async def test_a_vanished_file_leaves_its_entities(database: Database, tmp_path: Path) -> None:
    async with running(database, tmp_path) as bench:
        bench.reader.pages[URL] = component("one")
        created = (await bench.service.create_location("url", URL)).location
        await bench.settle()
        del bench.reader.pages[URL]
        await bench.service.refresh("component:default/one")
        await bench.settle()
        assert await bench.names() == ["component:default/one"]
        assert await bench.errors(created.entity_ref) == [
            f"NotFoundError: Unable to read url, no matching files found for {URL}"
        ]


async def test_what_did_not_change_is_not_sent_again(database: Database, tmp_path: Path) -> None:
    async with running(database, tmp_path) as bench:
        bench.reader.pages[URL] = component("one")
        await bench.service.create_location("url", URL)
        await bench.settle()
        before = await bench.snapshot()
        await bench.refresh_all()
        assert bench.reader.sent == [URL]
        assert await bench.snapshot() == before


async def test_refresh_reaches_the_locations_above(database: Database, tmp_path: Path) -> None:
    async with running(database, tmp_path) as bench:
        bench.reader.pages[URL] = location("more", "./other.yaml")
        bench.reader.pages[OTHER] = component("one")
        await bench.service.create_location("url", URL)
        await bench.settle()
        bench.reader.pages[OTHER] = component("one", type="library")
        await bench.service.refresh("Component:default/ONE")
        await bench.settle()
        assert (await bench.entity("component:default/one"))["spec"]["type"] == "library"
        with pytest.raises(NotFoundError, match=r"^Entity component:default/nope not found$"):
            await bench.service.refresh("component:default/nope")


async def test_refresh_keys_reach_what_was_read_from_them(database: Database, tmp_path: Path) -> None:
    async with running(database, tmp_path) as bench:
        bench.reader.pages[URL] = component("one", definition={"$text": "./text.txt"})
        bench.reader.pages["https://example.com/repo/text.txt"] = "before"
        await bench.service.create_location("url", URL)
        await bench.settle()
        assert (await bench.entity("component:default/one"))["spec"]["definition"] == "before"
        bench.reader.pages["https://example.com/repo/text.txt"] = "after"
        assert await bench.service.refresh_by_keys(["url:https://example.com/repo/text.txt"]) == 1
        await bench.settle()
        assert (await bench.entity("component:default/one"))["spec"]["definition"] == "after"


async def test_a_deleted_entity_that_is_still_emitted_comes_back_with_a_new_uid(
    database: Database, tmp_path: Path
) -> None:
    async with running(database, tmp_path) as bench:
        bench.reader.pages[URL] = component("one")
        created = (await bench.service.create_location("url", URL)).location
        await bench.settle()
        before = (await bench.entity("component:default/one"))["metadata"]["uid"]
        await bench.service.delete_entity(before.upper())
        await bench.settle()
        assert (await bench.entity("component:default/one"))["metadata"]["uid"] != before
        await bench.service.delete_entity("unknown")
        # A root stays away.
        await bench.service.delete_entity((await bench.entity(created.entity_ref))["metadata"]["uid"])
        await bench.settle()
        assert created.entity_ref not in await bench.entities()
        assert "backstage.io/orphan" in (await bench.entity("component:default/one"))["metadata"]["annotations"]
        with pytest.raises(NotFoundError):
            await bench.service.refresh("component:default/one")


async def test_two_engines_on_one_database_do_each_entity_once(postgres_database: Database, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("\n---\n".join(component(f"c{n}", system="s") for n in range(1500)))
    locations = [{"type": "file", "target": "a.yaml"}]
    async with (
        running(postgres_database, tmp_path, locations=locations) as first,
        running(postgres_database, tmp_path, locations=locations) as second,
    ):
        await first.settle()
        await second.settle()
        assert len(await first.names()) == 1500
        for _ in range(2):
            async with postgres_database.write() as connection:
                await connection.execute(text("UPDATE refresh_state SET result_hash = NULL"))
                await connection.execute(text("UPDATE refresh_buckets SET next_at = 0"))
            first.engine.wake()
            second.engine.wake()
            await first.settle()
            await second.settle()
        entities = await first.entities()
        assert len(entities) == 1501
        assert all("status" not in entity for entity in entities.values())
        async with postgres_database.read() as connection:
            rows = (await connection.execute(text("SELECT count(*) FROM refresh_state_references"))).scalar()
        assert rows == 1501
