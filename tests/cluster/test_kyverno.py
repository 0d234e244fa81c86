"""The guardrails before the real Kyverno: its ValidatingPolicies say of the corpus what `policy:check` says."""

import json
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from tests.unit.policies.corpus import Case, corpus, named_cases
from tests.unit.policies.updates import settled

from understage.integrations.policies import PolicyCheck, kyverno_policies, read_policies
from understage.sdk.yaml import dump

POLICIES = Path(__file__).parents[2] / "skeletons" / "policies"
NAMESPACES = {
    "apiVersion": "cli.kyverno.io/v1alpha1",
    "kind": "Values",
    "metadata": {"name": "namespaces"},
    "namespaceSelector": [{"name": "guarded", "labels": {"team": "payments"}}, {"name": "nobodys", "labels": {}}],
}
Verdicts = dict[str, dict[str, str]]


def numbered(cases: list[Case]) -> list[dict[str, Any]]:
    """The objects under names of their own, by which the report tells them apart."""
    return [
        {**case.object, "metadata": {**case.object["metadata"], "name": f"case-{number}"}}
        for number, case in enumerate(cases)
    ]


def ask(
    binary: Path,
    folder: Path,
    policies: Path,
    objects: list[dict[str, Any]],
    operation: str = "CREATE",
    user: dict[str, Any] | None = None,
) -> tuple[Verdicts, set[str]]:
    """What breaks by name of object and rule, with the words; and who was looked at.

    At an UPDATE the old object is the new one: the command takes no other. `user` is who asks, where that counts.
    """
    about = {"apiVersion": "cli.kyverno.io/v1alpha1", "kind": "UserInfo", "metadata": {"name": "user"}}
    (folder / "user.yaml").write_text(dump({**about, "userInfo": user or {"username": "ada", "groups": []}}))
    (folder / "objects.yaml").write_text("---\n".join(map(dump, objects)))
    (folder / "values.yaml").write_text(dump({**NAMESPACES, "globalValues": {"request.operation": operation}}))
    done = subprocess.run(
        [binary, "apply", policies, "--resource", folder / "objects.yaml", "-f", folder / "values.yaml",
         "--userinfo", folder / "user.yaml", "--policy-report", "--output-format", "json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stderr
    report = json.loads(done.stdout[done.stdout.index("{") :])
    assert report["summary"]["error"] == 0, report["summary"]
    verdicts: Verdicts = defaultdict(dict)
    seen = set()
    for result in report["results"]:
        for about in result["resources"]:
            seen.add(about["name"])
            if result["result"] not in ("pass", "skip"):
                verdicts[about["name"]][result["policy"].removeprefix("platform-")] = result["message"]
    return verdicts, seen


@pytest.mark.timeout(600)
def test_kyverno_refuses_what_the_check_refuses_and_nothing_else(kyverno_binary: Path, tmp_path: Path) -> None:
    cases = corpus()
    objects = numbered(cases)
    checking = PolicyCheck(read_policies(POLICIES / "rules.yaml"))
    verdicts, seen = ask(kyverno_binary, tmp_path, POLICIES / "kyverno.yaml", objects)
    assert seen == {item["metadata"]["name"] for item in objects}
    wrong = []
    for case, item in zip(cases, objects, strict=True):
        ours = {violation.rule: violation.message for violation in checking.check([item])}
        theirs = verdicts.get(item["metadata"]["name"], {})
        if ours != theirs:
            wrong.append(f"{case.id}: here {ours}, Kyverno {theirs}")
    assert wrong == []
    assert len(verdicts) == sum(bool(case.breaks) for case in cases)
    print(f"{len(cases)} objects, {len(verdicts)} refused by Kyverno, equal verdicts and words")


@pytest.mark.timeout(600)
def test_kyverno_knows_what_is_about_a_name(kyverno_binary: Path, tmp_path: Path) -> None:
    checking = PolicyCheck(read_policies(POLICIES / "rules.yaml"))
    for case in named_cases():
        # One by one: the report tells objects apart by their names.
        verdicts, _ = ask(kyverno_binary, tmp_path, POLICIES / "kyverno.yaml", [case.object])
        ours = {violation.rule: violation.message for violation in checking.check([case.object])}
        assert verdicts.get(case.object["metadata"]["name"], {}) == ours, case.id


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("username", "is_refused"), [("ada", True), ("system:serviceaccount:argocd:argocd-application-controller", False)]
)
def test_what_closes_a_namespace_is_not_deleted_by_people(
    username: str, is_refused: bool, kyverno_binary: Path, tmp_path: Path
) -> None:
    (closes,) = (case.object for case in named_cases() if not case.breaks)
    user = {"username": username, "groups": ["payments"]}
    verdicts, _ = ask(kyverno_binary, tmp_path, POLICIES / "kyverno.yaml", [closes], "DELETE", user)
    # The API server's words: tests/cluster/test_policies_before.py.
    said = verdicts.get("default-deny", {})
    assert said.keys() == ({"kept"} if is_refused else set())
    assert all(text.startswith("NetworkPolicy is what closes the namespace") for text in said.values())


@pytest.mark.timeout(600)
def test_what_was_there_before_is_left_alone_as_long_as_it_does_not_change(
    kyverno_binary: Path, tmp_path: Path
) -> None:
    objects = [case.object for case in settled("guarded")]
    verdicts, seen = ask(kyverno_binary, tmp_path, POLICIES / "kyverno.yaml", objects, "UPDATE")
    assert seen == {item["metadata"]["name"] for item in objects}
    assert verdicts == {}


@pytest.mark.timeout(300)
def test_settings_reach_kyverno_and_namespaces_of_nobody_are_not_meant(kyverno_binary: Path, tmp_path: Path) -> None:
    granted = read_policies(POLICIES / "rules.yaml", {"hosts": ("guarded/shop.example.com",)})
    (tmp_path / "policies.yaml").write_text("---\n".join(map(dump, kyverno_policies(granted))))
    (route,) = (case for case in corpus() if case.id == "a route, a host that nobody granted")
    (latest,) = (case for case in corpus() if case.id == "latest, Deployment")
    free = {**latest.object, "metadata": {**latest.object["metadata"], "namespace": "nobodys", "name": "free"}}
    bound = {**latest.object, "metadata": {**latest.object["metadata"], "name": "bound"}}
    verdicts, _ = ask(kyverno_binary, tmp_path, tmp_path / "policies.yaml", [route.object, free, bound])
    assert {name: set(rules) for name, rules in verdicts.items()} == {"bound": {"image-tag"}}
