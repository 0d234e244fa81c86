"""Files and names that nobody means well with: each is told as a finding, in few characters, and nothing else happens."""

import json
import os
import sys
from pathlib import Path

import pytest
from tests.store.catalog_bench import component, location
from tests.unit.validation.command import Run, findings
from typer.testing import CliRunner

from understage.catalog.processors.file_reader import MOST_PATTERNS, expand_braces
from understage.cli.main import app
from understage.errors import InputError
from understage.model.yaml import MAX_BYTES

UTF_16 = component("wide").encode("utf-16")
FILES = {
    "UTF-16": (UTF_16, "not UTF-8 text", "Save the file as UTF-8."),
    "UTF-16 without a mark": (UTF_16[2:], "U+0000 is not allowed", "save it as UTF-8"),
    "Latin 1": (component("é").encode("latin-1"), "not UTF-8 text", "Save the file as UTF-8."),
    "binary": (bytes(range(256)), "", "UTF-8"),
    "tabs": (component("x").replace("  name", "\tname").encode(), "cannot start any token", "spaces, not by tabs"),
    "a list": (b"- a\n", "Expected object at root, got object", "divided by lines of ---"),
    "bomb": (
        b"a: &a [x,x,x,x,x,x,x,x,x]\n"
        + b"".join(
            f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n".encode()
            for old, new in zip("abcdefgh", "bcdefghi", strict=True)
        ),
        "the aliases expand to more than",
        "",
    ),
    "levels": (b"a: " + b"[" * 100_000, "nested deeper than", ""),
    "too long": (b"a: " + b"x" * MAX_BYTES, "longer than the", ""),
}


@pytest.mark.parametrize(("content", "reason", "advice"), FILES.values(), ids=FILES)
def test_what_is_no_file_of_entities_is_one_finding(
    run: Run, tmp_path: Path, content: bytes, reason: str, advice: str
) -> None:
    (tmp_path / "bad.yaml").write_bytes(content)
    (tmp_path / "good.yaml").write_text(component("good"))
    result = run("bad.yaml", "good.yaml", "--format", "json")
    assert result.exit_code == 1
    [found] = findings(result)
    assert found["file"].endswith("/bad.yaml")
    assert reason in found["message"]
    assert advice in found.get("advice", "")
    assert len(result.stdout) < 2000


@pytest.mark.parametrize("form", ["text", "json", "sarif", "github"])
def test_a_broken_text_on_standard_input_is_a_finding(run: Run, form: str) -> None:
    result = run("-", "--format", form, input="a: [\n")
    assert result.exit_code == 1
    assert "stdin" in result.stdout
    assert result.stderr == ""


def test_a_mark_of_byte_order_and_other_line_ends_move_no_place(run: Run, tmp_path: Path) -> None:
    text = component("one", owner="").replace("metadata:", "metadata:\n  title: 😀é日本")
    places = []
    for name, content in {
        "plain": text.encode(),
        "bom": b"\xef\xbb\xbf" + text.encode(),
        "crlf": text.replace("\n", "\r\n").encode(),
    }.items():
        (tmp_path / name).write_bytes(content)
        [found] = findings(run(name, "--format", "json"))
        places.append((found["line"], found["column"], found["text"]))
    assert len(set(places)) == 1


def test_columns_count_characters(run: Run, tmp_path: Path) -> None:
    text = component("one").replace("metadata:", "metadata:\n  links: [{title: 😀é日本, url: nope}]")
    (tmp_path / "a.yaml").write_text(text)
    [found] = findings(run("a.yaml", "--format", "json"))
    assert found["text"][found["column"] - 1 :].startswith("nope")
    [result] = json.loads(run("a.yaml", "--format", "sarif").stdout)["runs"][0]["results"]
    region = result["locations"][0]["physicalLocation"]["region"]
    assert (region["startLine"], region["startColumn"]) == (found["line"], found["column"])


def test_a_terminal_obeys_nothing_that_a_file_says(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "two\nlines\x1b[31m"
    folder.mkdir()
    (folder / "catalog-info.yaml").write_text(component('"a\\u001b[31mred\\u0007"'))
    for form in ("text", "github"):
        shown = run(".", "--format", form).stdout
        assert "\x1b" not in shown
        assert "\x07" not in shown
        assert not any(line.startswith("lines") for line in shown.splitlines())


@pytest.mark.parametrize("form", ["text", "json", "sarif", "github"])
def test_an_output_that_lacks_characters_gets_their_numbers(run: Run, tmp_path: Path, form: str) -> None:
    (tmp_path / "ü.yaml").write_text(component("日本"))
    runner = CliRunner(charset="ascii")
    shown = runner.invoke(app, ["catalog", "validate", "ü.yaml", "--format", form], catch_exceptions=False)
    assert shown.exit_code == 1
    if form in ("json", "sarif"):
        assert "日本" in str(json.loads(shown.stdout))
    else:
        assert "\\u65e5" in shown.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux only")
def test_a_name_that_is_not_utf_8_is_told(run: Run, tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"bad\xff.yaml")).write_text(component("one"))
    for argument in ("*.yaml", os.fsdecode(b"bad\xff.yaml")):
        result = run(argument)
        assert (result.exit_code, result.stdout) == (2, "")
        assert "is not UTF-8; rename it" in result.stderr


def test_links_that_lead_nowhere_or_round_are_no_files(run: Run, tmp_path: Path) -> None:
    (tmp_path / "dangling.yaml").symlink_to("nowhere.yaml")
    (tmp_path / "self.yaml").symlink_to("self.yaml")
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "up").symlink_to("..")
    (tmp_path / "folder" / "catalog-info.yaml").write_text(component("one"))
    for argument in ("dangling.yaml", "self.yaml", "pipe.yaml", "", "/dev/zero"):
        assert run(argument).exit_code == 2
    assert run("folder").stdout == "1 entity in 1 file: nothing is wrong\n"


def test_braces_are_bounded(run: Run, tmp_path: Path) -> None:
    assert len(expand_braces("{a,b}" * 9)) == 512
    assert set(expand_braces("{a}/{b,c{d,e}}")) == {"{a}/b", "{a}/cd", "{a}/ce"}
    with pytest.raises(InputError, match=f"stand for more than {MOST_PATTERNS} patterns"):
        expand_braces("{a,b}" * 64)
    (tmp_path / "a.yaml").write_text(location("top", "./" + "{a,b}" * 64))
    [found] = findings(run("a.yaml", "--format", "json"))
    assert "more than 1000 patterns" in found["message"]
