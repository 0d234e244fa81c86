"""`make bench-pages`: the stock catalog pages over 10 000 components in Chromium, and how long until each can be used.

Understage runs as `understage up` does, on PostgreSQL. A page can be used when what the reader came for is there and no loading
bar is left. Each walk has a browser of its own.
"""

import argparse
import os
import re
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright
from tests.contract.backend import write_overlay
from tests.contract.installation import ROOT
from tests.databases import PostgresServer, postgres_binary
from tests.perf.entities import TYPES, component_name, write_catalog
from tests.perf.machine import describe
from tests.perf.page import write_section
from tests.portal.conftest import CHROMIUM_FLAGS
from tests.portal.pages import CatalogPage, EntityPage, Portal
from tests.portal.service import run_understage

from understage.portal import build_portal

PICTURE = ROOT / "docs" / "images" / "catalog-of-10000.png"
PATIENCE_MS = 60_000
LOCATIONS = 2  # the Location that names the files, and the one that the configuration names


class Walk:
    """One reader's way through the catalog's pages; `times` has the milliseconds of each step."""

    def __init__(self, page: Page, url: str, count: int) -> None:
        self.page = page
        self.count = count
        self.portal = Portal(page, url)
        self.times: dict[str, float] = {}

    def go(self) -> None:
        """All steps, in the order in which a reader takes them."""
        page, count = self.page, self.count
        self.portal.sign_in()
        self._step("catalog table, all components", self.show_everything)
        catalog = CatalogPage(page)
        second = component_name(20)
        self._step("next page", catalog.next_page, lambda: expect(catalog.names.first).to_have_text(_title(20)))
        catalog.previous_page()
        expect(catalog.names.first).to_have_text(_title(0))
        wanted = component_name(count - 1)
        self._step(
            "search box, one of all",
            lambda: catalog.search(wanted),
            lambda: expect(catalog.names).to_have_text([_title(count - 1)]),
        )
        catalog.search("")
        of_a_type = (count + len(TYPES) - 1) // len(TYPES)
        self._step(
            "type filter",
            lambda: catalog.select("Type", TYPES[0]),
            lambda: expect(catalog.heading).to_have_text(re.compile(rf"\({of_a_type}\)$")),
        )
        self._step(
            "kind filter",
            lambda: catalog.select("Kind", "Location"),
            lambda: expect(catalog.heading).to_have_text(re.compile(rf"Locations \({LOCATIONS}\)$")),
        )
        self._step(
            "entity page",
            lambda: self.portal.open(f"/catalog/default/component/{second}"),
            lambda: expect(EntityPage(page).about).to_contain_text("landscape-20"),
        )
        self._step(
            "graph page",
            lambda: self.portal.open(f"/catalog-graph?rootEntityRefs[]=component:default/{second}&maxDepth=1"),
            lambda: expect(page.get_by_role("main").get_by_text(_title(21), exact=True)).to_be_visible(),
        )

    def show_everything(self) -> None:
        """Open the table with all components."""
        catalog = self.portal.catalog()
        catalog.show("All")
        expect(catalog.heading).to_have_text(f"All Components ({self.count})")
        expect(catalog.names.first).to_have_text(_title(0))

    def _step(self, name: str, act: Callable[[], None], seen: Callable[[], None] = lambda: None) -> None:
        began = time.perf_counter()
        act()
        seen()
        expect(self.page.get_by_test_id("progress")).to_have_count(0)
        self.times[name] = (time.perf_counter() - began) * 1000


def _title(number: int) -> str:
    return f"Part {number}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Walks, prints, and with `--write` writes the page and its picture."""
    parser = argparse.ArgumentParser(prog="make bench-pages")
    parser.add_argument("--count", type=int, default=10_000, help="how many components")
    parser.add_argument("--rounds", type=int, default=3, help="how many walks")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md")
    options = parser.parse_args(arguments)
    program = os.environ.get("UNDERSTAGE_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    initdb, postgres = postgres_binary("initdb"), postgres_binary("postgres")
    if program is None or initdb is None or postgres is None:
        print("install Chromium and PostgreSQL (Debian: apt-get install chromium postgresql)")
        return 2
    build_portal(print)
    about = describe(None)
    server = PostgresServer(initdb, postgres, durable=True)
    try:
        walks, version = _walk_all(server, program, options.count, options.rounds, write=options.write)
    finally:
        server.stop()
    text = "\n\n".join(
        [
            f"## The stock catalog pages over {options.count} components, in Chromium",
            "\n".join(f"- {name}: {value}" for name, value in {**about, "Chromium": version}.items()),
            "Milliseconds until the page can be used, *least / median* of the walks:",
            table(walks),
            f"![The catalog's table with {options.count} components](images/{PICTURE.name})",
        ]
    )
    print(text, flush=True)
    if options.write:
        write_section("bench-pages", text)
    return 0


def table(walks: Sequence[dict[str, float]]) -> str:
    """Markdown."""
    lines = ["| step | time until usable |", "|---|---|"]
    for name in walks[0]:
        values = [walk[name] for walk in walks]
        lines.append(f"| {name} | {min(values):.0f} / {statistics.median(values):.0f} ms |")
    return "\n".join(lines)


def _walk_all(
    postgres: PostgresServer, program: str, count: int, rounds: int, *, write: bool
) -> tuple[list[dict[str, float]], str]:
    with tempfile.TemporaryDirectory(prefix="understage-bench-") as scratch:
        folder = Path(scratch)
        catalog = write_catalog(folder / "catalog", count)
        url = postgres.url("postgres")
        connection = {"host": url.host, "port": url.port, "user": url.username, "password": ""}
        overlay = write_overlay(
            folder / "bench.yaml",
            {
                "backend": {"database": {"client": "pg", "prefix": "pages_", "connection": connection}},
                "catalog": {"locations": [{"type": "file", "target": str(catalog)}]},
            },
        )
        with run_understage(folder, overlay) as site, sync_playwright() as playwright:
            walks = []
            for number in range(rounds):
                browser = playwright.chromium.launch(executable_path=program, headless=True, args=CHROMIUM_FLAGS)
                picture = PICTURE if write and number == 0 else None
                walks.append(_walk(browser, site, count, picture))
                print("; ".join(f"{name}: {value:.0f} ms" for name, value in walks[-1].items()), flush=True)
                version = browser.version
                browser.close()
        return walks, version


def _walk(browser: Browser, url: str, count: int, picture: Path | None) -> dict[str, float]:
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    walk = Walk(page, url, count)
    try:
        walk.go()
    except BaseException:
        page.screenshot(path=Path(tempfile.gettempdir()) / "understage-bench-pages.png")
        raise
    if picture is not None:
        walk.show_everything()
        page.screenshot(path=picture)
    return walk.times


if __name__ == "__main__":
    sys.exit(main())
