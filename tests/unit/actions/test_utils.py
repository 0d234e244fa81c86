"""`utils:*`: values and files of the workspace, and what is refused."""

import json
import stat
import zipfile
from pathlib import Path
from typing import Any

import pytest

from understage.errors import InputError, NotAllowedError, NotFoundError
from understage.scaffolder.actions import ActionRegistry
from understage.sdk import Action
from understage.sdk.testing import Checkpoints, run_action
from understage_actions import utils_sleep
from understage_actions.utils_fs_parse import parse
from understage_actions.utils_fs_replace import replace
from understage_actions.utils_fs_write import append, write
from understage_actions.utils_jsonata import jsonata, transform_json, transform_yaml
from understage_actions.utils_merge import json_merge, merge
from understage_actions.utils_serialize import serialize_json, serialize_yaml
from understage_actions.utils_sleep import sleep
from understage_actions.utils_zip import unzip, zip

PEERS = [
    "fs:append", "fs:parse", "fs:replace", "fs:write", "json:merge", "jsonata", "jsonata:json:transform",
    "jsonata:yaml:transform", "merge", "serialize:json", "serialize:yaml", "sleep", "zip",
]  # fmt: skip


async def run(action: Action[Any, Any], workspace: Path, **input: Any) -> dict[str, Any]:
    return (await run_action(action, input, workspace=workspace)).output


def test_the_ids_of_the_peers_name_the_same_actions() -> None:
    registry = ActionRegistry.from_entry_points()
    for name in PEERS:
        ours, theirs = registry.get(f"utils:{name}"), registry.get(f"roadiehq:utils:{name}")
        assert ours.handler is theirs.handler
        assert ours.input_schema() == theirs.input_schema()


async def test_files_are_written_and_appended_to(tmp_path: Path) -> None:
    assert await run(write, tmp_path, path="a/b.json", content='{"x":[1]}') == {"path": "a/b.json"}
    assert (tmp_path / "a/b.json").read_text() == '{\n  "x": [\n    1\n  ]\n}'
    await run(write, tmp_path, path="a/b.json", content='{"x":[1]}', preserveFormatting=True)
    assert (tmp_path / "a/b.json").read_text() == '{"x":[1]}'
    await run(append, tmp_path, path="log/x.txt", content="one\r\n")
    await run(append, tmp_path, path="log/x.txt", content="two")
    assert (tmp_path / "log/x.txt").read_bytes() == b"one\r\ntwo"


