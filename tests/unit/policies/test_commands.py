"""`understage policy`, as it is called."""

import json
from pathlib import Path

import pytest
from tests.unit.policies.corpus import corpus
from typer.testing import CliRunner

from understage.cli.main import app
from understage.model.yaml import dump, parse_documents

RULES = Path(__file__).parents[3] / "skeletons" / "policies" / "rules.yaml"


def call(*arguments: str, text: str | None = None) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["policy", *arguments, "--rules", str(RULES)], input=text)
    return result.exit_code, result.output


def manifest(name: str) -> str:
    (case,) = [case for case in corpus() if case.id == name]
    return dump(case.object)


def test_a_broken_rule_is_exit_code_1(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(manifest("latest, Deployment") + "---\n" + manifest("good: plain, Pod"))
    code, said = call("check", str(tmp_path))
    assert code == 1
    assert "Deployment ledger: ledger has an image without a version" in said
    assert "2 objects, 1 broken rules" in said


def test_what_holds_is_exit_code_0_also_from_the_standard_input() -> None:
    code, said = call("check", "-", text=manifest("good: plain, CronJob"))
    assert (code, "1 objects, 0 broken rules" in said) == (0, True)


def test_json_is_nothing_but_json() -> None:
    code, said = call("check", "-", "--json", text=manifest("latest, Pod"))
    assert code == 1
    assert [(item["rule"], item["kind"], item["name"]) for item in json.loads(said)] == [("image-tag", "Pod", "ledger")]


def test_settings_win_over_the_file() -> None:
    allowed = "registries=[docker.io/, registry.example.com/]"
    assert call("check", "-", "--set", allowed, text=manifest("another registry, Pod"))[0] == 0


@pytest.mark.parametrize(
    ("arguments", "text", "words"),
    [
        (["check", "missing.yaml"], None, "missing.yaml"),
        (["check", "-"], "kind: [", "the standard input:2:1"),
        (["check", "-", "--set", "registries"], "", "name=value"),
    ],
)
def test_what_cannot_be_read_is_exit_code_2(arguments: list[str], text: str | None, words: str) -> None:
    code, said = call(*arguments, text=text)
    assert (code, words in said) == (2, True), said


@pytest.mark.parametrize(
    ("engine", "kind"), [("admission", "ValidatingAdmissionPolicy"), ("kyverno", "ValidatingPolicy")]
)
def test_every_rule_becomes_a_policy(engine: str, kind: str) -> None:
    code, said = call("render", "--for", engine)
    assert code == 0
    made = [document.value for document in parse_documents(said)]
    rules = {rule["name"] for rule in next(iter(parse_documents(RULES.read_bytes()))).value["rules"]}
    assert {item["metadata"]["name"].removeprefix("platform-") for item in made if item["kind"] == kind} == rules
    assert all(item["spec"]["validations"] for item in made if item["kind"] == kind)
