"""What the status of entities tells their owners besides errors: conflicts, good states that are kept, what never got in."""

from pathlib import Path
from typing import Any

from sqlalchemy import text
from tests.store.catalog_bench import Bench, component, location, running
from tests.store.test_providers import People, person

from understage.platform.database import Database

TOP = [{"type": "file", "target": "top.yaml"}]
TOP_REF = "location:default/top"
CASED = "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {name: cased, labels: {tier: a, Tier: b}}\n" + (
    "spec: {type: service, lifecycle: production, owner: team-a}"
)
UNCASED = CASED.replace("Tier: b", "other: b")


async def rows_written(bench: Bench) -> list[Any]:
    async with bench.database.read() as connection:
        failures = await connection.execute(text("SELECT * FROM failures ORDER BY entity_id, stage"))
        conflicts = await connection.execute(text("SELECT * FROM conflicts ORDER BY id"))
        return [*map(tuple, failures), *map(tuple, conflicts)]


async def test_a_lost_name_stands_on_the_location_that_lost_it_and_on_the_winner_until_it_is_resolved(
    database: Database, tmp_path: Path
) -> None:
    (tmp_path / "top.yaml").write_text(location("top", "./first.yaml") + "\n---\n" + location("below", "./second.yaml"))
    (tmp_path / "first.yaml").write_text(component("same", type="first"))
    (tmp_path / "second.yaml").write_text(component("other"))
    async with running(database, tmp_path, locations=TOP) as bench:
        bench.write("second.yaml", component("other"), component("same", type="second"))
        await bench.refresh_all()
        [(level, message)] = await bench.notes("location:default/below")
        assert level == "error"
        assert message == (
            f"NameConflict: component:default/same is claimed twice: file:{tmp_path}/first.yaml (from {TOP_REF}) has the "
            f"name, file:{tmp_path}/second.yaml (from location:default/below) does not get it; rename or remove one of them"
        )
        assert await bench.notes("component:default/same") == [("warning", message)]
        assert await bench.notes(TOP_REF) == []
        assert (await bench.entity("component:default/same"))["spec"]["type"] == "first"

        before = await bench.snapshot(), await rows_written(bench)
        await bench.refresh_all()
        assert (await bench.snapshot(), await rows_written(bench)) == before

        bench.write("second.yaml", component("other"))
        await bench.refresh_all()
        assert "status" not in await bench.entity("location:default/below")
        assert "status" not in await bench.entity("component:default/same")
        assert await rows_written(bench) == []


async def test_when_the_winner_goes_the_loser_gets_the_name_and_nobody_complains(
    database: Database, tmp_path: Path
) -> None:
    (tmp_path / "top.yaml").write_text(location("top", "./first.yaml") + "\n---\n" + location("below", "./second.yaml"))
    (tmp_path / "first.yaml").write_text(component("same", type="first"))
    async with running(database, tmp_path, locations=TOP) as bench:
        bench.write("second.yaml", component("same", type="second"))
        await bench.refresh_all()
        assert await bench.notes("location:default/below") != []
        bench.write("first.yaml", component("another"))
        await bench.refresh_all()
        await bench.engine.delete_orphans()
        await bench.refresh_all()
        await bench.refresh_all()
        assert (await bench.entity("component:default/same"))["spec"]["type"] == "second"
        assert [ref for ref, entity in (await bench.entities()).items() if "status" in entity] == []


async def test_the_winner_is_not_warned_any_more_when_the_losing_location_is_removed(
    database: Database, tmp_path: Path
) -> None:
    (tmp_path / "top.yaml").write_text(location("top", "./first.yaml"))
    (tmp_path / "first.yaml").write_text(component("same"))
    async with running(database, tmp_path, locations=TOP):
        pass
    (tmp_path / "more.yaml").write_text(component("same"))
    more = {"type": "file", "target": "more.yaml"}
    async with running(database, tmp_path, locations=[*TOP, more]) as bench:
        assert [level for level, _ in await bench.notes("component:default/same")] == ["warning"]
    async with running(database, tmp_path, locations=TOP) as bench:
        assert "status" not in await bench.entity("component:default/same")
        assert await rows_written(bench) == []


async def test_a_name_that_stands_twice_below_one_location_is_told_there(database: Database, tmp_path: Path) -> None:
    (tmp_path / "top.yaml").write_text(location("top", "./first.yaml", "./second.yaml"))
    (tmp_path / "first.yaml").write_text(component("same", type="first"))
    (tmp_path / "second.yaml").write_text(component("same", type="second"))
    async with running(database, tmp_path, locations=TOP) as bench:
        [(level, message)] = await bench.notes(TOP_REF)
        assert level == "error"
        assert f"file:{tmp_path}/second.yaml (from {TOP_REF}) has the name" in message
        assert f"file:{tmp_path}/first.yaml (from {TOP_REF}) does not get it" in message
        bench.write("first.yaml", component("another"))
        await bench.refresh_all()
        assert await bench.notes(TOP_REF) == []


