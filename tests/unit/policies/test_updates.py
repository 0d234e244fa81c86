"""Which updates rules are asked of: the conditions of the policies, asked here of updates of the corpus."""

from pathlib import Path
from typing import Any

import cel
import pytest
from tests.unit.policies.corpus import Case, Json
from tests.unit.policies.updates import MADE_ONCE, harmless, merged, settled, touched

from understage.integrations.policies import admission_policies, kyverno_policies, read_policies
from understage.integrations.policies.rules import KindMatch, Rule
from understage.integrations.policies.updates import is_asked

POLICIES = read_policies(Path(__file__).parents[3] / "skeletons" / "policies" / "rules.yaml")
CASES = settled("settled")
CONDITIONS = {
    manifest["metadata"]["name"].removeprefix("platform-"): cel.compile(condition["expression"])
    for manifest in admission_policies(POLICIES)
    for condition in manifest["spec"].get("matchConditions", [])
}


def asked(rule: str, old: Json, new: Json, operation: str = "UPDATE") -> bool:
    return bool(CONDITIONS[rule].execute({"object": new, "oldObject": old, "request": {"operation": operation}}))


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.object["kind"] not in MADE_ONCE], ids=lambda case: case.id
)
def test_a_rule_is_asked_of_what_changes_its_part_and_of_nothing_else(case: Case) -> None:
    old = case.object
    for rule in case.breaks:
        for patch in harmless(old):
            assert not asked(rule, old, merged(old, patch)), patch
        assert asked(rule, old, merged(old, touched(old)))
        assert asked(rule, {}, old, "CREATE"), "Kyverno has an empty old object at a creation"
        assert asked(rule, None, old, "CREATE"), "the API server has none"


def test_both_engines_have_the_same_conditions() -> None:
    theirs = {item["metadata"]["name"]: item["spec"].get("matchConditions") for item in kyverno_policies(POLICIES)}
    ours = {
        item["metadata"]["name"]: item["spec"].get("matchConditions")
        for item in admission_policies(POLICIES)
        if item["kind"] == "ValidatingAdmissionPolicy"
    }
    assert ours == theirs
    assert None not in ours.values()


def claim(**spec: Any) -> Json:
    return {"kind": "PersistentVolumeClaim", "metadata": {"name": "data"}, "spec": {"accessModes": [], **spec}}


@pytest.mark.parametrize(
    ("old", "new", "user", "is_judged"),
    [
        (claim(), claim(volumeName="of-others"), "ada", True),
        (claim(), claim(volumeName="of-others"), "system:serviceaccount:argocd:argocd-application-controller", True),
        (claim(volumeName=""), claim(volumeName="of-others"), "ada", True),
        (claim(), claim(volumeName="new"), "system:serviceaccount:kube-system:persistent-volume-binder", False),
        (claim(), claim(volumeName="new"), "system:kube-controller-manager", False),
        # What is bound may grow, and what waits may be labelled.
        (claim(volumeName="own"), claim(volumeName="own", resources={"requests": {"storage": "2Gi"}}), "ada", False),
        (claim(), {**claim(), "metadata": {"name": "data", "labels": {"a": "b"}}}, "ada", False),
    ],
)
def test_a_claim_gets_its_volume_from_the_cluster_only(old: Json, new: Json, user: str, is_judged: bool) -> None:
    request = {"operation": "UPDATE", "userInfo": {"username": user}}
    assert CONDITIONS["claims"].execute({"object": new, "oldObject": old, "request": request}) is is_judged
    # An engine that does not say who asks can still tell that nothing changes.
    unknown = {"object": old, "oldObject": old, "request": {"operation": "UPDATE"}}
    assert CONDITIONS["claims"].execute(unknown) is False


WORKLOAD = KindMatch(group="apps", versions=("v1",), resources=("deployments",), kinds=("Deployment",))
OTHER = KindMatch(group="", versions=("v1",), resources=("configmaps",), kinds=("ConfigMap",))
OLD: Json = {
    "kind": "Deployment",
    "metadata": {"name": "a", "labels": {"a": "b"}, "annotations": {"c": "d"}},
    "spec": {"replicas": 20, "template": {"spec": {"containers": []}}},
    "data": {"a": "b"},
    "status": {"replicas": 20},
}


