"""Facets are kept while nothing that is served changes, and not a moment longer."""

from pathlib import Path

from tests.store.catalog_bench import component, running
from tests.store.plan_shapes import recorded

from understage.catalog.predicate import equals
from understage.catalog.query.facets import FacetCounter
from understage.platform.database import Database

LOCATIONS = [{"type": "file", "target": "a.yaml"}]
KINDS = equals("kind", "component")


async def test_a_change_is_seen_at_once(database: Database, tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(component("one", type="service"))
    counter = FacetCounter()
    async with running(database, tmp_path, locations=LOCATIONS) as bench:

        async def types() -> list[tuple[str, int]]:
            async with database.read() as connection:
                return (await counter.count(connection, ["spec.type"], KINDS))["spec.type"]

        assert await types() == [("service", 1)]
        with recorded() as statements:
            assert await types() == [("service", 1)]
        assert not [statement for statement, _ in statements if "original_value" in statement]
        file.write_text("\n---\n".join([component("one", type="service"), component("two", type="Website")]))
        await bench.refresh_all()
        await bench.settle()
        assert await types() == [("Website", 1), ("service", 1)]
        file.write_text(component("two", type="Website"))
        await bench.refresh_all()
        await bench.settle()
        await bench.engine.delete_orphans()
        await bench.settle()
        assert await types() == [("Website", 1)]


async def test_values_that_differ_in_case_are_told_apart_in_binary_order(database: Database, tmp_path: Path) -> None:
    names = {"a": "Zeta", "b": "alpha", "c": "zeta", "d": "Äther", "e": "zeta"}
    (tmp_path / "a.yaml").write_text("\n---\n".join(component(name, type=type_) for name, type_ in names.items()))
    async with running(database, tmp_path, locations=LOCATIONS):
        async with database.read() as connection:
            facets = await FacetCounter().count(connection, ["spec.type", "nope"], KINDS)
        assert facets == {"spec.type": [("Zeta", 1), ("alpha", 1), ("zeta", 2), ("Äther", 1)], "nope": []}
