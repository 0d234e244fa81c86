"""What the catalog tells of itself on the event bus: errors of entities, and names that two places claim."""

from pathlib import Path

from tests.store.catalog_bench import component, running

from understage.platform.database import Database
from understage.platform.event_bus import Event

ERRORS, CONFLICT = "experimental.catalog.errors", "experimental.catalog.conflict"


async def test_errors_and_conflicts_are_told_after_they_are_stored(database: Database, tmp_path: Path) -> None:
    heard: list[Event] = []

    async def hear(event: Event) -> None:
        heard.append(event)

    async with running(database, tmp_path) as bench:
        bench.engine.events.subscribe([ERRORS, CONFLICT], hear)
        for name in ("a", "b"):
            bench.reader.pages[f"https://example.com/{name}.yaml"] = component("one", owner=name)
        bench.reader.pages["https://example.com/bad.yaml"] = component("two", type="")
        await bench.service.create_location("url", "https://example.com/a.yaml")
        await bench.settle()
        assert heard == []
        await bench.service.create_location("url", "https://example.com/b.yaml")
        await bench.service.create_location("url", "https://example.com/bad.yaml")
        await bench.settle()
        while len(heard) < 2:
            await bench.settle()
    [conflict] = [event.payload for event in heard if event.topic == CONFLICT]
    assert conflict["lastConflictAt"][:2] == "20"
    assert conflict["unprocessedEntity"]["spec"]["owner"] == "b"
    del conflict["unprocessedEntity"], conflict["lastConflictAt"]
    assert conflict == {
        "entityRef": "component:default/one",
        "newLocationKey": "url:https://example.com/b.yaml",
        "existingLocationKey": "url:https://example.com/a.yaml",
    }
    errors = [event.payload for event in heard if event.topic == ERRORS]
    assert {(payload["entity"], payload["location"]) for payload in errors} == {
        ("component:default/two", "url:https://example.com/bad.yaml")
    }
    assert "/spec/type must NOT have fewer than 1 characters" in str(errors[0]["errors"])
    assert errors[0]["errors"][0]["name"] == "InputError"
