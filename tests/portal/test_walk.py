"""A walk through `understage up` in a real browser: the stock page over the real catalog and the shipped entities."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from tests.portal.pages import Portal
from tests.portal.service import run_understage


@pytest.fixture(scope="module")
def understage_url(portal_build: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with run_understage(tmp_path_factory.mktemp("understage")) as url:
        yield url


@pytest.fixture
def walk(page: Page, understage_url: str) -> Portal:
    portal = Portal(page, understage_url)
    portal.sign_in()
    return portal


def test_the_catalog_shows_the_shipped_entities(walk: Portal) -> None:
    catalog = walk.catalog()
    catalog.show("All")
    expect(catalog.row("Understage")).to_contain_text("Developer portal")

    catalog.search("base-serv")
    expect(catalog.names).to_have_text(["base-service"])
    catalog.search("")
    catalog.narrow("Owner", "Platform")
    catalog.select("Type", "website")
    expect(catalog.names).to_have_text(["Portal"])
    # The type stays chosen: there are templates of it, too.
    catalog.select("Kind", "template")
    expect(catalog.row("New website")).to_be_visible()
    assert walk.problems == []


def test_an_entity_shows_its_relations_and_is_refreshed(walk: Portal) -> None:
    entity = walk.entity("component", "understage")

    expect(entity.title).to_have_text("Understage")
    expect(entity.about.get_by_role("link", name="Platform")).to_be_visible()
    expect(entity.card("Provided APIs").get_by_role("row")).to_have_count(3)
    expect(entity.relations_graph.get_by_text("Developer portal", exact=True)).to_be_visible()
    entity.refresh()
    expect(walk.toast("Refresh scheduled")).to_be_visible()
    assert walk.problems == []


def test_an_entity_that_does_not_exist_is_said_to_be_missing(walk: Portal) -> None:
    walk.entity("component", "nobody")

    expect(walk.page.get_by_text("Entity not found")).to_be_visible()


def test_a_file_that_cannot_be_read_is_refused_on_the_import_page(walk: Portal) -> None:
    importer = walk.import_page()

    importer.analyze("https://git.example/acme/cart/catalog-info.yaml")

    expect(importer.wizard).to_contain_text("git.example")
    expect(walk.page.get_by_role("button", name="Import", exact=True)).to_have_count(0)
    expect(importer.wizard).to_contain_text("not allowed")


def test_the_shipped_template_is_offered(walk: Portal) -> None:
    expect(walk.templates().card("New service")).to_contain_text("Platform")
