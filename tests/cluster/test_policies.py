"""The guardrails before a real API server: its ValidatingAdmissionPolicies say of the corpus what `policy:check` says."""

import asyncio
import time
from pathlib import Path

import pytest
from tests.cluster.bench import Cluster
from tests.cluster.test_kubernetes import reach
from tests.unit.policies.corpus import Case, corpus, named_cases

from understage.errors import UnderstageError
from understage.integrations.kubernetes import KubernetesCluster
from understage.integrations.policies import PolicyCheck, admission_policies, read_policies

RULES = Path(__file__).parents[2] / "skeletons" / "policies" / "rules.yaml"
NAMESPACE = "guarded"
ROUTES = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {
        "name": "httproutes.gateway.networking.k8s.io",
        "annotations": {"api-approved.kubernetes.io": "https://github.com/kubernetes-sigs/gateway-api/pull/2466"},
    },
    "spec": {
        "group": "gateway.networking.k8s.io",
        "scope": "Namespaced",
        "names": {"kind": "HTTPRoute", "plural": "httproutes", "singular": "httproute"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}
PATIENCE = 60.0


async def refusal(api: KubernetesCluster, case: Case) -> str:
    """What the API server says to the object; nothing when it takes it."""
    try:
        await api.apply(case.object, dry_run=True)
    except UnderstageError as error:
        return error.message
    return ""


@pytest.mark.timeout(600)
async def test_the_cluster_refuses_what_the_check_refuses_and_nothing_else(cluster: Cluster) -> None:
    api = reach(cluster)
    policies = read_policies(RULES)
    checking = PolicyCheck(policies)
    labels = {"team": "payments"}
    await api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}})
    made = [ROUTES, *admission_policies(policies)]
    try:
        for manifest in made:
            await api.apply(manifest)
        cases = [*corpus(), *named_cases()]
        first = {next(iter(case.breaks)): case for case in cases if len(case.breaks) == 1}
        deadline = time.monotonic() + PATIENCE
        for case in first.values():
            # A policy counts a moment after it was made.
            while not await refusal(api, case):
                assert time.monotonic() < deadline, case.id
                await asyncio.sleep(0.2)
        wrong: list[str] = []
        for case in cases:
            said = await refusal(api, case)
            violations = checking.check([case.object])
            if not violations and said:
                wrong.append(f"{case.id}: refused: {said}")
            # The API server names the first that refuses, in an order of its own.
            elif violations and not any(violation.message in said for violation in violations):
                wrong.append(
                    f"{case.id}: {[violation.message for violation in violations]} is not in: {said or 'taken'}"
                )
        assert wrong == []
        # Namespaces of nobody are not meant.
        elsewhere = {**first["image-tag"].object, "metadata": {"name": "free", "namespace": "default"}}
        assert not await refusal(api, Case("elsewhere", elsewhere, frozenset()))
        await _refuse_what_is_put_into_a_running_pod(cluster, api, cases)
        print(f"{len(cases)} objects, {sum(bool(case.breaks) for case in cases)} refused, equal verdicts and words")
    finally:
        for manifest in reversed(made):
            await api.delete(manifest["apiVersion"], manifest["kind"], manifest["metadata"]["name"])


async def _refuse_what_is_put_into_a_running_pod(cluster: Cluster, api: KubernetesCluster, cases: list[Case]) -> None:
    """An ephemeral container comes by a way of its own, past the pod that was asked about."""
    (plain,) = (case for case in cases if case.id == "good: plain, Pod")
    name = "debugged"
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": NAMESPACE}}
    await api.apply(account)
    await api.apply({**plain.object, "metadata": {**plain.object["metadata"], "name": name}})
    good = plain.object["spec"]["containers"][0]
    bad = {**good, "securityContext": {**good["securityContext"], "privileged": True, "allowPrivilegeEscalation": True}}
    path = f"/api/v1/namespaces/{NAMESPACE}/pods/{name}/ephemeralcontainers"
    answers = []
    for number, container in enumerate((bad, good)):
        put = {key: part for key, part in container.items() if key != "resources"} | {"name": f"debug-{number}"}
        patch = {"spec": {"ephemeralContainers": [put]}}
        headers = {"Content-Type": "application/strategic-merge-patch+json"}
        answers.append(cluster.request("PATCH", path, json=patch, headers=headers))
    assert (answers[0].status_code, answers[1].status_code) == (422, 200), [answer.text for answer in answers]
    assert "debug-0 may gain privileges" in answers[0].json()["message"]
    await api.delete("v1", "Pod", name, NAMESPACE)
