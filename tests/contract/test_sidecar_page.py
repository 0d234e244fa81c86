"""The stock page in a browser, beside a stock backend: it signs in there, and shows the catalog and templates of ours."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from tests.contract.installation import Installation
from tests.contract.sidecar import Sidecar, running_sidecar
from tests.databases import PostgresServer
from tests.portal.conftest import chromium, page, portal_build, pytest_runtest_makereport
from tests.portal.pages import Portal
from tests.portal.server import serve

from understage.portal.static import PortalPages, PortalSite

__all__ = ["chromium", "page", "portal_build", "pytest_runtest_makereport"]

pytestmark = [pytest.mark.portal, pytest.mark.timeout(900)]


# Before Chromium: as long as that is open, the database server cannot be started in this thread.
@pytest.fixture(scope="module")
def sidecar(
    portal_build: Path,
    stock_installation: Installation,
    postgres_server: PostgresServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Sidecar]:
    folder = tmp_path_factory.mktemp("sidecar-page")
    with running_sidecar(stock_installation, postgres_server.url("postgres"), folder) as running:
        yield running


@pytest.fixture(scope="module")
def page_url(portal_build: Path, sidecar: Sidecar) -> Iterator[str]:
    """The built page on an origin of its own, configured as the frontend of an existing Backstage is."""
    ours = {"external": f"{sidecar.ours.url}/api/{{{{pluginId}}}}"}
    config = {
        "app": {"title": "Backstage", "packages": "all", "baseUrl": "http://localhost:1"},
        "backend": {"baseUrl": sidecar.stock.url},
        "permission": {"enabled": True},
        "discovery": {"endpoints": [{"target": ours, "plugins": ["catalog", "scaffolder"]}]},
    }
    site = PortalSite(portal_build, config, base_path="", headers={"content-security-policy": policy_of(sidecar)})
    with serve(PortalPages(lambda: site)) as url:
        yield url


def policy_of(sidecar: Sidecar) -> str:
    """The content security policy with which the stock backend serves pages."""
    return sidecar.stock.request("GET", "/").headers["content-security-policy"]


def test_the_stock_page_shows_our_catalog_and_templates(sidecar: Sidecar, page_url: str, page: Page) -> None:
    portal = Portal(page, page_url)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    portal.sign_in()
    page.goto(f"{page_url}/catalog?filters[kind]=system&filters[user]=all")
    expect(page.get_by_role("link", name="checkout").first).to_be_visible()
    page.goto(f"{page_url}/create/templates/default/params")
    expect(page.get_by_text("Basics").first).to_be_visible()
    calls = {url.partition("?")[0] for url in asked if "/api/" in url}
    assert {url for url in calls if "/api/catalog/" in url or "/api/scaffolder/" in url} == {
        url for url in calls if url.startswith(sidecar.ours.url)
    }
    assert f"{sidecar.stock.url}/api/auth/guest/refresh" in calls
    assert f"{sidecar.stock.url}/api/permission/authorize" in calls
