"""What authors get of their cases: JUnit XML, tests of pytest, coverage of branches, plans, and the live log of a run."""

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

HEAD = """\
apiVersion: scaffolder.backstage.io/v1beta3
kind: Template
metadata: {name: t}
spec:
  type: service
  parameters: {properties: {name: {type: string, pattern: "^[a-z]*$"}, list: {type: array}, loud: {type: boolean}}}
  steps:
    - {id: say, action: "debug:log", if: "${{ parameters.loud }}", input: {message: "hello ${{ parameters.name }}"}}
    - {id: each, action: "debug:log", each: "${{ parameters.list or [] }}", input: {message: "${{ each.value }}"}}
"""
LOUD = "{name: a loud one, values: {name: ada, loud: true, list: [x]}, expect: {log: [hello ada], steps: {say: completed}}}"
QUIET = "{name: a quiet one, values: {name: ada}, expect: {steps: {say: skipped}}}"
WRONG = '{name: "wrong \\u0007 <&>", values: {name: ada}, expect: {log: [no such line], plan: [nothing]}}'
EVERYTHING = (
    HEAD
    + """\
    - {id: write, action: "catalog:write", input: {entity: {kind: Component, metadata: {name: "${{ parameters.name }}"}}}}
    - {id: space, action: "kubernetes:create-namespace", input: {namespace: shop, team: a, environment: b}}
    - {id: publish, action: "publish:repository", input: {owner: acme, name: "${{ parameters.name }}"}}
    - {id: register, action: "catalog:register", input: {catalogInfoUrl: "${{ steps.publish.output.catalogInfoUrl }}"}}
  output: {made: "${{ steps.publish.output.repoUrl }}"}
"""
)


def write(folder: Path, *cases: str, template: str = HEAD, name: str = "t.test.yaml") -> None:
    (folder / "template.yaml").write_text(template)
    (folder / name).write_text("cases:\n" + "".join(f"  - {case}\n" for case in cases))


def understage(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """The installed command, in a process of its own: it configures the log of its process."""
    command = [str(Path(sys.executable).with_name("understage")), "template", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)


def test_junit_is_read_by_a_parser_and_tells_of_each_case(tmp_path: Path) -> None:
    write(tmp_path, LOUD, WRONG)
    (tmp_path / "broken.test.yaml").write_text("cases: [{nme: x}]\n")
    done = understage(tmp_path, "test", ".", "--junit", "out/report.xml")
    assert done.returncode == 2, done.stdout + done.stderr
    root = ElementTree.parse(tmp_path / "out/report.xml").getroot()
    assert (root.tag, root.get("tests"), root.get("failures")) == ("testsuites", "2", "2")
    broken, suite = root.findall("testsuite")
    [error] = broken.iter("error")
    assert "nme" in (error.get("message") or "")
    loud, wrong = suite.findall("testcase")
    assert (loud.get("name"), loud.find("failure")) == ("a loud one", None)
    assert "hello ada" in (loud.findtext("system-out") or "")
    # What XML cannot hold is left out, what it escapes comes back.
    assert wrong.get("name") == "wrong  <&>"
    text = wrong.findtext("failure") or ""
    assert "the log has no 'no such line'" in text
    assert "-nothing" in text
    assert [float(case.get("time") or "x") >= 0 for case in (loud, wrong)] == [True, True]
    assert suite.find("properties/property[@name='branch-coverage']") is not None


@pytest.mark.parametrize(
    ("cases", "missed", "percent"),
    [
        ([LOUD], ["steps.each.each: none", "steps.say.if: no"], 50),
        ([QUIET], ["steps.each.each: items", "steps.say.if: yes"], 50),
        ([LOUD, QUIET], [], 100),
    ],
)
def test_both_ways_of_a_condition_and_of_a_loop_count(
    tmp_path: Path, cases: list[str], missed: list[str], percent: int
) -> None:
    write(tmp_path, *cases)
    done = understage(tmp_path, "test", ".", "--fail-under", "60")
    assert f"({percent} %)" in done.stdout
    shown = sorted(line.split("not taken: ")[1] for line in done.stdout.splitlines() if "not taken: " in line)
    assert (shown, done.returncode) == (missed, 1 if missed else 0)


def run_pytest(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)


def test_cases_are_tests_of_pytest(tmp_path: Path) -> None:
    write(tmp_path, LOUD, QUIET)
    (tmp_path / "test_own.py").write_text(
        "def test_it(run_template):\n"
        "    trial = run_template('template.yaml', {'name': 'ada', 'loud': True})\n"
        "    assert trial.status == 'completed' and 'hello ada' in trial.log\n"
    )
    (tmp_path / "other.test.yaml").write_text("something: else\n")
    done = run_pytest(tmp_path, "-vv")
    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout
    assert "a loud one" in done.stdout


def test_pytest_says_what_was_not_as_expected(tmp_path: Path) -> None:
    write(tmp_path, LOUD, WRONG)
    done = run_pytest(tmp_path)
    assert (done.returncode, "1 failed, 1 passed" in done.stdout) == (1, True)
    assert "the log has no 'no such line'" in done.stdout
    assert "task log" in done.stdout
    assert "Traceback" not in done.stdout


def test_pytest_says_that_a_file_of_cases_is_broken(tmp_path: Path) -> None:
    write(tmp_path, "{name: x, value: {}}")
    done = run_pytest(tmp_path)
    assert done.returncode == 2
    assert "cases.0.value" in done.stdout


def test_a_plan_has_files_objects_and_registrations(tmp_path: Path) -> None:
    write(tmp_path, LOUD, template=EVERYTHING)
    (tmp_path / "world.yaml").write_text("clusters: [east]\n")
    arguments = ("template.yaml", "--set", "name=shop", "--world", "world.yaml")
    done = understage(tmp_path, "plan", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert "create repository acme/shop on forge.test" in lines
    assert "  +++ b/catalog-info.yaml" in lines
    assert "  +  name: shop" in lines
    assert "apply Namespace shop on cluster east" in lines
    assert "  kind: Namespace" in lines
    assert lines[-1].startswith("register https://forge.test/acme/shop/")
    short = understage(tmp_path, "plan", *arguments, "--short").stdout.splitlines()
    assert short == [line for line in lines if not line.startswith("  ")]


def test_a_plan_of_a_template_that_fails_says_why(tmp_path: Path) -> None:
    write(tmp_path, LOUD, template=EVERYTHING)
    done = understage(tmp_path, "plan", "template.yaml", "--set", "name=SHOP")
    assert done.returncode == 1
    assert "does not match pattern" in done.stderr


def test_a_run_tells_of_its_steps_while_they_go_and_leaves_the_workspace(tmp_path: Path) -> None:
    write(tmp_path, LOUD, template=EVERYTHING)
    (tmp_path / "values.json").write_text(json.dumps({"name": "shop", "loud": True}))
    done = understage(tmp_path, "run", "template.yaml", "--offline", "--values", "values.json", "--target", "made")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "Starting up task with 6 steps"
    assert lines.index("[say] Beginning step debug:log") < lines.index("[say] info: hello shop")
    assert "\x1b" not in done.stdout
    assert "made: https://forge.test/acme/shop" in lines
    assert "name: shop" in (tmp_path / "made/catalog-info.yaml").read_text()
    again = understage(tmp_path, "run", "template.yaml", "--offline", "--values", "values.json", "--target", "made")
    assert (again.returncode, "made is not empty" in again.stderr) == (2, True)
