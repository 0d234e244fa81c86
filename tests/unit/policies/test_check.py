"""The rules asked of manifests: verdicts of the whole corpus, words, and mistakes in the rules themselves."""

from pathlib import Path
from typing import Any

import pytest
from tests.unit.policies.corpus import Case, corpus, named_cases

from understage.errors import InputError
from understage.integrations.policies import PolicyCheck, read_policies

RULES = Path(__file__).parents[3] / "skeletons" / "policies" / "rules.yaml"
CORPUS = [*corpus(), *named_cases()]


@pytest.fixture(scope="module")
def checking() -> PolicyCheck:
    return PolicyCheck(read_policies(RULES))


def test_the_corpus_has_something_for_every_rule() -> None:
    broken = {rule for case in CORPUS for rule in case.breaks}
    # These need objects of kinds that a bare API server does not know, or a deletion.
    others = {"secret-stores", "secret-paths", "secret-roles", "exceptions", "kept"}
    assert broken | others == {rule.name for rule in read_policies(RULES).rules}
    assert len(CORPUS) >= 200
    assert len({case.id for case in CORPUS}) == len(CORPUS)


@pytest.mark.parametrize("case", CORPUS, ids=lambda case: case.id)
def test_an_object_breaks_what_it_should_and_nothing_else(case: Case, checking: PolicyCheck) -> None:
    assert {violation.rule for violation in checking.check([case.object])} == case.breaks


EPHEMERAL = {"name": "debug", "image": "registry.example.com/debug:1.0", "securityContext": {"privileged": True}}
STORE = {"kind": "ClusterSecretStore", "name": "all"}
OWN = {"name": "ledger", "namespace": "ledger-staging", "labels": {"team": "payments"}}


def secret(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "metadata": OWN, "spec": spec}


def store(**auth: Any) -> dict[str, Any]:
    provider = {"vault": {"server": "https://vault.example.com", "auth": auth}}
    return {
        "apiVersion": "external-secrets.io/v1",
        "kind": "SecretStore",
        "metadata": OWN,
        "spec": {"provider": provider},
    }


def in_clone(role: str) -> dict[str, Any]:
    metadata = {"name": "vault", "namespace": "clone-refunds", "labels": {"team": "payments"}}
    return {**store(kubernetes={"mountPath": "kubernetes", "role": role}), "metadata": metadata}


@pytest.mark.parametrize(
    ("item", "breaks"),
    [
        (
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": "x", "labels": {"team": "a", "app.kubernetes.io/name": "x"}},
                "spec": {
                    "containers": [],
                    "ephemeralContainers": [EPHEMERAL],
                    "securityContext": {"runAsNonRoot": True},
                },
            },
            {"privileges", "seccomp"},
        ),
        (
            {
                "apiVersion": "external-secrets.io/v1",
                "kind": "ExternalSecret",
                "metadata": OWN,
                "spec": {"secretStoreRef": STORE},
            },
            {"secret-stores"},
        ),
        (
            {
                "apiVersion": "external-secrets.io/v1beta1",
                "kind": "ExternalSecret",
                "metadata": OWN,
                "spec": {"secretStoreRef": {"name": "own"}, "dataFrom": [{"sourceRef": {"storeRef": STORE}}]},
            },
            {"secret-stores"},
        ),
        (
            {
                "apiVersion": "external-secrets.io/v1",
                "kind": "ExternalSecret",
                "metadata": OWN,
                "spec": {"data": [{"secretKey": "A", "sourceRef": {"storeRef": STORE}}]},
            },
            {"secret-stores"},
        ),
        (
            {
                "apiVersion": "external-secrets.io/v1",
                "kind": "ExternalSecret",
                "metadata": OWN,
                "spec": {"secretStoreRef": {"name": "own"}},
            },
            set(),
        ),
        (secret(data=[{"secretKey": "A", "remoteRef": {"key": "teams/payments/staging/ledger"}}]), set()),
        (secret(data=[{"secretKey": "A", "remoteRef": {"key": "teams/web/staging/shop"}}]), {"secret-paths"}),
        (secret(data=[{"secretKey": "A", "remoteRef": {"key": "teams/payments-2/x"}}]), {"secret-paths"}),
        (secret(data=[{"secretKey": "A", "remoteRef": {"key": "teams/payments/../web/x"}}]), {"secret-paths"}),
        (secret(dataFrom=[{"extract": {"key": "teams/payments/staging/ledger"}}]), set()),
        (secret(dataFrom=[{"extract": {"key": "teams/web/staging/shop"}}]), {"secret-paths"}),
        (secret(dataFrom=[{"find": {"name": {"regexp": ".*"}}}]), {"secret-paths"}),
        ({**secret(), "metadata": {"name": "a"}}, {"secret-paths"}),
        (store(kubernetes={"mountPath": "kubernetes", "role": "ledger-staging"}), set()),
        (store(kubernetes={"mountPath": "kubernetes", "role": "shop-staging"}), {"secret-roles"}),
        (store(kubernetes={"mountPath": "kubernetes", "role": "payments.clones"}), {"secret-roles"}),
        (in_clone("payments.clones"), set()),
        (in_clone("clone-refunds"), set()),
        (in_clone("ledger-production"), {"secret-roles"}),
        (in_clone("web.clones"), {"secret-roles"}),
        (
            {**in_clone("payments.clones"), "metadata": {"name": "vault", "namespace": "clone-refunds"}},
            {"secret-roles"},
        ),
        (store(tokenSecretRef={"name": "root"}), {"secret-roles"}),
        (
            {"apiVersion": "kyverno.io/v2", "kind": "PolicyException", "metadata": {"name": "me"}, "spec": {}},
            {"exceptions"},
        ),
        (
            {"apiVersion": "policies.kyverno.io/v1", "kind": "PolicyException", "metadata": {"name": "me"}},
            {"exceptions"},
        ),
        (
            # Without its feature gate the API server forgets the namespace, and the claim is harmless.
            {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "spec": {"dataSourceRef": {"kind": "VolumeSnapshot", "name": "x", "namespace": "payments"}},
            },
            {"claims"},
        ),
        (
            {
                "apiVersion": "gateway.networking.k8s.io/v1alpha2",
                "kind": "TLSRoute",
                "metadata": {"name": "x"},
                "spec": {},
            },
            {"route-hosts"},
        ),
        # Where it will be is not known yet; the cluster asks again.
        (
            {
                "apiVersion": "gateway.networking.k8s.io/v1",
                "kind": "HTTPRoute",
                "metadata": {"name": "x"},
                "spec": {"hostnames": ["a.example.com"]},
            },
            set(),
        ),
        ({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {}}, set()),
    ],
)
def test_kinds_that_a_bare_cluster_does_not_know(item: dict[str, Any], breaks: set[str], checking: PolicyCheck) -> None:
    assert {violation.rule for violation in checking.check([item])} == breaks


