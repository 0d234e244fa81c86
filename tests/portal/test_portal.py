"""The stock pages as the portal serves them, in a real browser, over canned answers."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from tests.portal.canned import TASK_ID, CannedBackend
from tests.portal.conftest import CONFIG, portal_app
from tests.portal.pages import Portal, TemplateForm
from tests.portal.server import serve

from understage.portal.bundle import bundle_folder


def test_a_guest_signs_in_and_sees_the_catalog_of_the_group(
    page: Page, portal_url: str, backend: CannedBackend
) -> None:
    portal = Portal(page, portal_url)

    portal.sign_in()

    expect(page).to_have_url(f"{portal_url}/catalog?filters%5Bkind%5D=component&filters%5Buser%5D=owned&limit=20")
    expect(page.get_by_role("heading", name="Acme Catalog")).to_be_visible()
    expect(page.get_by_text("Owned components (28)")).to_be_visible()
    assert all(value.startswith("Bearer ey") for value in backend.authorizations)
    assert portal.problems == []  # a policy that forbids too much would show here


def test_the_catalog_is_filtered_searched_and_paged(portal: Portal) -> None:
    catalog = portal.catalog()
    expect(catalog.names).to_have_count(20)

    catalog.next_page()
    expect(catalog.names).to_have_count(8)
    catalog.previous_page()
    expect(catalog.names).to_have_count(20)

    catalog.select("Type", "service")
    expect(catalog.names).to_have_text(["cart", "checkout"])
    catalog.narrow("Lifecycle", "experimental")
    expect(catalog.names).to_have_text(["checkout"])

    catalog = portal.catalog()
    catalog.show("All")
    catalog.narrow("Owner", "Guest")
    expect(catalog.names).to_have_text(["storefront"])

    catalog = portal.catalog()
    catalog.search("check")
    expect(catalog.heading).to_have_text("Owned components (1)")
    expect(catalog.names).to_have_text(["checkout"])

    catalog.select("Kind", "template")
    catalog.search("")
    expect(catalog.row("New service")).to_be_visible()


def test_an_entity_shows_its_relations_and_its_graph(portal: Portal) -> None:
    entity = portal.catalog().open("cart")

    expect(entity.title).to_have_text("cart")
    expect(entity.about).to_contain_text("The cart component")
    expect(entity.about.get_by_role("link", name="Shop Team")).to_be_visible()
    expect(entity.card("Provided APIs").get_by_role("link", name="cart-api")).to_be_visible()
    for node in ("cart", "shop", "cart-api", "Shop Team"):
        expect(entity.relations_graph.get_by_text(node, exact=True)).to_be_visible()
    entity.open_tab("APIs")
    expect(entity.card("Consumed APIs")).to_be_visible()


def test_an_api_shows_its_definition(portal: Portal) -> None:
    api = portal.entity("api", "cart-api")

    api.open_tab("Definition")

    expect(portal.page.get_by_role("heading", name="The cart service")).to_be_visible()


def test_an_entity_is_refreshed_and_unregistered(portal: Portal, backend: CannedBackend) -> None:
    entity = portal.entity("component", "cart")

    entity.refresh()
    expect(portal.toast("Refresh scheduled")).to_be_visible()
    assert backend.refreshed == ["component:default/cart"]

    entity.unregister()
    assert backend.find("component:default/cart") is None


def test_what_does_not_exist_is_said_to_be_missing(portal: Portal) -> None:
    portal.entity("component", "nobody")
    expect(portal.page.get_by_text("Entity not found")).to_be_visible()

    portal.open("/nowhere")
    expect(portal.page.get_by_text("PAGE NOT FOUND")).to_be_visible()


def test_a_component_is_imported(portal: Portal, backend: CannedBackend) -> None:
    url = "https://git.example/acme/cart/catalog-info.yaml"
    importer = portal.import_page()

    importer.analyze(url)
    expect(importer.wizard).to_contain_text("The following entities will be added to the catalog:")
    importer.import_()

    assert backend.registered == [{"type": "url", "target": url}]
    expect(importer.view_component().title).to_have_text("cart")


def test_a_template_is_filled_in_reviewed_and_run(portal: Portal, backend: CannedBackend) -> None:
    portal.follow_sidebar("Create")
    form = portal.templates().choose("New service")
    _fill_in(form)
    assert form.review() == {
        "Name": "billing",
        "Owner": "group:default/shop-team",
        "Language": "go",
        "Environment": "Production",
        "Deploy token": "******",
        "System": "system:default/shop",
        "Replicas": "3",
        "Reachable from outside": "✅",
    }
    task = form.create()
    assert task.id == TASK_ID
    values = {
        "name": "billing",
        "owner": "group:default/shop-team",
        "language": "go",
        "environment": "production",
        "token": "******",
        "system": "system:default/shop",
        "replicas": 3,
        "public": True,
    }
    secrets = {"token": "s3cr3t"}
    assert backend.created == [{"templateRef": "template:default/new-service", "values": values, "secrets": secrets}]

    task.show_log()
    expect(task.log_line("Finished step Render")).to_be_visible()
    assert (task.step_state("Render"), task.step_state("Publish")) == ("completed", "processing")
    expect(task.ended).to_have_count(0)

    backend.task_may_finish = True
    task.wait_until_ended()
    expect(task.log_line("Finished step Publish")).to_be_visible()
    assert (task.step_state("Render"), task.step_state("Publish")) == ("completed", "completed")
    assert task.links() == {
        "Repository": "https://git.example/acme/billing",
        "Open in catalog": "/catalog/default/component/cart",
    }
    task.link("Open in catalog").click()
    expect(portal.entity("component", "cart").title).to_have_text("cart")


def _fill_in(form: TemplateForm) -> None:
    form.fill("Name", "Not a name")
    form.choose("Owner", "Shop Team")
    form.choose("Language", "go")
    form.pick("Environment", "Production")
    form.fill_secret("Deploy token", "s3cr3t")
    form.next()
    expect(form.errors).to_have_text(['must match pattern "^[a-z][a-z0-9-]*$"'])
    form.fill("Name", "billing")
    form.next()
    form.choose("System", "shop")
    form.fill("Replicas", 3)
    form.check("Reachable from outside")


def test_a_failed_task_shows_its_error_and_which_steps_it_skipped(portal: Portal, backend: CannedBackend) -> None:
    backend.task_fails_with = "the forge refused the name"
    backend.task_may_finish = True

    task = portal.task(TASK_ID)
    task.wait_until_ended()

    expect(task.error).to_contain_text("the forge refused the name")
    assert (task.step_state("Render"), task.step_state("Publish")) == ("failed", "skipped")


def test_tasks_and_actions_are_listed(portal: Portal, backend: CannedBackend) -> None:
    backend.created.append({"values": {}})
    backend.task_may_finish = True

    tasks = portal.task_list()
    expect(tasks.row(TASK_ID)).to_contain_text("completed")
    tasks.open(TASK_ID).wait_until_ended()

    actions = portal.actions()
    expect(actions.names).to_contain_text(["debug:log"])
    actions.select("debug:log")
    expect(actions.details).to_contain_text("What to write")


@pytest.fixture
def nested_url(portal_build: Path, backend: CannedBackend) -> Iterator[str]:
    config = {**CONFIG, "app": {"title": "Nested", "baseUrl": "http://localhost:3000/portal"}}
    with serve(portal_app(backend, config)) as url:
        yield url


def test_the_portal_lives_below_a_path(page: Page, nested_url: str) -> None:
    portal = Portal(page, nested_url)

    portal.sign_in()

    expect(page.get_by_text("Owned components (28)")).to_be_visible()
    assert page.url.startswith(f"{nested_url}/portal/catalog?")
    assert portal.problems == []


def test_a_page_that_is_not_built_says_so_and_appears_once_it_is(
    page: Page, backend: CannedBackend, portal_build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNDERSTAGE_CACHE", str(tmp_path))
    with serve(portal_app(backend, CONFIG)) as url:
        page.goto(url)
        expect(page.get_by_text("understage portal build")).to_be_visible()

        bundle_folder().parent.mkdir(parents=True)
        bundle_folder().symlink_to(portal_build)

        expect(page.get_by_role("button", name="Enter")).to_be_visible()  # without a reload by hand
