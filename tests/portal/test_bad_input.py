"""What a user of the stock page sees of bad input: messages that name the place and what to do, and a page that goes on."""

from collections.abc import Iterator
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import yaml
from playwright.sync_api import Page, expect
from tests.portal.pages import Portal
from tests.portal.service import run_understage
from tests.store.service_bench import QuietFiles, closed_port, template

BROKEN = "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: half\n   bad: indent\n"
FORM = {"title": "About", "properties": {"note": {"type": "string", "title": "Note"}}}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server with broken files."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "broken.yaml").write_text(BROKEN)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietFiles, directory=str(folder)))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def understage_url(portal_build: Path, files: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`understage up` with a cluster that does not answer, and templates that fail."""
    folder = tmp_path_factory.mktemp("understage")
    namespace = {"namespace": "shop-dev", "team": "group:default/platform", "environment": "development"}
    steps = {
        "away": [{"id": "only", "name": "Only", "action": "kubernetes:create-namespace", "input": namespace}],
        "broken": [{"id": "only", "name": "Only", "action": "debug:log", "input": {"message": "${{ foo( }}"}}],
        "unknown": [{"id": "only", "name": "Only", "action": "no:such", "input": {}}],
    }
    templates = folder / "templates.yaml"
    templates.write_text(
        yaml.safe_dump_all([template(name, wanted, parameters=FORM) for name, wanted in steps.items()])
    )
    cluster = {
        "name": "away",
        "url": f"https://127.0.0.1:{closed_port()}",
        "authProvider": "serviceAccount",
        "serviceAccountToken": "x",
    }
    root = Path(__file__).parents[2]
    overlay = folder / "bad.yaml"
    locations = ["catalog-info/all.yaml", "skeletons/new-service/template.yaml", str(templates)]
    overlay.write_text(
        yaml.safe_dump(
            {
                "backend": {"reading": {"allow": [{"host": files}]}},
                "catalog": {"locations": [{"type": "file", "target": str(root / place)} for place in locations]},
                "kubernetes": {"clusterLocatorMethods": [{"type": "config", "clusters": [cluster]}]},
            }
        )
    )
    with run_understage(folder, overlay) as url:
        yield url


@pytest.fixture
def walk(page: Page, understage_url: str) -> Portal:
    portal = Portal(page, understage_url)
    portal.sign_in()
    return portal


def test_the_import_page_names_the_line_of_a_broken_file(walk: Portal, files: str) -> None:
    importer = walk.import_page()

    importer.analyze(f"http://{files}/broken.yaml")

    expect(importer.wizard).to_contain_text("broken.yaml:5:7: mapping values are not allowed")
    expect(walk.page.get_by_role("button", name="Import", exact=True)).to_have_count(0)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("away", ["Cluster 'away' at https://127.0.0.1:", "does not answer", "Check that it runs"]),
        ("broken", ["input.message", "line 1, column", "${{ foo( }}"]),
        ("unknown", ["Template action with ID 'no:such' is not registered"]),
    ],
)
def test_a_task_that_fails_says_why_on_its_page(walk: Portal, name: str, said: list[str]) -> None:
    form = walk.templates().choose(name)
    form.review()
    task = form.create()
    task.wait_until_ended()

    for part in said:
        expect(task.error).to_contain_text(part)
    assert task.step_state("Only") == "failed"


def test_a_form_refuses_wrong_values(walk: Portal) -> None:
    form = walk.templates().choose("New service")
    form.fill("Name", "../../etc")
    form.choose("Owner", "Platform")
    form.next()

    expect(form.errors.first).to_contain_text("lower-case letters, digits and hyphens")


def test_templates_and_tasks_that_do_not_exist_are_said_to_be_missing(walk: Portal) -> None:
    walk.open("/create/templates/default/nobody")
    expect(walk.toast("Failed to load template")).to_contain_text("404 Not Found")

    expect(walk.task("4f7c2f1e-0000-4000-8000-00000000dead").error).to_contain_text("404 Not Found")
