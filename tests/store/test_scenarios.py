"""From file to served entity: what an owner sees when files come, change, break and go."""

import asyncio
from pathlib import Path

import pytest
from tests.store.catalog_bench import PagesReader, component, location, running

from understage.catalog.engine import CatalogEngine
from understage.config.catalog_settings import CatalogSettings
from understage.platform.database import Database

ALL = {"type": "file", "target": "*.yaml"}


async def test_entities_of_a_file_are_served_with_relations_uid_and_etag(database: Database, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(component("one", providesApis=["b", "a"]) + "\n---\n" + component("two"))
    async with running(database, tmp_path, locations=[ALL]) as bench:
        assert await bench.names() == ["component:default/one", "component:default/two"]
        entity = await bench.entity("component:default/one")
    assert entity["metadata"]["namespace"] == "default"
    assert entity["metadata"]["uid"]
    assert entity["metadata"]["etag"]
    assert entity["metadata"]["annotations"] == {
        "backstage.io/managed-by-location": f"file:{tmp_path}/a.yaml",
        "backstage.io/managed-by-origin-location": f"file:{tmp_path}/*.yaml",
    }
    assert entity["spec"]["providesApis"] == ["a", "b"]
    assert entity["relations"] == [
        {"type": "ownedBy", "targetRef": "group:default/team-a"},
        {"type": "providesApi", "targetRef": "api:default/a"},
        {"type": "providesApi", "targetRef": "api:default/b"},
    ]
    assert "status" not in entity


async def test_a_broken_document_leaves_the_whole_file_as_it_was_and_says_where(
    database: Database, tmp_path: Path
) -> None:
    async with running(database, tmp_path) as bench:
        bench.write("top.yaml", location("top", "./a.yaml"))
        bench.write("a.yaml", component("one"), component("two"))
    locations = [{"type": "file", "target": "top.yaml"}]
    async with running(database, tmp_path, locations=locations) as bench:
        assert await bench.names() == ["component:default/one", "component:default/two", "location:default/top"]
        bench.write("a.yaml", component("one", type="library"), "kind: [unclosed", component("three"))
        await bench.refresh_all()
        assert await bench.names() == ["component:default/one", "component:default/two", "location:default/top"]
        assert (await bench.entity("component:default/one"))["spec"]["type"] == "service"
        item, kept = await bench.items("location:default/top")
        assert kept["error"]["name"] == "LastGoodState"
        assert item["message"].startswith(f"Error: YAML error at file:{tmp_path}/a.yaml:")
        assert item["error"]["file"] == f"file:{tmp_path}/a.yaml"
        assert item["error"]["line"] >= 11
        bench.write("a.yaml", component("one", type="library"), component("three"))
        await bench.refresh_all()
        assert await bench.errors("location:default/top") == []
        assert (await bench.entity("component:default/one"))["spec"]["type"] == "library"
        assert "component:default/three" in await bench.names()


async def test_a_document_that_is_no_entity_is_named_with_its_line(database: Database, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(component("one") + "\n---\njust text\n---\nkind: Component\n")
    async with running(database, tmp_path, locations=[ALL]) as bench:
        assert await bench.names() == []
        [generated] = await bench.entities()
        first, second = await bench.errors(generated)
    assert first == f"Error: Expected object at root, got string, at file:{tmp_path}/a.yaml:10:1"
    assert second.startswith("TypeError: <root> must have required property 'apiVersion' - missingProperty: apiVersion")


async def test_an_invalid_entity_keeps_its_last_good_form_and_its_siblings_go_on(
    database: Database, tmp_path: Path
) -> None:
    (tmp_path / "a.yaml").write_text(component("one") + "\n---\n" + component("two"))
    async with running(database, tmp_path, locations=[ALL]) as bench:
        before = await bench.entity("component:default/one")
        bench.write(
            "a.yaml", component("one", lifecycle=""), component("two", type="library"), component("bad", owner=3)
        )
        await bench.refresh_all()
        broken = await bench.entity("component:default/one")
        assert broken["spec"] == before["spec"]
        assert broken["relations"] == before["relations"]
        assert broken["metadata"]["etag"] != before["metadata"]["etag"]
        item, kept = broken["status"]["items"]
        assert kept["error"]["name"] == "LastGoodState"
        assert item["level"] == "error"
        assert item["message"].startswith(
            "InputError: Processor BuiltinKindsEntityProcessor threw an error while validating the entity "
            "component:default/one; caused by TypeError: /spec/lifecycle must NOT have fewer than 1 characters"
        )
        assert item["error"]["cause"]["name"] == "TypeError"
        assert (await bench.entity("component:default/two"))["spec"]["type"] == "library"
        assert "component:default/bad" not in await bench.names()
        bench.write("a.yaml", component("one"), component("two"))
        await bench.refresh_all()
        assert await bench.entity("component:default/one") == before


async def test_what_was_never_valid_is_not_served(database: Database, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(component("Bad Name"))
    async with running(database, tmp_path, locations=[ALL]) as bench:
        assert await bench.names() == []
        assert await bench.engine.is_idle()


async def test_reading_unchanged_files_again_writes_nothing(database: Database, tmp_path: Path) -> None:
    bench_files = location("top", "./a.yaml")
    (tmp_path / "top.yaml").write_text(bench_files)
    (tmp_path / "a.yaml").write_text(component("one", system="s") + "\n---\n" + component("two", dependsOn=["one:x"]))
    async with running(database, tmp_path, locations=[{"type": "file", "target": "top.yaml"}]) as bench:
        before = await bench.snapshot()
        await bench.refresh_all()
        assert await bench.snapshot() == before


async def test_a_renamed_entity_appears_and_the_old_one_becomes_an_orphan_and_goes(
    database: Database, tmp_path: Path
) -> None:
    (tmp_path / "a.yaml").write_text(component("old", dependsOn=["component:friend"]) + "\n---\n" + component("friend"))
    async with running(database, tmp_path, locations=[ALL]) as bench:
        assert ("dependencyOf", "component:default/old") in await bench.relations("component:default/friend")
        bench.write("a.yaml", component("new"), component("friend"))
        await bench.refresh_all()
        assert await bench.names() == ["component:default/friend", "component:default/new", "component:default/old"]
        annotations = (await bench.entity("component:default/old"))["metadata"]["annotations"]
        assert annotations["backstage.io/orphan"] == "true"
        assert await bench.engine.delete_orphans() == 1
        await bench.settle()
        assert await bench.names() == ["component:default/friend", "component:default/new"]
        assert await bench.relations("component:default/friend") == [("ownedBy", "group:default/team-a")]


async def test_an_orphan_that_comes_back_loses_its_mark_and_keeps_its_uid(database: Database, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(component("one"))
    async with running(database, tmp_path, locations=[ALL], orphanStrategy="keep") as bench:
        before = await bench.entity("component:default/one")
        bench.write("a.yaml", "")
        await bench.refresh_all()
        assert "backstage.io/orphan" in (await bench.entity("component:default/one"))["metadata"]["annotations"]
        bench.write("a.yaml", component("one"))
        await bench.refresh_all()
        assert await bench.entity("component:default/one") == before


async def test_orphans_take_with_them_what_only_they_led_to(database: Database, tmp_path: Path) -> None:
    async with running(database, tmp_path, locations=[{"type": "file", "target": "top.yaml"}]) as bench:
        bench.write("top.yaml", location("middle", "./sub/leaf.yaml"))
        bench.write("sub/leaf.yaml", component("leaf"))
        await bench.refresh_all()
        assert await bench.names() == ["component:default/leaf", "location:default/middle"]
        bench.write("top.yaml", component("other"))
        await bench.refresh_all()
        assert await bench.engine.delete_orphans() == 2
        assert await bench.names() == ["component:default/other"]


async def test_a_missing_file_leaves_its_entities_and_says_so(database: Database, tmp_path: Path) -> None:
    (tmp_path / "top.yaml").write_text(location("top", "./a.yaml"))
    (tmp_path / "a.yaml").write_text(component("one"))
    async with running(database, tmp_path, locations=[{"type": "file", "target": "top.yaml"}]) as bench:
        (tmp_path / "a.yaml").unlink()
        await bench.refresh_all()
        assert "component:default/one" in await bench.names()
        assert await bench.errors("location:default/top") == [
            f"NotFoundError: file {tmp_path}/a.yaml does not exist, at file:{tmp_path}/top.yaml:6:13"
        ]


async def test_an_optional_file_may_be_missing(database: Database, tmp_path: Path) -> None:
    (tmp_path / "top.yaml").write_text(location("top", "./a.yaml", presence="optional"))
    async with running(database, tmp_path, locations=[{"type": "file", "target": "top.yaml"}]) as bench:
        assert await bench.errors("location:default/top") == []


async def test_the_entities_of_an_optional_file_that_vanishes_become_orphans(
    database: Database, tmp_path: Path
) -> None:
    (tmp_path / "top.yaml").write_text(location("top", "./a.yaml", presence="optional"))
    (tmp_path / "a.yaml").write_text(component("one"))
    async with running(
        database, tmp_path, locations=[{"type": "file", "target": "top.yaml"}], orphanStrategy="keep"
    ) as bench:
        (tmp_path / "a.yaml").unlink()
        await bench.refresh_all()
        assert await bench.errors("location:default/top") == []
        annotations = (await bench.entity("component:default/one"))["metadata"]["annotations"]
        assert annotations["backstage.io/orphan"] == "true"


async def test_the_etag_changes_with_what_is_served_and_only_then(database: Database, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(component("one"))
    async with running(database, tmp_path, locations=[ALL], orphanStrategy="keep") as bench:

        async def etag() -> str:
            return str((await bench.entity("component:default/one"))["metadata"]["etag"])

        seen = [await etag()]
        await bench.refresh_all()
        assert await etag() == seen[0]
        bench.write("b.yaml", component("two", dependsOn=["component:one"]))
        await bench.refresh_all()
        seen.append(await etag())
        bench.write("a.yaml", component("one", type=3))
        await bench.refresh_all()
        seen.append(await etag())
        bench.write("a.yaml", "")
        await bench.refresh_all()
        seen.append(await etag())
        assert len(set(seen)) == 4, "as it was, with a relation more, with an error, as an orphan"


async def test_a_location_that_never_could_be_read_is_served_with_what_is_wrong(
    database: Database, tmp_path: Path
) -> None:
    (tmp_path / "top.yaml").write_text(location("top", "./nowhere.yaml"))
    async with running(database, tmp_path, locations=[{"type": "file", "target": "top.yaml"}]) as bench:
        assert await bench.errors("location:default/top") == [
            f"NotFoundError: file {tmp_path}/nowhere.yaml does not exist, at file:{tmp_path}/top.yaml:6:13"
        ]


GROUP = "apiVersion: backstage.io/v1alpha1\nkind: Group\nmetadata: {name: team-a}\nspec: {type: team, children: []}"


async def test_a_kind_that_no_rule_allows_stops_the_file_and_is_named(database: Database, tmp_path: Path) -> None:
    (tmp_path / "top.yaml").write_text(location("top", "./a.yaml"))
    (tmp_path / "a.yaml").write_text(component("one") + "\n---\n" + GROUP)
    here = {"type": "file", "target": "top.yaml"}
    async with running(database, tmp_path, locations=[here]) as bench:
        assert await bench.names() == ["location:default/top"]
        assert await bench.errors("location:default/top") == [
            f"NotAllowedError: Entity group:default/team-a at file:{tmp_path}/a.yaml, originated at "
            f"file:{tmp_path}/top.yaml, is not of an allowed kind for that location, at file:{tmp_path}/a.yaml:11:7"
        ]
    async with running(database, tmp_path, locations=[{**here, "rules": [{"allow": ["Group"]}]}]) as bench:
        await bench.refresh_all()
        assert await bench.names() == ["component:default/one", "group:default/team-a", "location:default/top"]
        # The group answers the relation that the component had all the time.
        assert await bench.relations("group:default/team-a") == [("ownerOf", "component:default/one")]


async def test_the_first_place_keeps_a_name_until_it_gives_it_up(database: Database, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(component("same", type="first"))
    (tmp_path / "b.yaml").write_text(component("same", type="second"))
    a, b = {"type": "file", "target": "a.yaml"}, {"type": "file", "target": "b.yaml"}
    async with running(database, tmp_path, locations=[a]):
        pass
    async with running(database, tmp_path, locations=[a, b]) as bench:
        await bench.refresh_all()
        first = await bench.entity("component:default/same")
        assert first["spec"]["type"] == "first"
        assert await bench.errors("component:default/same") == []
        bench.write("a.yaml", component("different"))
        await bench.refresh_all()
        assert await bench.engine.delete_orphans() == 1
        await bench.refresh_all()
        assert (await bench.entity("component:default/same"))["spec"]["type"] == "second"


async def test_locations_in_a_circle_are_read_once_and_go_with_their_root(database: Database, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(location("a", "./b.yaml"))
    (tmp_path / "b.yaml").write_text(location("b", "./a.yaml") + "\n---\n" + component("inside"))
    async with running(database, tmp_path, locations=[{"type": "file", "target": "a.yaml"}]) as bench:
        assert await bench.names() == ["component:default/inside", "location:default/a", "location:default/b"]
        before = await bench.snapshot()
        await bench.refresh_all()
        assert await bench.snapshot() == before
    async with running(database, tmp_path) as bench:
        assert await bench.entities() == {}


async def test_a_configured_location_that_is_removed_takes_its_entities_at_once(
    database: Database, tmp_path: Path
) -> None:
    (tmp_path / "a.yaml").write_text(component("a", dependsOn=["component:b"]))
    (tmp_path / "b.yaml").write_text(component("b"))
    a, b = {"type": "file", "target": "a.yaml"}, {"type": "file", "target": "b.yaml"}
    async with running(database, tmp_path, locations=[a, b]) as bench:
        assert len(await bench.relations("component:default/b")) == 2
    async with running(database, tmp_path, locations=[b]) as bench:
        assert await bench.names() == ["component:default/b"]
        assert await bench.relations("component:default/b") == [("ownedBy", "group:default/team-a")]


async def test_keys_that_differ_only_in_case_keep_the_entity_out_and_the_rest_goes_on(
    database: Database, tmp_path: Path
) -> None:
    (tmp_path / "a.yaml").write_text(component("twice", foo=1, Foo=2) + "\n---\n" + component("fine"))
    async with running(database, tmp_path, locations=[ALL]) as bench:
        assert await bench.names() == ["component:default/fine"]


async def test_links_that_a_browser_would_run_are_replaced(database: Database, tmp_path: Path) -> None:
    text = component("one").replace(
        "  name: one", '  name: one\n  annotations: {backstage.io/view-url: "java\\tscript:alert(1)"}'
    )
    (tmp_path / "a.yaml").write_text(text)
    async with running(database, tmp_path, locations=[ALL]) as bench:
        annotations = (await bench.entity("component:default/one"))["metadata"]["annotations"]
    assert annotations["backstage.io/view-url"] == "https://backstage.io/annotation-rejected-for-security-reasons"


async def test_the_uid_is_ours_and_the_etag_the_owners(database: Database, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(component("one").replace("  name: one", "  name: one\n  uid: mine\n  etag: mine"))
    async with running(database, tmp_path, locations=[ALL]) as bench:
        metadata = (await bench.entity("component:default/one"))["metadata"]
    assert metadata["uid"] != "mine"
    assert metadata["etag"] == "mine"


async def test_a_nul_character_fails_its_entity_alone(database: Database, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(component("one") + "\n---\n" + component("odd", owner="a\0b", note="x\0y"))
    async with running(database, tmp_path, locations=[ALL]) as bench:
        assert await bench.names() == ["component:default/one"]
        bench.write("a.yaml", component("one"), component("odd", **{"note": "x\0y", '"k\\0ey"': "z"}))
        await bench.refresh_all()
        assert (await bench.entity("component:default/odd"))["spec"]["note"] == "x\0y"


async def test_processing_that_is_switched_off_serves_what_is_there(database: Database, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(component("one"))
    async with running(database, tmp_path, locations=[ALL]):
        pass
    (tmp_path / "a.yaml").write_text(component("one", type="library"))
    async with running(database, tmp_path, locations=[ALL], processingInterval=False) as bench:
        assert (await bench.entity("component:default/one"))["spec"]["type"] == "service"


async def test_placeholders_are_read_beside_the_file_and_not_outside_of_its_tree(
    database: Database, tmp_path: Path
) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tmp_path / "secret.txt").write_text("secret")
    (tree / "api.yml").write_text("openapi: 3.0.0\n")
    (tree / "data.json").write_text('{"a": [1, 2.5]}')
    (tree / "link.txt").symlink_to(tmp_path / "secret.txt")
    (tree / "c.yaml").write_text(
        component("one", text={"$text": "./api.yml"}, parsed={"$yaml": "api.yml"}, data=[{"$json": "data.json"}])
        + "\n---\n"
        + component("kept", two={"$text": "a", "b": "c"}, unknown={"$other": "x"})
        + "\n---\n"
        + component("outside", x={"$text": "../secret.txt"})
        + "\n---\n"
        + component("linked", x={"$text": "./link.txt"})
        + "\n---\n"
        + component("missing", x={"$text": "./gone.txt"})
    )
    async with running(database, tree, locations=[ALL]) as bench:
        spec = (await bench.entity("component:default/one"))["spec"]
        assert spec["text"] == "openapi: 3.0.0\n"
        assert spec["parsed"] == {"openapi": "3.0.0"}
        assert spec["data"] == [{"a": [1, 2.5]}]
        kept = (await bench.entity("component:default/kept"))["spec"]
        assert kept["two"] == {"$text": "a", "b": "c"}
        assert kept["unknown"] == {"$other": "x"}
        assert await bench.names() == ["component:default/kept", "component:default/one"]
        (tree / "api.yml").write_text("changed")
        assert await bench.service.refresh_by_keys([f"file:{tree}/api.yml"]) == 1
        await bench.settle()
        assert (await bench.entity("component:default/one"))["spec"]["text"] == "changed"


@pytest.mark.parametrize("seconds", [0, 0.02, 0.06, 0.12, 0.3])
async def test_a_restart_in_the_middle_loses_nothing(database: Database, tmp_path: Path, seconds: float) -> None:
    (tmp_path / "a.yaml").write_text("\n---\n".join(component(f"c{number}") for number in range(300)))
    settings = CatalogSettings.model_validate({"locations": [ALL]})
    engine = CatalogEngine(database, settings, PagesReader(), folder=tmp_path, providers=[])
    await engine.start()
    await asyncio.sleep(seconds)
    await engine.stop()
    async with running(database, tmp_path, locations=[ALL]) as bench:
        assert len(await bench.names()) == 300