def condition(expression: str, kind: KindMatch = WORKLOAD) -> str | None:
    rule = Rule(name="a", kinds="a", of="object", expression=expression, message="m")
    return is_asked(rule, [kind], {})


@pytest.mark.parametrize(
    ("expression", "kind", "patch", "is_judged"),
    [
        # What a platform adds is understood as the shipped rules are: what it reads, and all of the body when it reads any.
        ("object.spec.replicas < 10", WORKLOAD, {"spec": {"replicas": 19}}, True),
        ("object.spec.replicas < 10", WORKLOAD, {"spec": {"paused": True}}, True),
        ("object.spec.replicas < 10", WORKLOAD, {"metadata": {"labels": {"a": "c"}}}, False),
        ("object.spec.replicas < 10", WORKLOAD, {"status": {"replicas": 2}}, False),
        ("object.spec.replicas < 10", WORKLOAD, {"data": None}, True),
        ("object.spec.replicas < 10", WORKLOAD, {"more": {}}, True),
        ('"c" in object.metadata.annotations', WORKLOAD, {"metadata": {"annotations": {"c": "e"}}}, True),
        ('"c" in object.metadata.annotations', WORKLOAD, {"metadata": {"annotations": None}}, True),
        ('"c" in object.metadata.annotations', WORKLOAD, {"metadata": {"labels": {"a": "c"}}}, False),
        ('"c" in object.metadata.annotations', WORKLOAD, {"spec": {"replicas": 1}}, False),
        ('"c" in object.metadata.annotations', WORKLOAD, {"spec": {"template": {"spec": {"x": 1}}}}, True),
        ('"c" in object.metadata.annotations', OTHER, {"data": {"a": "c"}}, True),
        ("object.data.size() < 3", OTHER, {"data": {"a": "c"}}, True),
        ("false", OTHER, {"metadata": {"annotations": {"c": "e"}}}, False),
        ("false", OTHER, {"data": {"a": "c"}}, True),
    ],
)
def test_rules_of_ones_own(expression: str, kind: KindMatch, patch: Json, is_judged: bool) -> None:
    found = condition(expression, kind)
    assert found is not None
    values: dict[str, Any] = {"object": merged(OLD, patch), "oldObject": OLD, "request": {"operation": "UPDATE"}}
    assert cel.compile(found).execute(values) is is_judged


@pytest.mark.parametrize(
    ("user", "groups", "is_judged"),
    [
        ("ada", ["settlers"], True),
        ("system:serviceaccount:homestead:default", ["system:serviceaccounts"], True),
        ("system:serviceaccount:argocd:argocd-application-controller", ["system:serviceaccounts"], False),
        ("system:serviceaccount:kube-system:namespace-controller", ["system:serviceaccounts"], False),
        ("system:kube-controller-manager", [], False),
        ("grace", ["system:masters"], False),
    ],
)
def test_who_is_asked_when_the_namespace_is_opened(user: str, groups: list[str], is_judged: bool) -> None:
    request = {"operation": "DELETE", "namespace": "homestead", "userInfo": {"username": user, "groups": groups}}
    assert CONDITIONS["kept"].execute({"object": None, "oldObject": {}, "request": request}) is is_judged
    made = next(item for item in admission_policies(POLICIES) if item["metadata"]["name"] == "platform-kept")
    (rules,) = made["spec"]["matchConstraints"]["resourceRules"]
    assert rules["operations"] == ["DELETE"]


def test_a_rule_may_say_itself_when_it_is_asked() -> None:
    asked = 'request.operation == "CREATE" && settings.until > 3'
    rule = Rule(name="a", kinds="a", of="object", expression="object.spec.replicas < 10", message="m", asked=asked)
    assert rule.settings == {"until"}
    assert is_asked(rule, [WORKLOAD], {"until": "5"}) == 'request.operation == "CREATE" && "5" > 3'


@pytest.mark.parametrize(
    "expression",
    [
        'object["spec"].replicas < 10',
        "object.all(member, member != 'data')",
        "object.metadata.all(member, member != 'labels')",
        "size(object) < 3",
        'object.metadata["labels"].size() < 3',
        "[object].size() == 1 && object.spec.replicas < 10",
    ],
)
def test_what_a_rule_reads_in_other_ways_leaves_no_update_alone(expression: str) -> None:
    assert condition(expression) is None
