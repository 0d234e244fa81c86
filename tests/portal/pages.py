"""Page objects of the stock Backstage frontend, in the words a user would use; pinned by the portal's lock file.

Each page is opened by `Portal`. Methods act and wait for the effect; what a test wants to look at comes as a Locator, for
`expect`, or as plain text.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from playwright.sync_api import Locator, Page, expect

StepState = Literal["processing", "completed", "failed", "skipped", "waiting"]


def keep_picture(page: Page, name: str) -> None:
    """Keep what the page shows, where UNDERSTAGE_SCREENSHOTS names a folder for it."""
    if folder := os.environ.get("UNDERSTAGE_SCREENSHOTS"):
        page.wait_for_timeout(500)  # animations end
        page.screenshot(path=Path(folder) / f"{name}.png")


class Portal:
    """The whole site in one browser page; `problems` collects what the browser complained about."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.problems: list[str] = []
        page.on("pageerror", lambda error: self.problems.append(f"uncaught: {error}"))
        page.on("console", lambda said: self.problems.append(said.text) if said.type == "error" else None)

    def open(self, path: str) -> None:
        self.page.goto(self.url + path)

    def sign_in(self) -> None:
        """Press Enter for the guest on the sign-in page; ends on the catalog."""
        self.open("/")
        self.page.get_by_role("button", name="Enter").click()
        expect(self._sidebar_link("Settings")).to_be_visible()

    def follow_sidebar(self, name: str) -> None:
        self._sidebar_link(name).click()

    def _sidebar_link(self, name: str) -> Locator:
        return self.page.get_by_role("navigation", name="sidebar nav").get_by_role("link", name=name, exact=True)

    def toast(self, text: str) -> Locator:
        return self.page.get_by_role("alertdialog").filter(has_text=text)

    def catalog(self) -> "CatalogPage":
        self.open("/catalog")
        return CatalogPage(self.page)

    def entity(self, kind: str, name: str, namespace: str = "default") -> "EntityPage":
        self.open(f"/catalog/{namespace}/{kind}/{name}")
        return EntityPage(self.page)

    def import_page(self) -> "ImportPage":
        self.open("/catalog-import")
        return ImportPage(self.page)

    def templates(self) -> "TemplatesPage":
        self.open("/create")
        return TemplatesPage(self.page)

    def task(self, task_id: str) -> "TaskPage":
        self.open(f"/create/tasks/{task_id}")
        return TaskPage(self.page)

    def task_list(self) -> "TaskListPage":
        self.open("/create/tasks")
        return TaskListPage(self.page)

    def actions(self) -> "ActionsPage":
        self.open("/create/actions")
        return ActionsPage(self.page)


