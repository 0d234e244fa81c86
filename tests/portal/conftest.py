"""Chromium, the built portal page, and a portal with canned answers behind it.

Without Node or Chromium these tests are skipped with a line that says what to install; with UNDERSTAGE_REQUIRE_ALL set
they fail instead. A page that is not in the cache yet is built first, which takes some minutes and the npm registry.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from fastapi import FastAPI
from playwright.sync_api import Browser, Page, expect, sync_playwright
from tests.portal.canned import CannedBackend
from tests.portal.issuer import MemoryIssuer
from tests.portal.pages import Portal
from tests.portal.server import serve

from understage.identity.credentials import Credentials
from understage.platform.plugin import create_plugin
from understage.portal import PortalBuildError, build_portal, create_portal

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


expect.set_options(timeout=20_000)  # a busy machine draws slowly


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.portal)
            item.add_marker(pytest.mark.timeout(900))  # the first one may have to build the page


@pytest.fixture(scope="session")
def portal_build() -> Path:
    """The folder of the built page."""
    try:
        return build_portal(print)
    except PortalBuildError as error:
        _missing(str(error))


# Not for the session: as long as Playwright is open, nothing else in this thread can call asyncio.run().
@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A headless Chromium of the system."""
    program = os.environ.get("UNDERSTAGE_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        _missing("Chromium is needed for this test: install the package `chromium`, or set UNDERSTAGE_CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, headless=True, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page of its own context; its last state is kept as a picture if the test fails."""
    context = chromium.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.set_default_timeout(20_000)
    yield page
    report = getattr(request.node, "report_of_call", None)
    if report is not None and report.failed:
        folder = Path("test-results")
        folder.mkdir(exist_ok=True)
        page.screenshot(path=folder / f"{request.node.name}.png", full_page=True)
    context.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    outcome: Any = yield
    if outcome.get_result().when == "call":
        item.report_of_call = outcome.get_result()  # type: ignore[attr-defined]  # read by the fixture above


@pytest.fixture
def backend() -> CannedBackend:
    """The canned answers; a test may change them before it opens a page."""
    return CannedBackend()


def portal_app(backend: CannedBackend, config: dict[str, Any]) -> FastAPI:
    """A service that is nothing but the portal and canned answers."""

    async def ownership_of(user_ref: str) -> list[str] | None:
        return ["group:default/shop-team"] if user_ref == "user:default/guest" else None

    async def authenticate(_request: Any) -> Credentials:
        return Credentials.none()

    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    for name, router in (("catalog", backend.catalog()), ("scaffolder", backend.scaffolder())):
        app.mount(f"/api/{name}", create_plugin(name, [router], authenticate=authenticate))
    portal = create_portal(config, issuer=MemoryIssuer(), ownership_of=ownership_of, development=True)
    portal.mount(app, authenticate=authenticate)
    return app


CONFIG: dict[str, Any] = {
    "app": {"title": "Understage"},
    "organization": {"name": "Acme"},
    "auth": {"providers": {"guest": {"userEntityRef": "user:default/guest"}}},
}


@pytest.fixture
def portal_url(portal_build: Path, backend: CannedBackend) -> Iterator[str]:
    """A running portal with the canned backend."""
    with serve(portal_app(backend, CONFIG)) as url:
        yield url


@pytest.fixture
def portal(page: Page, portal_url: str) -> Iterator[Portal]:
    """The page objects, signed in as guest; at the end no page may have broken, or been stopped by the policy."""
    portal = Portal(page, portal_url)
    portal.sign_in()
    yield portal
    grave = [text for text in portal.problems if text.startswith("uncaught") or "Content Security Policy" in text]
    assert grave == []


def _missing(what: str) -> NoReturn:
    if os.environ.get("UNDERSTAGE_REQUIRE_ALL"):
        pytest.fail(what, pytrace=False)
    pytest.skip(what)
