"""How actions of installed packages are found."""

import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from understage import __version__
from understage.errors import ConflictError, NotFoundError
from understage.scaffolder.actions import ActionRegistry, DuplicateActionError
from understage.scaffolder.pins import check_pin, pin, without_pins


def point(name: str, value: str) -> EntryPoint:
    return EntryPoint(name=name, value=value, group="understage.actions")


def test_actions_are_found_by_entry_points_and_listed_by_id() -> None:
    registry = ActionRegistry.from_entry_points(
        [point("b", "tests.unit.scaffolder.road:tell"), point("a", "tests.unit.scaffolder.road:crash")]
    )
    assert [action.id for action in registry.all()] == ["test:crash", "test:secret"]
    assert registry.get("test:crash").description == "Breaks in a way nobody foresaw"
    with pytest.raises(NotFoundError, match="Template action with ID 'x' is not registered"):
        registry.get("x")


def test_two_plugins_with_one_id_are_both_named() -> None:
    with pytest.raises(DuplicateActionError) as caught:
        ActionRegistry.from_entry_points(
            [point("a", "tests.unit.scaffolder.road:say"), point("b", "tests.unit.scaffolder.road:ACTIONS")]
        )
    assert "tests.unit.scaffolder.road:say" in str(caught.value)
    assert "tests.unit.scaffolder.road:ACTIONS" in str(caught.value)


def test_a_broken_plugin_is_reported_and_skipped() -> None:
    registry = ActionRegistry.from_entry_points(
        [
            point("gone", "no_such_package:action"),
            point("wrong", "tests.unit.scaffolder.road:ANNA"),
            point("good", "tests.unit.scaffolder.road:say"),
        ]
    )
    assert [action.id for action in registry.all()] == ["test:say"]
    assert [plugin.name for plugin in registry.broken] == ["gone", "wrong"]
    assert "no_such_package" in registry.broken[0].reason
    assert "is no action" in registry.broken[1].reason


def test_the_installed_actions_all_load_and_can_be_described() -> None:
    registry = ActionRegistry.from_entry_points()
    assert registry.broken == ()
    described = registry.describe()
    assert {"helm:render-values", "kubernetes:create-namespace"} <= {action["id"] for action in described}
    for action in registry.all():
        for example in action.examples:
            if "${{" not in str(example.input):
                registry.parse_input(action, example.input, None)


def test_our_own_actions_are_loaded_when_one_is_asked_for() -> None:
    script = """
import sys
from understage.scaffolder.actions import ActionRegistry
registry = ActionRegistry.when_asked()
print([name for name in sys.modules if name.startswith("understage_actions.")])
print(registry.get("debug:log").id, len(registry.all()) > 80, registry.broken)
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout.splitlines() == ["[]", "debug:log True ()"]


def test_actions_of_other_packages_are_loaded_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = point("acme", "acme_actions.missing:action")
    monkeypatch.setattr("understage.scaffolder.actions.installed", lambda group: [theirs])
    assert [plugin.target for plugin in ActionRegistry.when_asked().broken] == ["acme_actions.missing:action"]


def test_every_installed_action_is_of_a_package() -> None:
    registry = ActionRegistry.when_asked()
    assert {registry.origin(action.id) for action in registry.all()} == {f"understage {__version__}"}
    assert registry.origin("acme:nothing") is None


def test_a_task_is_held_to_the_packages_of_its_actions() -> None:
    spec = {"steps": [{"action": "a:b"}, {"action": "plugin:c"}]}
    pinned = pin(spec, {"a:b": "acme 1.0"}.get)
    assert without_pins(pinned) == spec
    assert check_pin(pinned, "a:b", {"a:b": "acme 1.0"}.get) is None
    assert check_pin(pinned, "plugin:c", {}.get) is None
    assert (
        check_pin(pinned, "a:b", {"a:b": "acme 1.1"}.get)
        == "a:b is of acme 1.1 now; the task was created with acme 1.0"
    )
    for action_id, others in (("a:b", {"a:b": "acme-evil 1.0"}), ("a:b", {}), ("plugin:c", {"plugin:c": "acme 1.0"})):
        with pytest.raises(ConflictError, match="create the task anew"):
            check_pin(pinned, action_id, others.get)
    assert check_pin(spec, "a:b", {}.get) is None, "a task of the release before"
