"""`understage template lint`: what it finds in templates and in the files they render, where, and how it ends."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from tests.unit.validation.command import Run, findings, places
from typer.testing import CliRunner, Result

from understage.cli.main import app
from understage.model.yaml import parse_document

ROOT = Path(__file__).parents[3]
HEAD = """\
apiVersion: scaffolder.backstage.io/v1beta3
kind: Template
metadata: {name: t}
spec:
  type: service
  parameters: {properties: {name: {type: string}}, dependencies: {name: {oneOf: [{properties: {other: {}}}]}}}
"""
FETCH = "{id: f, action: fetch:template, input: {url: ./skeleton, values: {name: x, optional: y}}}"


@pytest.fixture
def lint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, **options: Any) -> Result:
        return CliRunner().invoke(app, ["template", "lint", *arguments], catch_exceptions=False, **options)

    return run


def write(folder: Path, *steps: str, output: str = "{}") -> None:
    lines = "".join(f"    - {step}\n" for step in steps)
    (folder / "template.yaml").write_text(f"{HEAD}  steps:\n{lines}  output: {output}\n")


def write_file(folder: Path, text: str, name: str = "a.txt", step: str = FETCH) -> None:
    write(folder, step)
    path = folder / "skeleton" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def messages(result: Result) -> list[str]:
    return [f"{found['rule']} {found['level']}: {found['message']}" for found in findings(result)]


IN_TEMPLATES = {
    "a step that comes later": (
        "message: '${{ steps.publish.output.remoteUrl }}'",
        "the step publish does not come before",
    ),
    "the step itself": ("message: '${{ steps.log.output.x }}'", "the step log does not come before"),
    "a step of no one": (
        "message: '${{ steps.fitch.output.x }}'",
        "no step has the id fitch in ${{ steps.fitch.output.x }}",
    ),
    "an output that an action does not give": (
        "message: '${{ steps.catalog.output.entitee }}'",
        "the step catalog gives no output entitee in ${{ steps.catalog.output.entitee }}: it renders as nothing; did you",
    ),
    "no output at all": ("message: '${{ steps.files.output.x }}'", "the step files gives no output x"),
    "outputs for output": ("message: '${{ steps.catalog.outputs.entity }}'", "a step has output only, no outputs"),
    "a hyphen that subtracts": ("message: '${{ steps.my-id.output.x }}'", "id is not known in `input` of a step"),
    "a name of files": ("message: '${{ values.name }}'", "values is not known in `input` of a step"),
    "an item without a loop": ("message: '${{ each.value }}'", "each is not known in `input` of a step"),
    "an unknown filter": (
        "message: '${{ user.ref | uper }}'",
        "unknown filter uper in ${{ user.ref | uper }}; did you mean upper?",
    ),
    "an unknown test": ("message: '${{ user.ref is foo }}'", "unknown test foo"),
    "an unknown function": ("message: '${{ now() }}'", "unknown function now()"),
}


@pytest.mark.parametrize(("given", "expected"), IN_TEMPLATES.values(), ids=IN_TEMPLATES)
def test_names_that_are_not_there_are_found(lint: Run, tmp_path: Path, given: str, expected: str) -> None:
    write(
        tmp_path,
        "{id: files, action: 'fs:delete', input: {files: [x]}}",
        "{id: catalog, action: 'catalog:fetch', input: {entityRef: a}}",
        f"{{id: log, action: 'debug:log', input: {{{given}}}}}",
        "{id: publish, action: 'publish:repository', input: {owner: a, name: b}}",
    )
    result = lint(".", "--format", "json")
    assert any(expected in message for message in messages(result)), messages(result)
    assert (result.exit_code, {found["line"] for found in findings(result)}) == (1, {10})


def test_secrets_are_known_where_they_are_given(lint: Run, tmp_path: Path) -> None:
    write(
        tmp_path,
        "{id: a, action: 'debug:log', if: '${{ secrets.x }}'}",
        "{id: b, action: 'debug:log', if: '${{ secrets.x }}', each: ['${{ secrets.x }}'], input: {message: '${{ secrets.x }}'}}",
        output="{a: '${{ secrets.x }}'}",
    )
    assert places(lint(".", "--format", "json")) == [("template-name", 8, 40), ("template-name", 10, 15)]


def test_a_field_that_the_form_does_not_have_is_a_warning(lint: Run, tmp_path: Path) -> None:
    asked = "'${{ parameters.nmae }} ${{ parameters.other }} ${{ parameters.extra | default(1) }}'"
    write(tmp_path, f"{{action: 'debug:log', input: {{message: {asked}}}}}")
    [found] = findings(lint(".", "--format", "json"))
    assert (found["level"], found["message"]) == (
        "warning",
        "the form has no field nmae in ${{ parameters.nmae }}: it renders as nothing; did you mean name?",
    )
    assert (lint(".").exit_code, lint(".", "--strict").exit_code) == (0, 1)


WORKFLOW = """\
on: push
jobs:
  build:
    env:
      TOKEN: ${{ secrets.TOKEN }}
      NAME: ${{ values.name }}