@pytest.mark.parametrize("spec", [None, {}, {"template": None}, {"template": {"spec": {"containers": "none"}}}])
def test_an_object_of_another_shape_is_refused_and_not_taken(spec: Any, checking: PolicyCheck) -> None:
    item = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "odd"}, "spec": spec}
    assert checking.check([item])


def test_objects_of_a_list_are_asked_one_by_one(checking: PolicyCheck) -> None:
    bad = [case.object for case in CORPUS if case.breaks == {"image-tag"}][:2]
    inner = {"apiVersion": "v1", "kind": "PodList", "items": [bad[1]]}
    found = checking.check([{"apiVersion": "v1", "kind": "List", "items": [bad[0], inner]}])
    assert [violation.rule for violation in found] == ["image-tag", "image-tag"]


def test_messages_name_the_container_what_to_do_and_where_to_read_on(checking: PolicyCheck) -> None:
    (case,) = [case for case in CORPUS if case.id == "latest, CronJob"]
    (violation,) = checking.check([case.object])
    assert (violation.kind, violation.name) == ("CronJob", "ledger")
    assert violation.message.startswith("ledger has an image without a version or with the tag latest")
    assert violation.message.endswith("docs/guardrails#image-tag)")


def test_settings_of_the_platform_are_laid_over_those_of_the_file() -> None:
    checking = PolicyCheck(read_policies(RULES, {"registries": ("docker.io/",)}))
    (case,) = [case for case in CORPUS if case.id == "another registry, Pod"]
    # Its init container is from the registry of before.
    (violation,) = checking.check([case.object])
    assert violation.message.startswith("migrate has an image from a registry")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "a map with settings"),
        ("rules: 1\nkinds: {}\n", "rules.yaml: rules"),
        (
            "kinds: {}\nrules: [{name: a, kinds: none, of: pod, expression: 'true', message: m}]",
            "no list of kinds 'none'",
        ),
        ("kinds: {a: []}\nrules: [{name: a, kinds: a, of: cluster, expression: 'true', message: m}]", "rules.0.of"),
        (
            "kinds: {a: []}\nrules: [{name: a, kinds: a, of: pod, on: DELETE, expression: 'true', message: m}]",
            "can be judged by the object only",
        ),
        (
            "kinds: {a: []}\nrules: [{name: a, kinds: a, of: pod, expression: settings.nope == 1, message: m}]",
            "no setting 'nope'",
        ),
    ],
)
def test_a_mistake_in_the_rules_is_told_with_its_place(text: str, words: str, tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match=words):
        read_policies(file)


def test_the_guide_has_a_heading_for_every_rule() -> None:
    guide = (Path(__file__).parents[3] / "docs" / "guides" / "guardrails.md").read_text()
    told = guide.partition("## The rules")[2]
    headings = [line.removeprefix("### ") for line in told.splitlines() if line.startswith("### ")]
    assert headings == [rule.name for rule in read_policies(RULES).rules]
