"""The stock actions of the scaffolder and its modules beside ours: inputs and outputs that mean the same.

The modules are installed apart from the stock backend, which runs without them.
"""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.contract.installation import install_packages, lacking
from tests.contract.json_schemas import meaning
from tests.databases import require

from understage.scaffolder.actions import ActionRegistry
from understage.sdk import Action

STOCK = Path(__file__).with_name("stock_actions")
COUNT = 45
INPUTS = {"debug:wait": ["milliseconds", "minutes", "seconds"]}
"""Ours refuse negative times."""
VARIANTS = {"catalog:register"}
"""Ours take members of the other variant as well."""
OUTPUTS = {
    "catalog:register": "declared",
    "catalog:fetch": "entities are objects",
    "publish:github:pull-request": "there are none where nothing changed",
    "publish:gitlab": "there is no commit where nothing is pushed",
}

Stock = dict[str, dict[str, Any]]
Own = dict[str, Action[Any, Any]]


@pytest.fixture(scope="session")
def stock() -> Stock:
    """The stock actions by id."""
    missing = lacking()
    require(missing is None, missing or "")
    packages = install_packages(STOCK, "stock-actions")
    node = shutil.which("node")
    assert node is not None
    told = subprocess.run([node, STOCK / "dump.cjs", packages], capture_output=True, text=True, check=True)
    return {action["id"]: action for action in json.loads(told.stdout)}


@pytest.fixture(scope="session")
def own() -> Own:
    """Ours by id."""
    return {action.id: action for action in ActionRegistry.from_entry_points().all()}


def test_which_stock_actions_are_there(stock: Stock, own: Own) -> None:
    assert len(stock) == COUNT
    assert stock.keys() <= own.keys()


def test_inputs_mean_the_same(stock: Stock, own: Own) -> None:
    different = {}
    for id in sorted((stock.keys() & own.keys()) - VARIANTS):
        theirs, ours = meaning(stock[id]["schema"].get("input", {})), meaning(own[id].input_schema())
        if theirs != ours:
            assert {**theirs, "properties": ...} == {**ours, "properties": ...}, id
            assert theirs["properties"].keys() == ours["properties"].keys(), id
            names = sorted(theirs["properties"])
            different[id] = [name for name in names if ours["properties"][name] != theirs["properties"][name]]
    assert different == INPUTS


def test_the_variants_of_an_input_have_the_same_members(stock: Stock, own: Own) -> None:
    for id in VARIANTS:
        ours = meaning(own[id].input_schema())
        for variant in meaning(stock[id]["schema"]["input"]):
            same = next(found for found in ours if found["required"] == variant["required"])
            assert variant["properties"].items() <= same["properties"].items()


def test_outputs_promise_the_same_or_more(stock: Stock, own: Own) -> None:
    for id in sorted((stock.keys() & own.keys()) - OUTPUTS.keys()):
        theirs, ours = meaning(stock[id]["schema"].get("output", {})), meaning(own[id].output_schema() or {})
        assert ours.get("properties", {}) == theirs.get("properties", {}), id
        assert set(ours.get("required", ())) >= set(theirs.get("required", ())), id


def test_declared_defaults_dry_runs_and_optional_outputs_differ_on_purpose(stock: Stock, own: Own) -> None:
    def default(schema: dict[str, Any]) -> Any:
        return schema["properties"]["defaultBranch"].get("default")

    assert default(stock["publish:github"]["schema"]["input"]) == "master"
    assert default(own["publish:github"].input_schema()) == "main"
    forges = {id for id in stock.keys() & own.keys() if "git" in id}
    assert all(own[id].supports_dry_run for id in forges)
    assert sum(stock[id]["supportsDryRun"] for id in forges) < len(forges) / 2
    for id, optional in {
        "publish:github:pull-request": {"pullRequestNumber", "remoteUrl", "targetBranchName"},
        "publish:gitlab": {"commitHash"},
    }.items():
        theirs, ours = stock[id]["schema"]["output"], own[id].output_schema() or {}
        assert set(theirs["required"]) - set(ours.get("required", ())) == optional
        assert theirs["properties"].keys() == ours["properties"].keys()


def test_actions_are_described_and_their_examples_are_valid(stock: Stock, own: Own) -> None:
    for id in sorted(stock.keys() & own.keys()):
        assert own[id].description, id
        assert own[id].examples, id
        for example in own[id].examples:
            own[id].parse_input(example.input)
