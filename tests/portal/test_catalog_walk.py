"""The catalog's pages over the real catalog, in a real browser: paging, graph, import, unregister, errors of a file."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import Page, expect
from tests.portal.pages import Portal
from tests.portal.service import run_understage

from understage.catalog.location_entity import location_name
from understage.model.ref import LocationRef

COMPONENT = """
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {{name: {name}, annotations: {{}}}}
spec: {{type: {type}, lifecycle: production, owner: storefront, system: {system}}}
"""


class Files:
    """A web server on the loopback address whose pages a test sets."""

    def __init__(self) -> None:
        self.pages: dict[str, str] = {}
        files = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                page = files.pages.get(self.path)
                self.send_response(404 if page is None else 200)
                self.end_headers()
                self.wfile.write((page or "").encode())

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self.server.server_address[1]}"

    def put(self, path: str, content: str) -> str:
        self.pages[path] = content
        return f"http://{self.host}{path}"


@pytest.fixture(scope="module")
def files() -> Iterator[Files]:
    files = Files()
    thread = threading.Thread(target=files.server.serve_forever, daemon=True)
    thread.start()
    yield files
    files.server.shutdown()
    files.server.server_close()
    thread.join(10)


@pytest.fixture(scope="module")
def catalog_url(portal_build: Path, files: Files, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("catalog")
    many = [COMPONENT.format(name=f"many-{number:02}", type="service", system="shop") for number in range(45)]
    (folder / "many.yaml").write_text("---".join(many))
    overlay = folder / "overlay.yaml"
    locations = [
        {"type": "file", "target": "catalog-info/all.yaml"},
        {"type": "file", "target": str(folder / "many.yaml")},
    ]
    overlay.write_text(
        yaml.safe_dump({"catalog": {"locations": locations}, "backend": {"reading": {"allow": [{"host": files.host}]}}})
    )
    with run_understage(folder, overlay) as url:
        yield url


@pytest.fixture
def walk(page: Page, catalog_url: str) -> Portal:
    portal = Portal(page, catalog_url)
    portal.sign_in()
    return portal


def test_pages_of_the_index_follow_each_other(walk: Portal) -> None:
    catalog = walk.catalog()
    catalog.show("All")
    catalog.search("many-")
    expect(catalog.heading).to_have_text("All Components (45)")
    expect(catalog.names.first).to_have_text("many-00")
    catalog.next_page()
    expect(catalog.names.first).to_have_text("many-20")
    catalog.next_page()
    expect(catalog.names).to_have_count(5)
    catalog.previous_page()
    expect(catalog.names.first).to_have_text("many-20")
    assert walk.problems == []


def test_the_graph_reaches_the_neighbours(walk: Portal) -> None:
    walk.open("/catalog-graph?rootEntityRefs[]=component:default/many-07&maxDepth=1")
    graph = walk.page.get_by_role("main")
    expect(graph.get_by_text("many-07", exact=True)).to_be_visible()
    expect(graph.get_by_text("Storefront", exact=True)).to_be_visible()
    assert walk.problems == []


def test_a_file_is_imported_refreshed_and_unregistered(walk: Portal, files: Files) -> None:
    url = files.put("/team/catalog-info.yaml", COMPONENT.format(name="imported", type="service", system="shop"))
    importer = walk.import_page()
    importer.analyze(url)
    expect(importer.wizard).to_contain_text("imported")
    importer.import_()

    entity = walk.entity("component", "imported")
    expect(entity.title).to_have_text("imported")
    files.put("/team/catalog-info.yaml", COMPONENT.format(name="imported", type="website", system="shop"))
    entity.refresh()
    expect(walk.toast("Refresh scheduled")).to_be_visible()
    walk.page.wait_for_timeout(1000)
    expect(walk.entity("component", "imported").about).to_contain_text("website")

    walk.entity("component", "imported").unregister()
    walk.entity("component", "imported")
    expect(walk.page.get_by_text("Entity not found")).to_be_visible()


def test_a_file_that_breaks_keeps_its_entities_and_says_where(walk: Portal, files: Files) -> None:
    good = COMPONENT.format(name="steady", type="service", system="shop")
    url = files.put("/steady/catalog-info.yaml", good)
    importer = walk.import_page()
    importer.analyze(url)
    importer.import_()
    expect(walk.entity("component", "steady").title).to_have_text("steady")

    files.put("/steady/catalog-info.yaml", good.replace("kind: Component", "kind: [Component"))
    walk.entity("component", "steady").refresh()
    walk.page.wait_for_timeout(1000)

    entity = walk.entity("component", "steady")
    expect(entity.title).to_have_text("steady")
    expect(entity.processing_error.first).to_contain_text("catalog-info.yaml:")


def test_an_entity_that_breaks_shows_its_line_and_since_when_it_is_kept(walk: Portal, files: Files) -> None:
    good = COMPONENT.format(name="kept", type="service", system="shop")
    url = files.put("/kept/catalog-info.yaml", good)
    importer = walk.import_page()
    importer.analyze(url)
    importer.import_()
    expect(walk.entity("component", "kept").title).to_have_text("kept")

    files.put("/kept/catalog-info.yaml", good.replace("lifecycle: production", "lifecycle: ''"))
    walk.entity("component", "kept").refresh()
    walk.page.wait_for_timeout(1000)

    entity = walk.entity("component", "kept")
    expect(entity.title).to_have_text("kept")
    expect(entity.processing_error.filter(has_text="/spec/lifecycle must NOT have fewer").first).to_contain_text(
        "/kept/catalog-info.yaml:5:"
    )
    expect(entity.processing_error.filter(has_text="kept at its last good state since 20").first).to_be_visible()


def test_a_location_shows_the_name_that_it_lost_and_what_it_could_not_add(walk: Portal, files: Files) -> None:
    first = files.put("/first/catalog-info.yaml", COMPONENT.format(name="twice", type="service", system="shop"))
    importer = walk.import_page()
    importer.analyze(first)
    importer.import_()
    expect(walk.entity("component", "twice").title).to_have_text("twice")

    second = files.put("/second/catalog-info.yaml", COMPONENT.format(name="twice", type="library", system="shop"))
    importer = walk.import_page()
    importer.analyze(second)
    importer.import_()
    broken = COMPONENT.format(name="never", type="''", system="shop")
    files.put("/second/catalog-info.yaml", "---".join([files.pages["/second/catalog-info.yaml"], broken]))
    name = location_name(LocationRef("url", second))
    walk.entity("location", name).refresh()
    walk.page.wait_for_timeout(1000)

    alerts = walk.entity("location", name).processing_error
    conflict = alerts.filter(has_text="component:default/twice is claimed twice").first
    expect(conflict).to_contain_text(f"url:{first}")
    expect(conflict).to_contain_text(f"url:{second}")
    expect(alerts.filter(has_text="component:default/never").first).to_contain_text("is not in the catalog")
    expect(walk.entity("component", "twice").about).to_contain_text("service")
