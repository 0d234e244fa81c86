"""The composition of the frontend that is shipped with the package."""

import json
import re

from understage.portal.bundle import FRONTEND, bundle_inputs


def test_everything_that_the_build_needs_is_shipped() -> None:
    names = {path.relative_to(FRONTEND).as_posix() for path in bundle_inputs()}

    assert names == {
        ".npmrc",
        "app-config.yaml",
        "package-lock.json",
        "package.json",
        "public/favicon.svg",
        "public/index.html",
        "src/index.jsx",
    }


def test_the_lock_file_names_no_registry() -> None:
    """The user's npm settings say where packages come from."""
    text = (FRONTEND / "package-lock.json").read_text(encoding="utf-8")

    assert '"resolved"' not in text
    packages = json.loads(text)["packages"]
    unchecked = [name for name, package in packages.items() if name and "integrity" not in package]
    assert [name for name in unchecked if not packages[name].get("inBundle")] == []


def test_every_part_of_backstage_is_pinned_by_the_lock_file() -> None:
    package = json.loads((FRONTEND / "package.json").read_text(encoding="utf-8"))
    locked = json.loads((FRONTEND / "package-lock.json").read_text(encoding="utf-8"))["packages"]

    for name, version in package["dependencies"].items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", locked[f"node_modules/{name}"]["version"])
        if name.startswith("@backstage/plugin-"):
            assert locked[f"node_modules/{name}"]["version"] == version