class CatalogPage:
    """The index of the catalog: filters on the left, a table on the right."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.heading = page.get_by_role("heading", level=2).filter(has_text=re.compile(r"\(\d+\)$"))
        """For example "Owned components (28)"."""
        self.names = page.locator("table tbody tr td:first-child a")
        """The links to the entities of the page that is shown."""

    def row(self, name: str) -> Locator:
        return self.page.get_by_role("row").filter(has=self.page.get_by_role("link", name=name, exact=True))

    def select(self, filter_name: Literal["Kind", "Type"], value: str) -> None:
        """The spelling of kinds differs in case between lists of them; `value` matches any."""
        self.page.get_by_label(filter_name, exact=True).get_by_role("button").click()
        self.page.get_by_role("option", name=re.compile(f"^{re.escape(value)}$", re.IGNORECASE)).click()

    def show(self, which: Literal["Owned", "Starred", "All"]) -> None:
        self.page.get_by_role("menuitem", name=re.compile(f"^{which}")).click()

    def narrow(self, filter_name: str, value: str) -> None:
        """Tick a value of Owner, Lifecycle, Tags, Namespace or Processing Status."""
        self.page.get_by_role("textbox", name=filter_name, exact=True).click()
        self.page.get_by_role("option", name=value, exact=True).click()
        self.page.keyboard.press("Escape")

    def search(self, text: str) -> None:
        self.page.get_by_role("textbox", name="Search").fill(text)

    def next_page(self) -> None:
        self.page.get_by_role("button", name="Next Page").click()

    def previous_page(self) -> None:
        self.page.get_by_role("button", name="Previous Page").click()

    def open(self, name: str) -> "EntityPage":
        self.names.get_by_text(name, exact=True).click()
        return EntityPage(self.page)


class EntityPage:
    """The page of one entity."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.title = page.get_by_role("main").get_by_role("heading", level=2).first
        self.about = self.card("About")
        self.relations_graph = self.card("Relations")
        self.processing_error = page.get_by_role("alert")

    def card(self, title: str) -> Locator:
        """A card by its heading: About, Relations, Provided APIs, Depends on components, Has components …"""
        return self.page.get_by_role("article").filter(has=self.page.get_by_role("heading", name=title, exact=True))

    def open_tab(self, name: str) -> None:
        self.page.get_by_role("navigation", name="Content navigation").get_by_role("link", name=name).click()

    def refresh(self) -> None:
        self.about.get_by_role("button", name="Refresh").click()

    def choose_action(self, name: str) -> None:
        """An item of the menu with three dots: Unregister entity, Inspect entity, Copy entity URL."""
        self.page.get_by_role("button", name="More actions").click()
        self.page.get_by_role("menuitem", name=name).click()

    def unregister(self) -> None:
        """Unregister the location of the entity, or delete it if it has none, and confirm; ends on the catalog."""
        self.choose_action("Unregister entity")
        dialog = self.page.get_by_role("dialog")
        dialog.get_by_role("button", name=re.compile("^(Unregister Location|Delete Entity)$")).click()
        self.page.wait_for_url("**/catalog?*")


class ImportPage:
    """Register an existing component."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.wizard = page.get_by_role("main").get_by_role("article").first

    def analyze(self, url: str) -> None:
        self.page.get_by_role("textbox", name="URL").fill(url)
        self.page.get_by_role("button", name="Analyze").click()

    def import_(self) -> None:
        self.page.get_by_role("button", name="Import", exact=True).click()
        expect(self.page.get_by_text("The following entities have been added to the catalog:")).to_be_visible()

    def view_component(self) -> EntityPage:
        self.page.get_by_role("button", name="View Component").click()
        return EntityPage(self.page)


class TemplatesPage:
    """The cards of all templates."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.titles = page.get_by_role("article").get_by_role("article").get_by_role("heading", level=4)

    def card(self, title: str) -> Locator:
        heading = self.page.get_by_role("heading", name=title, exact=True, level=4)
        return self.page.locator(".MuiCard-root").filter(has=heading).last

    def choose(self, title: str) -> "TemplateForm":
        self.card(title).get_by_role("button", name="Choose").click()
        return TemplateForm(self.page)


class TemplateForm:
    """The pages of a template's form and the review page at its end."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.form = page.locator("form")
        self.errors = self.form.locator("p.Mui-error")
        """What the form says below a field after Next. A required field that is empty is the browser's own business."""

    def fill(self, label: str, value: str | int) -> None:
        """Text, text area or number."""
        name = re.compile(f"^{re.escape(label)}")
        field = self.form.get_by_role("textbox", name=name).or_(self.form.get_by_role("spinbutton", name=name))
        field.fill(str(value))

    def fill_secret(self, label: str, value: str) -> None:
        self.form.get_by_label(label).fill(value)
        self.page.wait_for_timeout(500)  # the field hands its value over 300 ms after the last key

    def choose(self, label: str, option: str) -> None:
        """A value of a select, or of one of the pickers (OwnerPicker, EntityPicker …), by the text it is shown as."""
        name = re.compile(f"^{re.escape(label)}")
        picker = self.form.get_by_role("textbox", name=name)
        picker.or_(self.form.get_by_role("button", name=name)).first.click()
        self.page.get_by_role("option", name=option, exact=True).click()

    def pick(self, label: str, option: str) -> None:
        """One of the radio buttons below a label, which has a star behind it if the field is required."""
        heading = self.page.locator("label", has_text=re.compile(rf"^{re.escape(label)}\s*\*?$"))
        self.form.locator(".field").filter(has=heading).last.get_by_role("radio", name=option, exact=True).check()

    def check(self, label: str) -> None:
        self.form.get_by_role("checkbox", name=label).check()

    def fill_all(self, values: Mapping[str, str | int]) -> None:
        for label, value in values.items():
            self.fill(label, value)

    def next(self) -> None:
        self.page.get_by_role("button", name="Next", exact=True).click()

    def review(self) -> dict[str, str]:
        """Press Review; what the review page shows, by label."""
        self.page.get_by_role("button", name="Review", exact=True).click()
        expect(self.page.get_by_role("button", name="Create", exact=True)).to_be_visible()
        cells = [row.get_by_role("cell").all_inner_texts() for row in self.page.get_by_role("row").all()]
        return {label: value for label, value in (cell for cell in cells if len(cell) == 2)}

    def back(self) -> None:
        self.page.get_by_role("button", name="Back", exact=True).click()

    def create(self) -> "TaskPage":
        """Press Create on the review page; ends on the page of the new task."""
        self.press_create()
        self.page.wait_for_url(re.compile(r"/create/tasks/[^/]+$"))
        return TaskPage(self.page)

    def press_create(self) -> None:
        """Press Create and expect nothing, for a task that will be refused."""
        self.page.get_by_role("button", name="Create", exact=True).click()


