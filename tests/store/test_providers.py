"""Entity providers: what their mutations change, who may take whose names, and what is left when they go."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from tests.store.catalog_bench import component, running

from understage.errors import InputError
from understage.platform.database import Database
from understage.platform.event_bus import Event
from understage.sdk import ProvidedEntity, ProviderConnection


class People:
    """A provider that a test holds by hand."""

    connection: ProviderConnection

    def __init__(self, name: str = "people") -> None:
        self.name = name

    async def connect(self, connection: ProviderConnection) -> None:
        self.connection = connection


def person(name: str, key: str | None = "k", *, place: str = "test:people", **spec: Any) -> ProvidedEntity:
    marks = {"backstage.io/managed-by-location": place, "backstage.io/managed-by-origin-location": place}
    entity = {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "User",
        "metadata": {"name": name, "annotations": marks},
        "spec": {"memberOf": [], **spec},
    }
    return ProvidedEntity(entity, key)


def place(target: Path, key: str = "k") -> ProvidedEntity:
    mark = f"file:{target}"
    marks = {"backstage.io/managed-by-location": mark, "backstage.io/managed-by-origin-location": mark}
    entity = {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Location",
        "metadata": {"name": target.stem, "annotations": marks},
        "spec": {"type": "file", "target": str(target)},
    }
    return ProvidedEntity(entity, key)


async def test_a_full_mutation_adds_changes_and_removes(database: Database, tmp_path: Path) -> None:
    people = People()
    async with running(database, tmp_path, providers=[people]) as bench:
        await people.connection.replace_all([person("ada"), person("bob"), person("eve")])
        await bench.settle()
        before = await bench.entities()
        assert await bench.names() == ["user:default/ada", "user:default/bob", "user:default/eve"]
        snapshot = await bench.snapshot()
        await people.connection.replace_all([person("ada"), person("bob"), person("eve")])
        await bench.settle()
        assert await bench.snapshot() == snapshot
        await people.connection.replace_all([person("ada"), person("bob", memberOf=["core"]), person("new")])
        assert "user:default/eve" not in await bench.entities()
        await bench.settle()
        after = await bench.entities()
        assert sorted(after) == ["user:default/ada", "user:default/bob", "user:default/new"]
        assert after["user:default/ada"] == before["user:default/ada"]
        assert after["user:default/bob"]["metadata"]["uid"] == before["user:default/bob"]["metadata"]["uid"]
        assert await bench.relations("user:default/bob") == [("memberOf", "group:default/core")]


async def test_a_delta_touches_only_what_it_names(database: Database, tmp_path: Path) -> None:
    people = People()
    async with running(database, tmp_path, providers=[people]) as bench:
        await people.connection.replace_all([person("ada"), person("bob")])
        await people.connection.apply_delta([person("eve")], ["user:default/bob", "user:default/unknown"])
        await bench.settle()
        assert await bench.names() == ["user:default/ada", "user:default/eve"]


async def test_a_provider_sees_what_it_gives_and_nothing_else(database: Database, tmp_path: Path) -> None:
    people, others = People(), People("others")
    async with running(database, tmp_path, providers=[people, others]) as bench:
        given = [person("ada"), person("bob", None)]
        await people.connection.replace_all(given)
        await others.connection.replace_all([person("eve"), person("ada", "other")])
        await bench.settle()
        assert await people.connection.list_given() == given
        await people.connection.apply_delta([person("new")], ["user:default/ada"])
        names = [provided.entity["metadata"]["name"] for provided in await people.connection.list_given()]
        assert names == ["bob", "new"]


async def test_a_bad_envelope_stops_the_whole_mutation(database: Database, tmp_path: Path) -> None:
    people = People()
    async with running(database, tmp_path, providers=[people]) as bench:
        bad = ProvidedEntity({"kind": "User", "metadata": {"name": "x"}})
        with pytest.raises(
            InputError, match="Malformed entity envelope, <root> must have required property 'apiVersion'"
        ):
            await people.connection.apply_delta([person("ada"), bad])
        await bench.settle()
        assert await bench.entities() == {}


async def test_another_location_key_makes_it_another_entity(database: Database, tmp_path: Path) -> None:
    people = People()
    async with running(database, tmp_path, providers=[people]) as bench:
        await people.connection.replace_all([person("ada", "k1")])
        await bench.settle()
        before = (await bench.entity("user:default/ada"))["metadata"]["uid"]
        await people.connection.replace_all([person("ada", "k2")])
        await bench.settle()
        assert (await bench.entity("user:default/ada"))["metadata"]["uid"] != before


async def test_the_first_provider_keeps_the_name_until_it_lets_go(database: Database, tmp_path: Path) -> None:
    first, second = People("first"), People("second")
    async with running(database, tmp_path, providers=[first, second]) as bench:
        await first.connection.replace_all([person("ada", "k1", memberOf=["one"])])
        await second.connection.replace_all([person("ada", "k2", memberOf=["two"])])
        await bench.settle()
        served = await bench.entity("user:default/ada")
        assert served["spec"]["memberOf"] == ["one"]
        assert await bench.errors("user:default/ada") == []
        # The second cannot remove what is not its own.
        await second.connection.replace_all([])
        assert "user:default/ada" in await bench.entities()
        await first.connection.replace_all([])
        await second.connection.replace_all([person("ada", "k2", memberOf=["two"])])
        await bench.settle()
        assert (await bench.entity("user:default/ada"))["spec"]["memberOf"] == ["two"]


async def test_the_same_key_is_a_co_owner_who_takes_over(database: Database, tmp_path: Path) -> None:
    first, second = People("first"), People("second")
    async with running(database, tmp_path, providers=[first, second]) as bench:
        await first.connection.replace_all([person("ada", memberOf=["one"])])
        await second.connection.replace_all([person("ada", memberOf=["two"])])
        await first.connection.replace_all([])
        await bench.settle()
        assert (await bench.entity("user:default/ada"))["spec"]["memberOf"] == ["two"]


async def test_a_name_without_key_can_be_taken(database: Database, tmp_path: Path) -> None:
    first, second = People("first"), People("second")
    async with running(database, tmp_path, providers=[first, second]) as bench:
        await first.connection.apply_delta([person("ada", None, memberOf=["one"])])
        await bench.settle()
        await second.connection.replace_all([person("ada", "k", memberOf=["two"])])
        await bench.settle()
        assert (await bench.entity("user:default/ada"))["spec"]["memberOf"] == ["two"]


async def test_removal_goes_down_but_spares_what_another_root_leads_to(database: Database, tmp_path: Path) -> None:
    people = People()
    a = bench_file(tmp_path, "a.yaml", component("only-a"))
    shared = bench_file(tmp_path, "b.yaml", component("only-b"))
    async with running(database, tmp_path, providers=[people]) as bench:
        await people.connection.replace_all([place(a), place(shared)])
        await bench.settle()
        assert {"component:default/only-a", "component:default/only-b"} <= set(await bench.entities())
        await people.connection.apply_delta([], ["location:default/a"])
        assert sorted(await bench.entities()) == ["component:default/only-b", "location:default/b"]


def bench_file(folder: Path, name: str, content: str) -> Path:
    path = folder / name
    path.write_text(content)
    return path


@pytest.mark.parametrize(("strategy", "left"), [("delete", []), ("keep", ["user:default/ada"])])
async def test_what_an_uninstalled_provider_gave(
    database: Database, tmp_path: Path, strategy: str, left: list[str]
) -> None:
    people = People()
    async with running(database, tmp_path, providers=[people]) as bench:
        await people.connection.replace_all([person("ada")])
        await bench.settle()
    async with running(database, tmp_path, orphanProviderStrategy=strategy) as bench:
        assert await bench.names() == left


async def test_a_provider_that_fails_to_connect_does_not_stop_the_others(
    sqlite_database: Database, tmp_path: Path
) -> None:
    class Broken(People):
        async def connect(self, connection: ProviderConnection) -> None:
            raise RuntimeError("no network")

    (tmp_path / "a.yaml").write_text(component("one"))
    locations = [{"type": "file", "target": "a.yaml"}]
    async with running(sqlite_database, tmp_path, locations=locations, providers=[Broken("broken")]) as bench:
        assert await bench.names() == ["component:default/one"]


async def test_a_disabled_provider_is_not_connected(sqlite_database: Database, tmp_path: Path) -> None:
    people = People()
    options = {"people": {"disabled": True}}
    async with running(sqlite_database, tmp_path, providers=[people], providerOptions=options):
        assert not hasattr(people, "connection")


async def test_two_providers_of_one_name_stop_the_start(sqlite_database: Database, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="two entity providers have the name people"):
        async with running(sqlite_database, tmp_path, providers=[People(), People()]):
            pass


async def test_entities_of_a_provider_need_their_places(database: Database, tmp_path: Path) -> None:
    people = People()
    async with running(database, tmp_path, providers=[people]) as bench:
        entity = {**person("ada").entity, "metadata": {"name": "ada"}}
        await people.connection.replace_all([ProvidedEntity(entity)])
        await bench.settle()
        assert await bench.entities() == {}
        async with database.read() as connection:
            [errors] = (await connection.execute(text("SELECT errors FROM refresh_state"))).scalars()
    assert "Entity 'user:default/ada' does not have the annotation backstage.io/managed-by-location" in errors


class Listener(People):
    """A provider that wants to be told of pushes."""

    topics = ("github.push",)

    async def on_event(self, topic: str, payload: Mapping[str, Any], metadata: Mapping[str, str]) -> None:
        await self.connection.apply_delta([person(payload["pusher"])])


async def test_a_provider_that_subscribes_to_events_is_told_of_them(sqlite_database: Database, tmp_path: Path) -> None:
    async with running(sqlite_database, tmp_path, providers=[People(), Listener("listener")]) as bench:
        assert await bench.engine.events.publish(Event("github.push", {"pusher": "ada"}))
        assert await bench.engine.events.publish(Event("github.team", {"pusher": "bob"}))
        await bench.settle()
        assert await bench.names() == ["user:default/ada"]
