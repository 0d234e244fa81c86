"""What extensions see: the names of the SDK, and the entry points this project registers, each as usable as a third party's."""

import importlib
import pkgutil
from importlib.metadata import EntryPoint, distribution
from types import ModuleType
from typing import Any

import jsonschema_rs
import pytest

import understage.sdk
import understage.sdk.testing
import understage_actions
from understage.sdk import Action

ENTRY_POINTS = list(distribution("understage").entry_points)


def actions_of(point: EntryPoint) -> list[Action[Any, Any]]:
    """The action of an entry point, and after it those that are the same under other ids."""
    loaded = point.load()
    return loaded if isinstance(loaded, list) else [loaded]


REGISTERED = {point.name: actions_of(point) for point in ENTRY_POINTS if point.group == "understage.actions"}
ACTIONS = [action for actions in REGISTERED.values() for action in actions]


@pytest.mark.parametrize("module", [understage.sdk, understage.sdk.testing], ids=lambda module: module.__name__)
def test_the_public_names_are_those_in_all(module: ModuleType) -> None:
    public = {
        name for name, value in vars(module).items() if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    assert sorted(module.__all__) == sorted(public)
    assert len(module.__all__) == len(set(module.__all__))


@pytest.mark.parametrize("point", ENTRY_POINTS, ids=lambda point: f"{point.group}/{point.name}")
def test_entry_points_load(point: EntryPoint) -> None:
    # A plugin of pytest is a module, actions may have several ids; everything else is called.
    if point.group == "pytest11":
        assert isinstance(point.load(), ModuleType)
    elif point.group == "understage.actions":
        assert all(isinstance(action, Action) for action in actions_of(point))
    else:
        assert callable(point.load())


def test_every_action_is_registered_under_its_id() -> None:
    assert {name: actions[0].id for name, actions in REGISTERED.items()} == {
        actions[0].id.replace(":", "."): actions[0].id for actions in REGISTERED.values()
    }
    modules = [
        importlib.import_module(f"understage_actions.{module.name}")
        for module in pkgutil.iter_modules(understage_actions.__path__)
    ]
    written = {value.id for module in modules for value in vars(module).values() if isinstance(value, Action)}
    assert written == {actions[0].id for actions in REGISTERED.values()}


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.id)
def test_every_action_has_examples_that_are_valid_input(action: Action[Any, Any]) -> None:
    assert action.examples
    schema = jsonschema_rs.validator_for(action.input_schema())
    for example in action.examples:
        action.parse_input(example.input)
        assert [error.message for error in schema.iter_errors(example.input)] == []