# The stock page tells the state of a step by its picture alone.
_STEP_ICONS: dict[str, StepState] = {
    "M16.59 7.58": "completed",
    "M11 15h2v2": "failed",
    "M7 11v2h10v": "skipped",
}


class TaskPage:
    """A task while it runs and when it has ended."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.ended = page.locator(".MuiLinearProgress-determinate")
        """The bar above the steps, once it stands still."""
        self.error = page.get_by_role("alert")
        self.log = page.locator("a[role=row][href^='#line-'] + span")
        """The lines of the log that are in view, each with its time in front."""

    @property
    def id(self) -> str:
        return self.page.url.partition("/create/tasks/")[2].partition("?")[0]

    def show_log(self) -> None:
        """While a task runs its log is hidden behind a button."""
        self.page.get_by_role("button", name="Show Logs").click()

    def log_line(self, text: str) -> Locator:
        return self.log.filter(has_text=text)

    def step_state(self, name: str) -> StepState:
        step = self.page.locator("button.MuiStepButton-root").filter(has=self.page.get_by_text(name, exact=True))
        if step.get_by_role("progressbar").count():
            return "processing"
        icon = step.locator("svg path").first
        drawing = (icon.get_attribute("d") or "") if icon.count() else ""
        return next((state for start, state in _STEP_ICONS.items() if drawing.startswith(start)), "waiting")

    def wait_until_ended(self, seconds: float = 60) -> None:
        expect(self.ended).to_be_visible(timeout=seconds * 1000)

    def link(self, title: str) -> Locator:
        """A link of the output."""
        return self.page.get_by_role("article").get_by_role("link", name=re.compile(f"^{re.escape(title)}"))

    def links(self) -> dict[str, str]:
        """All links of the output: title to URL."""
        found = self.page.get_by_role("article").get_by_role("link").filter(has=self.page.get_by_role("button")).all()
        return {link.get_by_role("button").text_content() or "": link.get_attribute("href") or "" for link in found}

    def cancel(self) -> None:
        self.page.get_by_role("button", name="Cancel", exact=True).click()


class TaskListPage:
    """The tasks of the user, or of everybody."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def show(self, which: Literal["Owned", "All"]) -> None:
        self.page.get_by_role("menuitem", name=which).click()

    def row(self, task_id: str) -> Locator:
        return self.page.get_by_role("row").filter(has=self.page.get_by_role("link", name=task_id, exact=True))

    def open(self, task_id: str) -> TaskPage:
        self.page.get_by_role("link", name=task_id, exact=True).click()
        return TaskPage(self.page)


class ActionsPage:
    """The installed actions, with the schema of the one that is selected."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.names = page.get_by_role("grid", name="Installed actions").get_by_role("row")
        self.details = page.get_by_role("article")

    def select(self, action_id: str) -> None:
        self.names.filter(has_text=action_id).first.click()
        expect(self.page.get_by_role("heading", name=action_id, exact=True)).to_be_visible()
