"""What the stock pages show of tasks that a crash interrupted, and of what a template would do.

`UNDERSTAGE_SCREENSHOTS=docs/images` keeps the pictures.
"""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml
from playwright.sync_api import Page, expect
from tests.portal.pages import Portal, keep_picture
from tests.portal.service import Service, guest_token, running_service, start_task

TEMPLATE = {
    "apiVersion": "scaffolder.backstage.io/v1beta3",
    "kind": "Template",
    "metadata": {"name": "greeting", "title": "Greeting"},
    "spec": {
        "type": "service",
        "owner": "group:default/platform",
        "parameters": [
            {
                "title": "Whom to greet",
                "required": ["name"],
                "properties": {"name": {"title": "Name", "type": "string"}},
            }
        ],
        "steps": [
            {"id": "begin", "name": "Begin", "action": "debug:log", "input": {"message": "Once only"}},
            {"id": "wait", "name": "Wait", "action": "debug:wait", "input": {"seconds": 6}},
            {
                "id": "write",
                "name": "Write",
                "action": "utils:fs:write",
                "input": {"path": "greeting.txt", "content": "Hello ${{ parameters.name }}\n"},
            },
        ],
    },
}
# Chromium's picker is a window of the system. Its answer here is a folder of the same kind, in the browser's own storage.
PICKER = """
window.showDirectoryPicker = async () => {
  const root = await navigator.storage.getDirectory();
  const folder = await root.getDirectoryHandle('template', {create: true});
  const file = await (await folder.getFileHandle('template.yaml', {create: true})).createWritable();
  await file.write(TEMPLATE);
  await file.close();
  return folder;
};
"""


@pytest.fixture(scope="module")
def service(portal_build: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("tasks")
    (folder / "template.yaml").write_text(yaml.safe_dump(TEMPLATE))
    location = {"type": "file", "target": str(folder / "template.yaml"), "rules": [{"allow": ["Template"]}]}
    overlay = folder / "templates.yaml"
    overlay.write_text(yaml.safe_dump({"catalog": {"locations": [location]}}))
    with running_service(folder, overlay) as service:
        yield service


@pytest.fixture
def walk(page: Page, service: Service) -> Portal:
    portal = Portal(page, service.url)
    portal.sign_in()
    return portal


def test_a_task_goes_on_after_its_service_was_killed(walk: Portal, service: Service) -> None:
    expect_template(walk)
    task = walk.task(start_task(service.url, "greeting", {"name": "Ada"}))
    task.show_log()
    expect(task.log_line("Waiting for 6 seconds")).to_be_visible()
    service.kill()
    service.start()
    walk.page.reload()
    task.wait_until_ended(60)
    assert [task.step_state(name) for name in ("Begin", "Wait", "Write")] == ["completed"] * 3
    expect(task.log_line("Skipping step begin because it was already completed in a previous run")).to_be_visible()
    said = [text for text in task.log.all_text_contents() if text.endswith("info: Once only")]
    assert len(said) == 1, "the finished step did not run again"
    keep_picture(walk.page, "task-resumed")


def test_the_editor_shows_what_a_template_would_do(walk: Portal, service: Service) -> None:
    page = walk.page
    page.add_init_script(PICKER.replace("TEMPLATE", repr(yaml.safe_dump(TEMPLATE))))
    walk.open("/create/edit")
    page.get_by_role("button", name="Load Template Directory").click()
    page.get_by_role("textbox", name="Name").fill("Ada")
    page.get_by_role("button", name="Review").click()
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_text("Dry-run results")).to_be_visible()
    page.get_by_text("greeting.txt", exact=True).click()
    expect(page.get_by_text("Hello Ada").last).to_be_visible()
    keep_picture(page, "plan")
    headers = {"authorization": f"Bearer {guest_token(service.url)}"}
    tasks = httpx.get(f"{service.url}/api/scaffolder/v2/tasks", headers=headers, trust_env=False).json()["tasks"]
    assert all(task["spec"]["parameters"] == {"name": "Ada"} for task in tasks)
    assert len(tasks) <= 1, "a dry run is no task"


def expect_template(walk: Portal) -> None:
    walk.templates()
    expect(walk.page.get_by_text("Greeting")).to_be_visible(timeout=60_000)
