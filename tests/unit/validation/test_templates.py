"""What validation says of templates beyond their schema."""

import textwrap
from pathlib import Path

import pytest
from tests.unit.validation.command import Run, findings

HEAD = """\
apiVersion: scaffolder.backstage.io/v1beta3
kind: Template
metadata: {name: t}
spec:
  type: service
"""
BAD = {
    "an expression that cannot be parsed": (
        "- {id: a, action: debug:log, input: {message: '${{ parameters.a | }}'}}",
        [("template-expression", 7, 51, "in ${{ parameters.a | }}")],
    ),
    "a condition": (
        "- {id: a, action: debug:log, if: '${{ (a }}'}",
        [("template-expression", 7, 38, "in ${{ (a }}")],
    ),
    "an unknown action": (
        "- {id: a, action: debug:logg}",
        [("template-action", 7, 23, "no action with the id 'debug:logg' is registered; did you mean debug:log?")],
    ),
    "an action of nobody": (
        "- {id: a, action: acme:do}",
        [
            (
                "template-action",
                7,
                23,
                "no action with the id 'acme:do' is registered, install the package that brings it",
            )
        ],
    ),
    "a literal of the wrong type": (
        "- {id: a, action: fs:rename, input: {files: 17}}",
        [("template-input", 7, 49, "input of fs:rename: /files must be array")],
    ),
    "no input where some is required": (
        "- {id: a, action: fs:rename}",
        [("template-input", 7, 7, "input of fs:rename: <root> must have required property 'files'")],
    ),
    "a part of the input that is missing": (
        "- {id: a, action: fs:rename, input: {files: [{from: a}]}}",
        [("template-input", 7, 50, "input of fs:rename: /files/0 must have required property 'to'")],
    ),
    "an id that stands twice": (
        "- {id: a, action: debug:log, input: {message: x}}\n- {id: a, action: debug:log, input: {message: x}}",
        [
            (
                "template-step-id",
                8,
                12,
                "the step id 'a' is that of step 1, too: such a template is refused",
            )
        ],
    ),
    "several": (
        "- {id: a, action: nope, input: {x: '${{ ) }}'}}\n- {id: a, action: debug:log, input: {message: '${{ ( }}'}}",
        [
            ("template-action", 7, 23, "no action with the id 'nope' is registered"),
            ("template-expression", 7, 40, "in ${{ ) }}"),
            ("template-step-id", 8, 12, "the step id 'a'"),
            ("template-expression", 8, 51, "in ${{ ( }}"),
        ],
    ),
}
GOOD = {
    "expressions": "- {id: a, action: fs:rename, input: {files: '${{ parameters.files }}'}}",
    "expressions within": "- action: fs:rename\n  input: {files: [{from: '${{ user.ref }}', to: b, overwrite: '${{ 1 }}'}]}",
    "an action that an expression names": "- {id: a, action: '${{ parameters.action }}'}",
    "a loop": "- {id: a, action: debug:log, each: '${{ parameters.list }}', input: {message: '${{ each.value }}'}}",
    "no ids": "- {action: debug:log, input: {message: x}}\n- {action: debug:log, input: {message: x}}",
}


def write(folder: Path, steps: str, output: str = "") -> None:
    (folder / "t.yaml").write_text(HEAD + "  steps:\n" + textwrap.indent(steps, "    ") + "\n" + output)


@pytest.mark.parametrize(("steps", "expected"), BAD.values(), ids=BAD)
def test_what_a_run_would_stumble_over_is_said_before(
    run: Run, tmp_path: Path, steps: str, expected: list[tuple[str, int, int, str]]
) -> None:
    write(tmp_path, steps)
    result = run("t.yaml", "--format", "json")
    assert result.exit_code == 1
    found = findings(result)
    assert [(item["rule"], item["line"], item["column"]) for item in found] == [item[:3] for item in expected]
    for item, (*_, text) in zip(found, expected, strict=True):
        assert text in item["message"]
        assert (item["level"], item["origin"], item["entity"]) == ("error", "check", "template:default/t")


@pytest.mark.parametrize("steps", GOOD.values(), ids=GOOD)
def test_what_only_a_run_can_tell_is_left_to_it(run: Run, tmp_path: Path, steps: str) -> None:
    write(tmp_path, steps)
    result = run("t.yaml")
    assert (result.exit_code, result.stdout) == (0, "1 entity in 1 file: nothing is wrong\n")


def test_the_output_is_looked_at(run: Run, tmp_path: Path) -> None:
    write(tmp_path, GOOD["no ids"], "  output:\n    links:\n      - {title: x, url: '${{ steps.a. }}'}\n")
    [found] = findings(run("t.yaml", "--format", "json"))
    assert (found["rule"], found["line"], found["column"]) == ("template-expression", 11, 25)


def test_a_template_that_breaks_its_schema_says_that_only(run: Run, tmp_path: Path) -> None:
    write(tmp_path, "- {id: a, action: 1}\n- {action: nope}")
    [found] = findings(run("t.yaml", "--format", "json"))
    assert (found["rule"], found["line"], found["column"]) == ("schema", 7, 23)
