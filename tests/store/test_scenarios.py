"""From file to served entity: what an owner sees when files come, change, break and go."""

from pathlib import Path

from tests.store.catalog_bench import component, running

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