async def test_providers_that_claim_the_same_name_are_both_named_on_it(database: Database, tmp_path: Path) -> None:
    first, second = People("first"), People("second")
    async with running(database, tmp_path, providers=[first, second]) as bench:
        await first.connection.replace_all([person("ada", "k1")])
        await second.connection.apply_delta([person("ada", "k2"), person("eve", "k2")])
        await bench.settle()
        [(level, message)] = await bench.notes("user:default/ada")
        assert level == "warning"
        assert "k1 (from first) has the name, k2 (from second) does not get it" in message
        await second.connection.apply_delta([person("bob", "k2")])
        await bench.settle()
        assert await bench.notes("user:default/ada") != []
        await second.connection.apply_delta(removed=["user:default/ada"])
        await bench.settle()
        assert "status" not in await bench.entity("user:default/ada")
        await second.connection.replace_all([person("ada", "k2")])
        await bench.settle()
        assert await bench.notes("user:default/ada") != []
        await second.connection.replace_all([])
        await bench.settle()
        assert "status" not in await bench.entity("user:default/ada")


async def test_a_good_state_that_is_kept_says_since_when_however_the_errors_change(
    database: Database, tmp_path: Path
) -> None:
    (tmp_path / "top.yaml").write_text(location("top", "./a.yaml"))
    (tmp_path / "a.yaml").write_text(component("one"))
    async with running(database, tmp_path, locations=TOP) as bench:
        bench.write("a.yaml", component("one", lifecycle=""))
        await bench.refresh_all()
        [(_, message)] = await bench.notes("component:default/one")
        assert message.startswith("LastGoodState: kept at its last good state since 20")
        bench.write("a.yaml", component("one", lifecycle=3))
        await bench.refresh_all()
        assert await bench.notes("component:default/one") == [("error", message)]
        bench.write("a.yaml", component("one"))
        await bench.refresh_all()
        assert "status" not in await bench.entity("component:default/one")
        assert await rows_written(bench) == []


async def test_what_was_never_admitted_is_told_on_the_location_that_leads_to_it(
    database: Database, tmp_path: Path
) -> None:
    (tmp_path / "top.yaml").write_text(location("top", "./a.yaml"))
    (tmp_path / "a.yaml").write_text(component("one") + "\n---\n" + component("bad", lifecycle=""))
    async with running(database, tmp_path, locations=TOP) as bench:
        [item] = await bench.items(TOP_REF)
        assert item["level"] == "error"
        assert item["error"]["entityRef"] == "component:default/bad"
        assert (
            f"component:default/bad from file:{tmp_path}/a.yaml is not in the catalog: InputError: " in item["message"]
        )
        assert "/spec/lifecycle must NOT have fewer than 1 characters" in item["message"]
        bench.write("a.yaml", component("one"), component("bad"))
        await bench.refresh_all()
        assert "status" not in await bench.entity(TOP_REF)
        bench.write("a.yaml", component("one"), component("worse", lifecycle=""))
        await bench.refresh_all()
        assert len(await bench.notes(TOP_REF)) == 1
        bench.write("a.yaml", component("one"))
        await bench.refresh_all()
        assert "status" not in await bench.entity(TOP_REF)


async def test_of_many_children_that_were_never_admitted_twenty_are_told_and_the_rest_is_counted(
    database: Database, tmp_path: Path
) -> None:
    (tmp_path / "top.yaml").write_text(location("top", "./a.yaml"))
    bad = [component(f"bad-{number:03}", lifecycle="") for number in range(30)]
    (tmp_path / "a.yaml").write_text("\n---\n".join(bad))
    async with running(database, tmp_path, locations=TOP) as bench:
        notes = await bench.notes(TOP_REF)
    assert len(notes) == 21
    assert notes[-1] == ("error", "NotAdmitted: 10 entities of this location are not admitted, too")


async def test_keys_that_differ_in_case_keep_the_last_good_form_and_are_told_on_it(
    database: Database, tmp_path: Path
) -> None:
    (tmp_path / "top.yaml").write_text(location("top", "./a.yaml"))
    (tmp_path / "a.yaml").write_text(UNCASED)
    async with running(database, tmp_path, locations=TOP) as bench:
        before = await bench.entity("component:default/cased")
        bench.write("a.yaml", CASED)
        await bench.refresh_all()
        after = await bench.entity("component:default/cased")
        assert after["metadata"]["labels"] == {"tier": "a", "other": "b"}
        assert after["metadata"]["etag"] != before["metadata"]["etag"]
        error, kept = after["status"]["items"]
        assert "duplicate keys that vary only in casing, 'metadata.labels.Tier'" in error["message"]
        assert kept["message"].startswith("LastGoodState: kept at its last good state since 20")

        snapshot = await bench.snapshot(), await rows_written(bench)
        await bench.refresh_all()
        assert (await bench.snapshot(), await rows_written(bench)) == snapshot

        bench.write("a.yaml", UNCASED)
        await bench.refresh_all()
        assert await bench.entity("component:default/cased") == before
        assert await rows_written(bench) == []


async def test_an_entity_that_could_never_be_stitched_is_told_on_its_location(
    database: Database, tmp_path: Path
) -> None:
    (tmp_path / "top.yaml").write_text(location("top", "./a.yaml"))
    (tmp_path / "a.yaml").write_text(CASED)
    async with running(database, tmp_path, locations=TOP) as bench:
        assert await bench.names() == [TOP_REF]
        [(_, message)] = await bench.notes(TOP_REF)
        assert "component:default/cased" in message
        assert "vary only in casing" in message
        bench.write("a.yaml", UNCASED)
        await bench.refresh_all()
        assert "status" not in await bench.entity(TOP_REF)
        assert "status" not in await bench.entity("component:default/cased")
