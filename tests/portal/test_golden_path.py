"""The main job in a real browser: from the Create button of the stock page to running pods, and what a user sees when it fails.

Service, forge, cluster, Argo CD and browser are real. `UNDERSTAGE_SCREENSHOTS=docs/images` keeps the pictures the README shows.
"""

import asyncio
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
import yaml
from playwright.sync_api import Page, expect
from tests.cluster.bench import Platform
from tests.portal.pages import Portal, TaskPage, TemplateForm, keep_picture
from tests.portal.service import guest_token, run_understage

from understage.integrations.argocd import argocd_from_config
from understage.integrations.kubernetes import clusters_from_config
from understage.sdk.testing import fake_ports, run_action
from understage_actions.argocd_register_app import register_app
from understage_actions.kubernetes_create_namespace import create_namespace

OWNER = "storefront"
NAMESPACE = "basket-development"
GRAFANA = "https://grafana.example.com"
RESOURCES = f"/api/v1/namespaces/{NAMESPACE}"


@pytest.fixture(scope="module")
def connected_url(platform: Platform, portal_build: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`understage up`, connected to the platform."""
    folder = tmp_path_factory.mktemp("connected")
    overlay = folder / "platform.yaml"
    overlay.write_text(yaml.safe_dump({**platform.app_config(), "grafana": {"domain": GRAFANA}}))
    if not platform.gitea.request("GET", f"/orgs/{OWNER}").is_success:
        platform.gitea.create_organization(OWNER)
    with run_understage(folder, overlay) as url:
        yield url


@pytest.fixture
def walk(page: Page, connected_url: str) -> Portal:
    portal = Portal(page, connected_url)
    portal.sign_in()
    return portal


def fill_form(walk: Portal, name: str) -> TemplateForm:
    form = walk.templates().choose("New service")
    form.fill("Name", name)
    form.fill("Description", "What the customer is about to buy")
    form.choose("Owner", "Storefront")
    keep_picture(walk.page, "form")
    form.next()
    form.pick("Language", "Python")
    form.pick("Environment", "Development")
    return form


def create(walk: Portal, name: str) -> TaskPage:
    form = fill_form(walk, name)
    shown = form.review()
    assert shown["Name"] == name
    return form.create()


def test_from_the_create_button_to_running_pods(walk: Portal, platform: Platform) -> None:
    catalog = walk.catalog()
    catalog.show("All")
    expect(catalog.row("Understage")).to_be_visible()
    keep_picture(walk.page, "catalog")

    form = fill_form(walk, "basket")
    assert form.review()["Name"] == "basket"
    keep_picture(walk.page, "review")
    pressed = time.monotonic()
    task = form.create()
    expect(walk.page.get_by_text("Register the application")).to_be_visible()
    keep_picture(walk.page, "task-running")
    task.wait_until_ended(120)
    print(f"from Create to Healthy: {time.monotonic() - pressed:.1f} s")
    expect(walk.page.get_by_role("paragraph").filter(has_text="runs in namespace")).to_contain_text("Synced, Healthy")
    keep_picture(walk.page, "task")
    links = task.links()
    assert links["Repository"] == f"{platform.gitea.url}/{OWNER}/basket"
    assert links["Application in Argo CD"].startswith(platform.argocd.url)

    task.link("Open in the catalog").click()
    entity = walk.entity("component", "basket")
    expect(entity.title).to_have_text("basket")
    expect(entity.about.get_by_role("link", name="Storefront")).to_be_visible()
    keep_picture(walk.page, "entity")
    assert_links(walk, platform)
    assert_repository(platform)
    assert_namespace(platform)
    assert_running(platform)
    assert_component(walk.url)


def assert_links(walk: Portal, platform: Platform) -> None:
    """The entity page leads to what runs and to the dashboard, and says what it costs and where it is."""
    entity = walk.entity("component", "basket")
    links = entity.card("Links")
    expect(links.get_by_role("link", name="Deployments in Argo CD")).to_have_attribute(
        "href", f"{platform.argocd.url}/applications?proj={OWNER}&labels=app.kubernetes.io%2Fname%3Dbasket"
    )
    expect(links.get_by_role("link", name="Dashboard")).to_have_attribute("href", re.compile(f"^{GRAFANA}/"))
    links.scroll_into_view_if_needed()
    keep_picture(walk.page, "entity-links")
    entity.choose_action("Inspect entity")
    dialog = walk.page.get_by_role("dialog")
    for annotation in ("argocd/app-selector", "understage.io/estimated-monthly-cost", "grafana/dashboard-selector"):
        expect(dialog.get_by_text(annotation)).to_be_visible()
    expect(dialog.get_by_text(re.compile("^[0-9.]+ USD$"))).to_be_visible()
    dialog.get_by_text("understage.io/estimated-monthly-cost").scroll_into_view_if_needed()
    keep_picture(walk.page, "entity-platform")
    walk.page.keyboard.press("Escape")


def assert_repository(platform: Platform) -> None:
    read = platform.gitea.read
    info = yaml.safe_load(read(OWNER, "basket", "catalog-info.yaml") or "")
    assert (info["kind"], info["metadata"]["name"], info["spec"]["owner"]) == (
        "Component",
        "basket",
        "group:default/storefront",
    )
    chart = yaml.safe_load(read(OWNER, "basket", "deploy/Chart.yaml") or "")
    assert [dependency["name"] for dependency in chart["dependencies"]] == ["base-service"]
    for path in ("Dockerfile", "mkdocs.yml", "docs/index.md", "deploy/environments/development.yaml"):
        assert read(OWNER, "basket", path), path


def assert_namespace(platform: Platform) -> None:
    get = platform.cluster.get
    namespace = get(RESOURCES)
    assert namespace is not None
    labels = namespace["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    assert "storefront" in labels.values()
    assert "development" in labels.values()
    (quota,) = (get(f"{RESOURCES}/resourcequotas") or {})["items"]
    assert quota["spec"]["hard"] == {
        "requests.cpu": "10",
        "requests.memory": "20Gi",
        "limits.cpu": "20",
        "limits.memory": "40Gi",
        "pods": "50",
    }
    assert len((get(f"{RESOURCES}/limitranges") or {})["items"]) == 1
    policies = (get(f"/apis/networking.k8s.io/v1/namespaces/{NAMESPACE}/networkpolicies") or {})["items"]
    assert {"default-deny", "allow-dns", "allow-gateway", "allow-monitoring"} <= {
        policy["metadata"]["name"] for policy in policies
    }
    bindings = (get(f"/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}/rolebindings") or {})["items"]
    subjects = [subject for binding in bindings for subject in binding["subjects"]]
    assert [(subject["kind"], "storefront" in subject["name"]) for subject in subjects] == [("Group", True)]


def assert_running(platform: Platform) -> None:
    application = platform.argocd.application(NAMESPACE)
    assert application is not None
    assert application["status"]["sync"]["status"] == "Synced"
    assert application["status"]["health"]["status"] == "Healthy"
    assert application["spec"]["project"] == OWNER
    assert len(platform.cluster.pods(NAMESPACE)) == 2


def assert_component(url: str) -> None:
    token = guest_token(url)
    headers = {"Authorization": f"Bearer {token}"}
    component = httpx.get(f"{url}/api/catalog/entities/by-name/component/default/basket", headers=headers).json()
    assert {"type": "ownedBy", "targetRef": "group:default/storefront"} in component["relations"]


def test_the_same_name_again_fails_clearly_and_damages_nothing(walk: Portal, platform: Platform) -> None:
    if platform.gitea.read(OWNER, "basket", "catalog-info.yaml") is None:
        create(walk, "basket").wait_until_ended(120)
    commits = platform.gitea.request("GET", f"/repos/{OWNER}/basket/commits").json()

    task = create(walk, "basket")
    task.wait_until_ended(60)

    expect(task.error).to_contain_text("The name is taken, nothing was made")
    expect(task.error).to_contain_text("component:default/basket is in the catalog")
    assert task.step_state("Check that the name is free") == "failed"
    keep_picture(walk.page, "task-failed")
    assert platform.gitea.request("GET", f"/repos/{OWNER}/basket/commits").json() == commits
    assert_running(platform)


def test_the_entity_page_shows_how_every_environment_is(walk: Portal, platform: Platform, tmp_path: Path) -> None:
    """By the stock plugin for Argo CD, which asks Understage: sync, health, image and last deployment of two environments."""
    if platform.gitea.read(OWNER, "basket", "catalog-info.yaml") is None:
        create(walk, "basket").wait_until_ended(120)
    add_staging(platform, tmp_path)

    entity = walk.entity("component", "basket")
    entity.title.wait_for()
    for environment in ("development", "staging"):
        row = walk.page.get_by_role("row").filter(has=walk.page.get_by_role("button", name=f"basket-{environment}"))
        expect(row).to_contain_text("Synced")
        expect(row).to_contain_text("Healthy")
        expect(row).to_contain_text("ago")
    walk.page.get_by_role("button", name="basket-staging").scroll_into_view_if_needed()
    keep_picture(walk.page, "entity-argocd")

    walk.page.get_by_role("button", name="basket-staging").click()
    details = walk.page.get_by_role("presentation").filter(has_text="Argo Name: basket-staging")
    expect(details).to_contain_text("registry.example.com/storefront/basket:0.1.0")
    expect(details).to_contain_text("Synced")
    keep_picture(walk.page, "entity-argocd-image")
    walk.page.keyboard.press("Escape")
    # Other components are asked nothing, and ask nothing.
    walk.entity("component", "understage")
    expect(walk.page.get_by_role("heading", name="ArgoCD overview")).to_have_count(0)


def add_staging(platform: Platform, folder: Path) -> None:
    """A second environment, as the guide says: a values file, a namespace and an Application."""
    values = platform.gitea.read(OWNER, "basket", "deploy/environments/development.yaml") or ""
    file = "deploy/environments/staging.yaml"
    staging = values.replace("development", "staging")
    platform.gitea.commit(OWNER, "basket", {file: staging}, "Add staging")
    config = platform.app_config()
    ports = fake_ports(clusters=clusters_from_config(config), argocd=argocd_from_config(config))
    where = {"namespace": "basket-staging", "team": OWNER, "environment": "staging"}
    application = {"name": "basket-staging", "repoUrl": platform.gitea.clone_url(OWNER, "basket"), "valueFiles": [file]}

    async def deploy() -> None:
        await run_action(create_namespace, where, workspace=folder, ports=ports)
        await run_action(register_app, {**where, **application, "wait": True}, workspace=folder, ports=ports)

    # Playwright has the event loop of this thread.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, deploy()).result()


def test_a_wrong_name_is_refused_in_the_form(walk: Portal) -> None:
    form = walk.templates().choose("New service")
    form.fill("Name", "Not A Name")
    form.choose("Owner", "Storefront")
    form.next()

    expect(form.errors.first).to_contain_text("lower-case letters, digits and hyphens")


def test_the_task_list_and_the_actions_are_shown(walk: Portal) -> None:
    tasks = walk.task_list()
    tasks.show("All")
    expect(walk.page.get_by_role("heading", name=re.compile("task", re.IGNORECASE)).first).to_be_visible()
    actions = walk.actions()
    actions.select("kubernetes:create-namespace")
    expect(actions.details.first).to_contain_text("namespace")
