"""Bundles of `$openapi` mean what the files mean to the reference parser that the stock module uses."""

import json
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.contract.installation import Installation

from understage.catalog.processors.bundling import Bundling, Source, external_references, split_reference

SCRIPT = Path(__file__).with_name("bundling.cjs")


def make_files(seed: int) -> dict[str, Any]:
    """Files that refer to later ones only, so that every reference can be replaced by what it names."""
    chance = random.Random(seed)
    count = chance.randint(2, 6)

    def value(number: int, depth: int) -> Any:
        kind = chance.random()
        if number + 1 < count and kind < 0.45:
            later = chance.randrange(number + 1, count)
            reference = {"$ref": f"f{later}.json" + chance.choice(["", "#/a", "#/b~1c", "#/b~1c/a"])}
            return reference | ({"title": f"t{chance.randint(0, 9)}"} if chance.random() < 0.2 else {})
        if depth > 2 or kind < 0.6:
            return {"type": chance.choice(["string", "integer"]), "n": chance.randint(0, 3)}
        return {name: value(number, depth + 1) for name in ("a", "x", "list")} | {"items": [value(number, depth + 1)]}

    return {
        f"f{number}.json": {"a": value(number, 0), "b/c": {"a": value(number, 1), "k": number}, "z": value(number, 0)}
        for number in range(count)
    }


def ours(files: dict[str, Any]) -> Any:
    sources = {}
    for name, value in files.items():
        targets = {split_reference(reference)[0] for reference in external_references(value)}
        sources[name] = Source(value, {target: target for target in targets})
    return Bundling(sources, "f0.json").run()


@pytest.mark.parametrize("seed", range(12))
def test_bundles_mean_the_same(seed: int, stock_installation: Installation, tmp_path: Path) -> None:
    stock_installation.compose(tmp_path / "node")
    script = tmp_path / "node" / SCRIPT.name
    script.write_text(SCRIPT.read_text())
    files = make_files(seed)
    for name, value in files.items():
        (tmp_path / name).write_text(json.dumps(value))
    bundle = ours(files)
    assert list(external_references(bundle)) == []
    done = subprocess.run(
        [str(stock_installation.node), str(script)],
        input=json.dumps({"root": str(tmp_path / "f0.json"), "ours": bundle}),
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path / "node",
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["ours"] == answer["meant"]