async def test_files_are_read_in_each_format(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("on: 012\n---\nb: [1, 2.5, yes]\n")
    (tmp_path / "a.json").write_text('{"a": null}')
    assert await run(parse, tmp_path, path="a.json") == {"content": '{"a": null}'}
    assert await run(parse, tmp_path, path="a.json", parser="json") == {"content": {"a": None}}
    several = await run(parse, tmp_path, path="a.yaml", parser="multiyaml")
    assert several == {"content": [{"on": 12}, {"b": [1, 2.5, "yes"]}]}
    with pytest.raises(InputError, match=r"a\.yaml"):
        await run(parse, tmp_path, path="a.yaml", parser="yaml")
    (tmp_path / "deep.json").write_text("[" * 200_000)
    with pytest.raises(InputError, match="nested too deeply"):
        await run(parse, tmp_path, path="deep.json", parser="json")
    with pytest.raises(NotFoundError, match="absent"):
        await run(parse, tmp_path, path="absent")


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../x", "link/x", "dangling"])
async def test_no_path_leads_out(path: str, tmp_path: Path) -> None:
    workspace, outside = tmp_path / "workspace", tmp_path / "outside"
    workspace.mkdir()
    outside.mkdir()
    (workspace / "link").symlink_to(outside)
    (workspace / "dangling").symlink_to(outside / "new")
    for action in (write, append):
        with pytest.raises(NotAllowedError):
            await run(action, workspace, path=path, content="x")
    with pytest.raises(NotAllowedError):
        await run(parse, workspace, path=path)
    with pytest.raises(NotAllowedError):
        await run(zip, workspace, path=path, outputPath="a.zip")
    with pytest.raises(NotAllowedError):
        await run(json_merge, workspace, path=path, content={})
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize(
    ("find", "with_", "is_regex", "expected"),
    [
        ("a.b", "X", False, "X a-b a-b"),
        ("a.b", "X", True, "X X X"),
        (r"(\w)-(\w)", "$2$1", True, "a.b ba ba"),
        ("a", "[$&$$$9]", True, "[a$$9].b [a$$9]-b [a$$9]-b"),
        (r"(?<first>a)\.", "$<first>!", True, "a!b a-b a-b"),
        ("a", r"\1\g<0>", True, r"\1\g<0>.b \1\g<0>-b \1\g<0>-b"),
    ],
)
async def test_replacements(find: str, with_: str, is_regex: bool, expected: str, tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("a.b a-b a-b")
    step = {"file": "*.txt", "find": find, "replaceWith": with_, "matchRegex": is_regex}
    await run(replace, tmp_path, files=[step])
    assert (tmp_path / "x.txt").read_text() == expected


async def test_a_replacement_leaves_alone_what_is_not_meant(tmp_path: Path) -> None:
    outside = tmp_path / "outside.txt"
    workspace = tmp_path / "workspace"
    (workspace / ".git").mkdir(parents=True)
    for file in (outside, workspace / ".env", workspace / ".git" / "config", workspace / "a.txt"):
        file.write_text("old")
    (workspace / "link.txt").symlink_to(outside)
    (workspace / "binary").write_bytes(b"old\xff")
    await run(replace, workspace, files=[{"file": "**", "find": "old", "replaceWith": "new"}])
    texts = {path.name: path.read_bytes() for path in (outside, *sorted(workspace.rglob("*"))) if path.is_file()}
    assert {name for name, text in texts.items() if text == b"new"} == {"a.txt"}
    both = {"file": "**", "find": "old", "replaceWith": "new", "includeDotFiles": True}
    await run(replace, workspace, files=[both])
    assert (workspace / ".env").read_text() == "new"
    assert (workspace / ".git" / "config").read_text() == "old"
    with pytest.raises(NotAllowedError):
        await run(replace, workspace, files=[{**both, "file": "../*"}])


async def test_an_expression_that_takes_too_long_is_broken_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("understage_actions.utils_fs_replace.PATTERN_SECONDS", 0.2)
    (tmp_path / "x.txt").write_text("a" * 60 + "!")
    step = {"file": "x.txt", "find": "(a|a|aa)+$", "replaceWith": "b", "matchRegex": True}
    with pytest.raises(InputError, match="took longer than"):
        await run(replace, tmp_path, files=[step])
    with pytest.raises(InputError, match="is no regular expression"):
        await run(replace, tmp_path, files=[{**step, "find": "(a"}])


async def test_maps_merge_and_arrays_as_asked(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text('{"a": {"b": 1, "c": [1]}, "d": 2}')
    await run(merge, tmp_path, path="a.json", content={"a": {"c": [2], "e": None}})
    assert json.loads(file.read_text()) == {"a": {"b": 1, "c": [2], "e": None}, "d": 2}
    await run(merge, tmp_path, path="a.json", content='{"a": {"c": [3]}}', mergeArrays=True)
    assert json.loads(file.read_text())["a"]["c"] == [2, 3]
    with pytest.raises(InputError, match="content is not JSON"):
        await run(merge, tmp_path, path="a.json", content="{")
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(InputError, match=r"neither \.json nor"):
        await run(merge, tmp_path, path="a.txt", content={})
    with pytest.raises(NotFoundError):
        await run(merge, tmp_path, path="absent.yaml", content={})


SEVERAL = '# top\nkind: Service\n---\nkind: Deployment # the one\nspec:\n  replicas: 1 # few\n  tag: "1.0"\n'


async def test_one_document_of_several_keeps_its_comments(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(SEVERAL)
    step = {"path": "a.yaml", "content": {"spec": {"replicas": 3}}}
    with pytest.raises(InputError, match="2 documents: say which"):
        await run(merge, tmp_path, **step)
    with pytest.raises(InputError, match=r"0 documents of a\.yaml have kind 'Pod'"):
        await run(merge, tmp_path, **step, useDocumentIncludingField={"key": "kind", "value": "Pod"})
    one = {**step, "useDocumentIncludingField": {"key": "kind", "value": "Deployment"}}
    await run(merge, tmp_path, **one, preserveYamlComments=True)
    assert file.read_text() == SEVERAL.replace("replicas: 1", "replicas: 3")
    await run(merge, tmp_path, **one)
    assert file.read_text() == "kind: Service\n---\nkind: Deployment\nspec:\n  replicas: 3\n  tag: '1.0'\n"


async def test_a_json_file_is_made_or_keeps_its_indentation(tmp_path: Path) -> None:
    await run(json_merge, tmp_path, path="new.json", content={"a": 1})
    assert (tmp_path / "new.json").read_text() == '{\n  "a": 1\n}'
    (tmp_path / "tabs.json").write_text('{\n\t"a": 1\n}')
    await run(json_merge, tmp_path, path="tabs.json", content={"b": [2]}, matchFileIndent=True)
    assert (tmp_path / "tabs.json").read_text() == '{\n\t"a": 1,\n\t"b": [\n\t\t2\n\t]\n}'


async def test_values_become_texts(tmp_path: Path) -> None:
    data = {"a": {"b": "ü", "c": 1}, "b": [1, {"c": 2, "b": 3}]}
    assert await run(serialize_json, tmp_path, data=data, replacer=["b", "c"]) == {
        "serialized": '{"b":[1,{"c":2,"b":3}]}'
    }
    assert (await run(serialize_json, tmp_path, data=[1], space="--"))["serialized"] == "[\n--1\n]"
    assert (await run(serialize_yaml, tmp_path, data={"a": "on"}))["serialized"] == "a: 'on'\n"


@pytest.mark.parametrize(
    ("expression", "data", "expected"),
    [
        ("$sum(items.price)", {"items": [{"price": 3}, {"price": 4}]}, 7),
        ("items[price > 3].name", {"items": [{"price": 4, "name": "a"}]}, "a"),
        ("nothing", {"a": 1}, None),
        ('{"a": b.c, "n": null}', {"b": {"c": [1, 2]}}, {"a": [1, 2], "n": None}),
        ("$map([1..3], function($v){$v * 2})", {}, [2, 4, 6]),
        ("10 / 4", {}, 2.5),
        ("10 / 5", {}, 2),
        ("function($x){$x}", {}, None),
    ],
)
async def test_jsonata(expression: str, data: Any, expected: Any, tmp_path: Path) -> None:
    assert (await run(jsonata, tmp_path, expression=expression, data=data))["result"] == expected


@pytest.mark.parametrize(
    "expression",
    ["a[", "$error('no')", "($f := function($x){$f($x+1)}; $f(0))", "($f := function($x){1 + $f($x+1)}; $f(0))",
     '$match("' + "a" * 40 + '!", /^(a+)+$/)', '$pad("x", 1000000000)', "[1..100000000]"],
)  # fmt: skip
async def test_an_expression_that_fails_or_needs_too_much_is_told(
    expression: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("understage_actions._jsonata.TIME_LIMIT", 5.0)
    with pytest.raises(InputError, match="JSONata failed to evaluate the expression: "):
        await run(jsonata, tmp_path, expression=expression)


async def test_jsonata_over_files(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"a": {"b": 1, "c": 2}}')
    (tmp_path / "a.yaml").write_text("a: 1\n---\na: 2\n")
    assert (await run(transform_json, tmp_path, path="a.json", expression="a"))["result"] == '{"b":1,"c":2}'
    step = {"path": "a.json", "expression": "a", "replacer": ["c"], "space": " "}
    assert (await run(transform_json, tmp_path, **step))["result"] == '{\n "c": 2\n}'
    assert (await run(transform_json, tmp_path, **step, **{"as": "object"}))["result"] == {"b": 1, "c": 2}
    all_ = {"path": "a.yaml", "expression": "$.a", "loadAll": True}
    assert (await run(transform_yaml, tmp_path, **all_))["result"] == "- 1\n- 2\n"
    assert (await run(transform_yaml, tmp_path, **all_, **{"as": "object"}))["result"] == [1, 2]


async def test_a_zip_is_the_same_for_the_same_files_and_comes_back(tmp_path: Path) -> None:
    (tmp_path / "src" / "deep").mkdir(parents=True)
    (tmp_path / "src" / "deep" / "a.txt").write_text("a")
    (tmp_path / "src" / "run.sh").write_text("#!/bin/sh\n")
    (tmp_path / "src" / "run.sh").chmod(0o755)
    assert await run(zip, tmp_path, path="src", outputPath="dist/a.zip") == {"outputPath": "dist/a.zip"}
    first = (tmp_path / "dist/a.zip").read_bytes()
    (tmp_path / "src" / "run.sh").touch()
    await run(zip, tmp_path, path="src", outputPath="dist/a.zip")
    assert (tmp_path / "dist/a.zip").read_bytes() == first
    result = await run(unzip, tmp_path, path="dist/a.zip", targetPath="back")
    assert sorted(result["files"]) == ["back/deep/a.txt", "back/run.sh"]
    assert (tmp_path / "back" / "run.sh").stat().st_mode & 0o100
    with pytest.raises(NotFoundError, match="absent"):
        await run(zip, tmp_path, path="absent", outputPath="a.zip")


def link(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return entry


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([("../x", "a")], "does not belong"),
        ([("/x", "a")], "does not belong"),
        ([("a/../../x", "a")], "does not belong"),
        ([("C:\\x", "a")], "does not belong"),
        ([(".git/hooks/pre-push", "a")], "does not belong"),
        ([(link("x"), "/etc/passwd")], "no plain file"),
        ([("a.txt", "1"), ("A.txt", "2")], "more than once"),
        ([(str(number), "") for number in range(10_001)], "more than 10000 files"),
    ],
    ids=["climbs", "absolute", "climbs later", "drive", "git", "link", "twice", "many"],
)
async def test_hostile_archives_leave_nothing(entries: Any, message: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name, content in entries:
            archive.writestr(name, content)
    with pytest.raises((InputError, NotAllowedError), match=message):
        await run(unzip, tmp_path, path="a.zip", targetPath="out")
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


async def test_an_archive_that_swells_is_broken_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("understage_actions.utils_zip.MAX_BYTES", 1_000_000)
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(2_000_000))
    honest = (tmp_path / "a.zip").read_bytes()
    with pytest.raises(InputError, match="more than 1000000 bytes"):
        await run(unzip, tmp_path, path="a.zip")
    small = (1000).to_bytes(4, "little")
    (tmp_path / "a.zip").write_bytes(honest.replace((2_000_000).to_bytes(4, "little"), small))
    with pytest.raises(InputError):
        await run(unzip, tmp_path, path="a.zip")
    assert not (tmp_path / "zeros").exists() or (tmp_path / "zeros").stat().st_size <= 1_000_000


async def test_a_pause_that_began_before_is_not_begun_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    now = [1000.0]

    async def pause(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(utils_sleep.time, "time", lambda: now[0])
    monkeypatch.setattr(utils_sleep.asyncio, "sleep", pause)
    checkpoints = Checkpoints()
    for now[0] in (1000.0, 1045.0, 1100.0):
        await run_action(sleep, {"amount": 60}, workspace=tmp_path, checkpoints=checkpoints)
    assert slept == [60.0, 15.0, 0.0]
    result = await run_action(sleep, {"amount": 60}, workspace=tmp_path, dry_run=True)
    assert (result.log, slept) == (["Would wait 60 seconds"], [60.0, 15.0, 0.0])
    with pytest.raises(InputError):
        await run(sleep, tmp_path, amount=1e9)