"""
KEEP = (
    "To keep it as it is, list the file in copyWithoutTemplating, or write {% raw %} before and {% endraw %} behind it"
)
IN_FILES = {
    "a secret of GitHub": (
        WORKFLOW,
        ("skeleton-name", 5, 18),
        f"secrets.TOKEN is GitHub's, and files know `values` only. {KEEP}",
    ),
    "a context of GitHub": ("a\n  ${{ github.ref }}", ("skeleton-name", 2, 7), "github.ref is GitHub's"),
    "an operator of GitHub": ("${{ github.a && x }}", ("skeleton-expression", 1, 14), KEEP),
    "a function of GitHub": ("${{ hashFiles('x') }}", ("skeleton-expression", 1, 5), KEEP),
    "a status of GitHub": ("${{ always() }}", ("skeleton-expression", 1, 5), "unknown function always()"),
    "a name of steps": (
        "${{ parameters.name }}",
        ("skeleton-name", 1, 5),
        "Pass it in the step's `values` and write values.name",
    ),
    "a value that the step does not give": ("${{ values.nmae }}", ("skeleton-name", 1, 5), "values.nmae is not among"),
    "the length of an array in a shell": ("x\necho ${#list[@]}\n", ("skeleton-name", 2, 6), "${#list[@]} would vanish"),
    "an unknown filter": ("${{ values.name | shout }}", ("skeleton-expression", 1, 5), "unknown filter shout"),
    "a tag that is never closed": ("{% if values.name %}", ("skeleton-expression", 1, 1), "Missing endif tag"),
}


@pytest.mark.parametrize(("text", "place", "expected"), IN_FILES.values(), ids=IN_FILES)
def test_what_would_vanish_from_a_file_is_found(
    lint: Run, tmp_path: Path, text: str, place: tuple[str, int, int], expected: str
) -> None:
    write_file(tmp_path, text, ".github/workflows/ci.yaml")
    result = lint(".", "--format", "json")
    [found] = findings(result)
    assert (found["rule"], found["line"], abs(found["column"] - place[2]) <= 14) == (*place[:2], True)
    assert found["file"] == f"file:{tmp_path}/skeleton/.github/workflows/ci.yaml"
    assert expected in found["message"]
    assert found["text"] == text.split("\n")[place[1] - 1]


FINE = {
    "raw": "{% raw %}${{ secrets.X }}{% endraw %}",
    "an escape": "${{ '${{' }} secrets.X }}",
    "what is asked for": "{% if values.extra %}${{ values.extra }}{% endif %}",
    "a default": "${{ values.extra | default('x') }} ${{ values.more or 'y' }}",
    "what the file sets": "{% set x = values.name %}${{ x }}{% for y in [1] %}${{ y }}${{ loop.index }}{% endfor %}",
    "a macro": "{% macro m(a, b=1) %}${{ a }}${{ b }}{% endmacro %}${{ m(values.name) }}",
    "methods": "${{ values.name.toUpperCase() }} ${{ range(3) }}",
    "double braces": "{{ secrets.X }} $HOME ${HOME}",
}


@pytest.mark.parametrize("text", FINE.values(), ids=FINE)
def test_what_renders_as_it_was_meant_is_left_alone(lint: Run, tmp_path: Path, text: str) -> None:
    write_file(tmp_path, text)
    assert lint(".").stdout == "1 entity in 1 file: nothing is wrong\n"


STEPS = {
    "copied as it is": "{action: 'fetch:template', input: {url: ./skeleton, copyWithoutTemplating: ['.github/**']}}",
    "a folder copied as it is": "{action: 'fetch:template', input: {url: ./skeleton, copyWithoutTemplating: ['.github']}}",
    "another extension": "{action: 'fetch:template', input: {url: ./skeleton, templateFileExtension: true}}",
    "not rendered": "{action: 'fetch:plain', input: {url: ./skeleton}}",
}


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_files_that_are_not_rendered_are_left_alone(lint: Run, tmp_path: Path, step: str) -> None:
    write_file(tmp_path, WORKFLOW, ".github/workflows/ci.yaml", step)
    assert lint(".").exit_code == 0


RENDERED = {
    "one file": "{action: 'fetch:template:file', input: {url: ./skeleton/a.txt.njk, targetPath: a}}",
    "an extension": "{action: 'fetch:template', input: {url: ./skeleton, templateFileExtension: njk}}",
    "a folder that an expression chooses": "{action: 'fetch:template', input: {url: './${{ parameters.name }}'}}",
    "other delimiters": "{action: 'fetch:template', input: {url: ./skeleton, cookiecutterCompat: true}}",
    "other globs": "{action: 'fetch:template', input: {url: ./skeleton, copyWithoutTemplating: ['*.yaml']}}",
}


@pytest.mark.parametrize("step", RENDERED.values(), ids=RENDERED)
def test_files_that_are_rendered_are_looked_at(lint: Run, tmp_path: Path, step: str) -> None:
    write_file(tmp_path, "${{ secrets.X }}", "a.txt.njk", step)
    assert places(lint(".", "--format", "json")) == [("skeleton-name", 1, 5)]


def test_names_of_files_are_rendered_too(lint: Run, tmp_path: Path) -> None:
    write_file(tmp_path, "", "${{ name }}.txt")
    [found] = findings(lint(".", "--format", "json"))
    assert (found["rule"], found["file"]) == ("skeleton-name", f"file:{tmp_path}/skeleton/${{{{ name }}}}.txt")
    assert found["message"].startswith("in the name ${{ name }}.txt: ${{ name }} would vanish")


def test_what_is_no_text_or_a_link_is_not_read(lint: Run, tmp_path: Path) -> None:
    write_file(tmp_path, "")
    (tmp_path / "skeleton/a.bin").write_bytes(b"\0${{ secrets.X }}")
    (tmp_path / "skeleton/latin").write_bytes(b"\xe9${{ secrets.X }}")
    (tmp_path / "skeleton/link").symlink_to("/etc/passwd")
    assert lint(".").exit_code == 0


def test_the_forms_are_those_of_catalog_validate(lint: Run, tmp_path: Path) -> None:
    write_file(tmp_path, WORKFLOW, ".github/workflows/ci.yaml")
    shown = lint(".", "--format", "github").stdout
    assert shown.startswith(
        "::error file=skeleton/.github/workflows/ci.yaml,line=5,col=18,title=understage%3A skeleton-name::"
    )
    [run] = json.loads(lint(".", "--format", "sarif").stdout)["runs"]
    [result] = run["results"]
    assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"] == "skeleton-name"
    region = result["locations"][0]["physicalLocation"]["region"]
    assert (region["startLine"], region["snippet"]["text"]) == (5, "      TOKEN: ${{ secrets.TOKEN }}")


def test_a_folder_may_hold_several_templates_and_what_they_render(lint: Run, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_file(tmp_path / name, "${{ secrets.X }}")
    (tmp_path / "values.yaml").write_text("kind: Template\n")
    (tmp_path / ".git").mkdir()
    write(tmp_path / ".git", FETCH)
    assert lint(".").stdout.endswith("2 entities in 2 files: 2 errors, 1 warning\n")


def test_it_could_not_be_found_out(lint: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for path, text in (("empty", "there is no template below empty"), ("gone", "gone does not exist")):
        result = lint(path)
        assert (result.exit_code, text in result.stderr) == (2, True)


def test_a_broken_schema_is_said_by_the_same_code(lint: Run, tmp_path: Path) -> None:
    (tmp_path / "template.yaml").write_text(HEAD + "  steps: 1\n")
    assert places(lint(".", "--format", "json")) == [("schema", 7, 10)]


def test_the_hook_looks_at_all_templates(lint: Run, tmp_path: Path) -> None:
    hooks = {hook["id"]: hook for hook in parse_document((ROOT / ".pre-commit-hooks.yaml").read_text()).value}
    hook = hooks["understage-template-lint"]
    assert shlex.split(hook["entry"]) == ["understage", "template", "lint"]
    assert hook["pass_filenames"] is False
    write_file(tmp_path, "fine")
    assert lint(*hook["args"]).exit_code == 0
    write_file(tmp_path, "${{ secrets.X }}")
    assert lint(*hook["args"]).exit_code == 1


def test_our_own_templates_are_fine(lint: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    result = lint("skeletons", "docs", "--strict")
    assert (result.exit_code, re.sub(r"\d+", "N", result.stdout)) == (0, "N entities in N files: nothing is wrong\n")
