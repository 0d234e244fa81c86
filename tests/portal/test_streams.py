"""Two pages of running tasks in one browser, each with four event streams: the rest of the site stays usable behind a proxy that
speaks HTTP/2, set up as the guide says."""

import socket
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import Browser, BrowserContext, Page, expect
from tests.databases import require
from tests.portal.pages import Portal, keep_picture
from tests.portal.proxy import find_nginx, run_proxy
from tests.portal.service import run_understage, start_task

TEMPLATE = {
    "apiVersion": "scaffolder.backstage.io/v1beta3",
    "kind": "Template",
    "metadata": {"name": "waits", "title": "Waits"},
    "spec": {
        "type": "service",
        "owner": "user:default/guest",
        "steps": [{"id": "wait", "name": "Wait", "action": "debug:wait", "input": {"minutes": 5}}],
    },
}
STREAMS_OF_A_PAGE = 4


@dataclass(frozen=True)
class Site:
    """The service behind the proxy: as browsers reach it, and directly."""

    url: str
    direct: str


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def site(portal_build: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    require(find_nginx() is not None, "nginx is needed for this test: install the package `nginx-light`")
    folder = tmp_path_factory.mktemp("streams")
    port = free_port()
    template = folder / "template.yaml"
    template.write_text(yaml.safe_dump(TEMPLATE))
    locations = [
        {"type": "file", "target": "catalog-info/all.yaml"},
        {"type": "file", "target": str(template), "rules": [{"allow": ["Template"]}]},
    ]
    overlay = folder / "overlay.yaml"
    overlay.write_text(
        yaml.safe_dump(
            {
                "app": {"baseUrl": f"https://localhost:{port}"},
                "backend": {"baseUrl": f"https://localhost:{port}"},
                "catalog": {"locations": locations},
            }
        )
    )
    with run_understage(folder, overlay) as direct, run_proxy(folder, port, int(direct.rpartition(":")[2])):
        yield Site(f"https://localhost:{port}", direct)


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    context = chromium.new_context(viewport={"width": 1440, "height": 900}, ignore_https_errors=True)
    context.set_default_timeout(20_000)
    yield context
    context.close()


def open_task(context: BrowserContext, url: str, task: str) -> Page:
    page = context.new_page()
    Portal(page, url).task(task)
    return page


def test_two_pages_of_running_tasks_leave_the_rest_of_the_site_usable(context: BrowserContext, site: Site) -> None:
    streams: Counter[str] = Counter()
    context.on("request", lambda request: streams.update([request.url] if "/eventstream" in request.url else []))
    first = context.new_page()
    Portal(first, site.url).sign_in()
    tasks = [start_task(site.direct, "waits", {}) for _ in range(2)]
    pages = [open_task(context, site.url, task) for task in tasks]
    for page in pages:
        page.get_by_role("button", name="Show Logs").click()
        expect(page.get_by_text("Waiting for 300 seconds")).to_be_visible()
    # All streams of both pages are open, and stay so.
    assert sum(streams.values()) >= len(pages) * STREAMS_OF_A_PAGE
    portal = Portal(first, site.url)
    catalog = portal.catalog()
    catalog.show("All")
    expect(catalog.row("Understage")).to_be_visible()
    portal.templates()
    expect(first.get_by_text("Waits")).to_be_visible()
    for page in pages:
        page.get_by_role("button", name="Cancel").click()
        expect(page.get_by_text("Step wait has been cancelled.")).to_be_visible()
    assert first.evaluate("performance.getEntriesByType('navigation')[0].nextHopProtocol") == "h2"
    keep_picture(pages[0], "task-cancelled")
