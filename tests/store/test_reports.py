"""Reports by API: what owners of files are told, page by page, and what only those who may read it are told."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from httpx import AsyncClient
from tests.store.catalog_bench import Bench, PagesReader, component, location, running
from tests.store.catalog_web import Policy, serving

from understage.identity.credentials import Credentials
from understage.identity.permissions import Conditional, Permission, parse_criteria
from understage.platform.database import Database

REPORTS = "/understage/v1/reports"
TOP = [{"type": "file", "target": "top.yaml"}]


class LocationPolicy(Policy):
    """Allows all that is not about a resource."""

    async def is_allowed(
        self, permission: Permission, credentials: Credentials, resource_ref: str | None = None
    ) -> bool:
        return permission.resource_type is None


@dataclass
class Reporter:
    """A running catalog, and a client of its reports."""

    bench: Bench
    http: AsyncClient
    policy: Policy

    async def get(self, path: str, status: int = 200) -> Any:
        answer = await self.http.get(path)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def refs(self, query: str = "") -> list[str]:
        """The references of all reports, page by page."""
        found: list[str] = []
        cursor = ""
        while True:
            page = await self.get(f"{REPORTS}?{query}{cursor}")
            found += [report["entityRef"] for report in page["items"]]
            if "nextCursor" not in page["pageInfo"]:
                return found
            cursor = f"&cursor={page['pageInfo']['nextCursor']}"

    async def report(self, ref: str) -> dict[str, Any]:
        kind, _, name = ref.partition(":")
        report: dict[str, Any] = await self.get(f"{REPORTS}/by-entity/{kind}/{name}")
        return report


@asynccontextmanager
async def reporting(database: Database, folder: Path, policy: Policy | None = None) -> AsyncIterator[Reporter]:
    async with (
        running(database, folder, locations=TOP, reader=PagesReader()) as bench,
        serving(bench, policy) as catalog,
    ):
        yield Reporter(bench, catalog.http, catalog.policy)


def owned_by(ref: str) -> Conditional:
    rule = {"rule": "IS_ENTITY_OWNER", "resourceType": "catalog-entity", "params": {"claims": [ref]}}
    return Conditional("catalog", "catalog-entity", parse_criteria(rule))


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "top.yaml").write_text(
        location("top", "./a.yaml")
        + "\n---\n"
        + location("below", "./b.yaml")
        + "\n---\n"
        + location("gone", "./no.yaml")
    )
    (tmp_path / "a.yaml").write_text(component("good") + "\n---\n" + component("same", owner="team-b"))
    (tmp_path / "b.yaml").write_text(
        component("bad", owner="team-b", lifecycle="") + "\n---\n" + component("worse", type=3)
    )
    return tmp_path


async def test_a_report_tells_times_outcome_and_every_error_with_its_place(database: Database, files: Path) -> None:
    async with reporting(database, files) as reporter:
        good = await reporter.report("component:default/good")
        assert good["outcome"] == "ok"
        assert good["location"] == f"file:{files}/a.yaml"
        assert good["sources"] == ["location:default/top"]
        assert good["errors"] == good["conflicts"] == []
        assert good["lastReadAt"] < good["nextReadAt"]
        assert "failingSince" not in good

        bad = await reporter.report("component:default/bad")
        assert bad["outcome"] == "never-admitted"
        assert "keptSince" not in bad
        [error] = bad["errors"]
        assert (error["file"], error["line"]) == (f"file:{files}/b.yaml", 7)
        assert error["text"].strip().startswith("lifecycle:")
        assert "must NOT have fewer than 1 characters" in error["message"]

        gone = await reporter.report("location:default/gone")
        assert gone["outcome"] == "errors"
        assert "no.yaml does not exist" in gone["errors"][0]["message"]

        reporter.bench.write("a.yaml", component("good", lifecycle=""))
        await reporter.bench.refresh_all()
        good = await reporter.report("component:default/good")
        assert good["outcome"] == "errors"
        assert good["keptSince"] == good["failingSince"]
        await reporter.get(f"{REPORTS}/by-entity/component/default/nobody", 404)


async def test_each_broken_document_is_told_while_the_file_keeps_its_last_good_state(
    database: Database, files: Path
) -> None:
    async with reporting(database, files) as reporter:
        [top] = (await reporter.report("component:default/good"))["sources"]
        before = await reporter.bench.entity("component:default/good")
        changed = component("good", lifecycle="experimental")
        reporter.bench.write("a.yaml", 'a: "open\n', changed, "b: [1\n", component("new"), "just text\n")
        await reporter.bench.refresh_all()

        report = await reporter.report(top)
        assert report["outcome"] == "errors"
        text = (files / "a.yaml").read_text().split("\n")
        told = [(error["line"], error["column"], error["text"]) for error in report["errors"]]
        assert [(text[line - 1], column) for line, column, _ in told] == [("---", 1), ("---", 1), ("just text", 1)]
        assert [line for _, _, line in told] == ["---", "---", "just text"]
        assert ["YAML error at" in error["message"] for error in report["errors"]] == [True, True, False]
        # As in the stock backend, nothing of a broken file comes in, and nothing goes.
        assert (await reporter.bench.entity("component:default/good"))["spec"] == before["spec"]
        assert "component:default/new" not in await reporter.bench.entities()
        assert "component:default/same" in await reporter.bench.entities()


async def test_reports_are_paged_and_filtered(database: Database, files: Path) -> None:
    async with reporting(database, files) as reporter:
        everything = await reporter.refs()
        assert everything == sorted(everything)
        assert len(everything) == 8
        assert await reporter.refs("limit=1") == everything
        assert await reporter.refs("limit=3") == everything
        wrong = await reporter.refs("outcome=errors&outcome=never-admitted")
        assert wrong == ["component:default/bad", "component:default/worse", "location:default/gone"]
        assert await reporter.refs("outcome=ok&limit=2") == [ref for ref in everything if ref not in wrong]
        assert await reporter.refs(f"location=file:{files}/b.yaml") == wrong[:2]
        assert await reporter.refs("owner=team-b") == ["component:default/bad", "component:default/same"]
        assert await reporter.refs("owner=group:default/Team-A&limit=1") == [
            "component:default/good",
            "component:default/worse",
        ]
        assert await reporter.refs("below=location:default/below") == [*wrong[:2], "location:default/below"]
        for bad in ("limit=0", "cursor=%%%", "outcome=fine", "nothing=1", "owner="):
            await reporter.get(f"{REPORTS}?{bad}", 400)


async def test_a_conflict_names_both_claimants_on_both(database: Database, files: Path) -> None:
    async with reporting(database, files) as reporter:
        reporter.bench.write("b.yaml", component("same"))
        await reporter.bench.refresh_all()
        loser = await reporter.report("location:default/below")
        winner = await reporter.report("component:default/same")
        [lost], [held] = loser["conflicts"], winner["conflicts"]
        assert {**lost, "outcome": "held"} == held
        assert lost["holder"] == {"location": f"file:{files}/a.yaml", "source": "location:default/top"}
        assert lost["claimant"] == {"location": f"file:{files}/b.yaml", "source": "location:default/below"}
        assert (loser["outcome"], winner["outcome"]) == ("errors", "ok")
        assert "location:default/below" in await reporter.refs("outcome=errors")


async def test_locations_are_listed_with_their_provider_and_registration(database: Database, files: Path) -> None:
    async with reporting(database, files) as reporter:
        created = await reporter.bench.service.create_location("url", "https://example.com/missing.yaml")
        await reporter.bench.settle()
        page = await reporter.get("/understage/v1/locations")
        by_location = {item["location"]: item for item in page["items"]}
        configured = by_location[f"file:{files}/top.yaml"]
        assert (configured["id"], configured["sources"]) == (None, ["ConfigLocationProvider"])
        assert configured["outcome"] == "ok"
        registered = by_location["url:https://example.com/missing.yaml"]
        assert registered["id"] == created.location.id
        assert registered["outcome"] == "errors"
        assert "no matching files found" in registered["errors"][0]["message"]

        body = await reporter.get(f"/understage/v1/locations/{created.location.id}/report")
        assert body["report"]["errors"] == registered["errors"]
        assert body["summary"] == {"ok": 0, "errors": 1, "never-admitted": 0, "waiting": 0}
        assert [problem["entityRef"] for problem in body["problems"]] == [created.location.entity_ref]
        await reporter.get("/understage/v1/locations/nope/report", 404)


async def test_who_may_not_read_an_entity_is_not_told_of_it(database: Database, files: Path) -> None:
    async with reporting(database, files) as reporter:
        reporter.policy.decision = "DENY"
        assert await reporter.refs() == []
        assert (await reporter.get("/understage/v1/locations"))["items"] == []
        await reporter.get(f"{REPORTS}/by-entity/component/default/bad", 404)

        reporter.policy.decision = owned_by("group:default/team-b")
        # One is served, the other was never admitted: its owner is told all the same.
        assert await reporter.refs("limit=1") == ["component:default/bad", "component:default/same"]
        await reporter.get(f"{REPORTS}/by-entity/component/default/worse", 404)
        await reporter.get(f"{REPORTS}/by-entity/component/default/good", 404)


async def test_who_may_list_locations_only_sees_no_errors_of_theirs(database: Database, files: Path) -> None:
    async with reporting(database, files, LocationPolicy(owned_by("group:default/team-b"))) as reporter:
        created = await reporter.bench.service.create_location("url", "https://example.com/missing.yaml")
        await reporter.bench.settle()
        items = (await reporter.get("/understage/v1/locations"))["items"]
        assert {item["outcome"] for item in items} == {"ok", "errors"}
        assert all("errors" not in item and "conflicts" not in item for item in items)
        body = await reporter.get(f"/understage/v1/locations/{created.location.id}/report")
        assert "errors" not in body["report"]
        assert body["problems"] == []
        assert body["summary"] == {"ok": 0, "errors": 0, "never-admitted": 0, "waiting": 0}


async def test_entities_with_hostile_content_are_looked_at_without_harm(database: Database, files: Path) -> None:
    async with reporting(database, files, Policy(owned_by("group:default/team-b"))) as reporter:
        cased = component("cased", owner="team-b").replace("name: cased", "name: cased\n  labels: {a: x, A: y}")
        reporter.bench.write("b.yaml", cased, component("odd", owner=["team-b"]), component("void", owner="::"))
        await reporter.bench.refresh_all()
        await reporter.bench.engine.delete_orphans()
        refs = await reporter.refs("outcome=never-admitted")
        assert refs == ["component:default/cased"]
        assert "vary only in casing" in (await reporter.report(refs[0]))["errors"][0]["message"]


async def test_pending_entities_are_listed_by_owner_and_deleted(database: Database, files: Path) -> None:
    async with reporting(database, files) as reporter:
        assert await reporter.get("/entities/unprocessed/failed") == {"type": "failed", "entities": []}
        body = await reporter.get("/entities/unprocessed/pending")
        assert body["type"] == "pending"
        bad, worse = body["entities"]
        assert (bad["entity_ref"], worse["entity_ref"]) == ("component:default/bad", "component:default/worse")
        assert bad["unprocessed_entity"]["spec"]["owner"] == "team-b"
        assert bad["errors"][0]["line"] == 7
        assert bad["location_key"] == f"file:{files}/b.yaml"
        for other in ("Team-B", "team", "group:default/team-b", "%25"):
            assert (await reporter.get(f"/entities/unprocessed/pending?owner={other}"))["entities"] == []
        owned = await reporter.get("/entities/unprocessed/pending?owner=team-b")
        assert [row["entity_ref"] for row in owned["entities"]] == ["component:default/bad"]

        reporter.bench.write("b.yaml", component("worse", type=3))
        await reporter.bench.refresh_all()
        answer = await reporter.http.delete(f"/entities/unprocessed/delete/{bad['entity_id']}")
        assert (answer.status_code, answer.content) == (204, b"")
        left = await reporter.get("/entities/unprocessed/pending")
        assert [row["entity_ref"] for row in left["entities"]] == ["component:default/worse"]


async def test_pending_entities_are_for_those_with_the_permission(database: Database, files: Path) -> None:
    async with reporting(database, files, Policy("DENY")) as reporter:
        for path in ("failed", "pending", "pending?owner=team-b"):
            body = await reporter.get(f"/entities/unprocessed/{path}", 403)
            assert body["error"] == {"name": "NotAllowedError", "message": "Unauthorized"}
        answer = await reporter.http.delete("/entities/unprocessed/delete/x")
        assert answer.status_code == 403
        assert answer.json()["error"]["message"] == "Unauthorized"
