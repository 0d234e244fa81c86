"""Updates of objects of the corpus, as merge patches: such as change nothing that a rule is about, and such as do."""

import copy
from collections.abc import Mapping
from typing import Any

from tests.unit.policies.corpus import CHANGES, Case, Json, corpus

HARMLESS: tuple[Json, ...] = (
    {"metadata": {"annotations": {"example.com/seen": "yes"}}},
    {"metadata": {"finalizers": ["example.com/wait"]}},
)
SETS = ("Deployment", "ReplicaSet", "StatefulSet", "ReplicationController")
# What scales, or starts, by a member of its spec.
SCALED: Json = {
    **{kind: {"spec": {"replicas": 2}} for kind in SETS},
    "CronJob": {"spec": {"schedule": "0 4 * * *"}},
}
_NOTE: Json = {"metadata": {"annotations": {"example.com/restarted-at": "now"}}}
# A change of what the rules are about that mends nothing.
TOUCHED: Json = {
    "Pod": {"spec": {"activeDeadlineSeconds": 3600}},
    "CronJob": {"spec": {"jobTemplate": {"spec": {"template": _NOTE}}}},
    "PodTemplate": {"template": _NOTE},
    **{kind: {"spec": {"template": _NOTE}} for kind in (*SETS, "DaemonSet")},
    "Service": {"spec": {"sessionAffinity": "ClientIP"}},
    "Ingress": {"spec": {"ingressClassName": "internal"}},
    "HTTPRoute": {"spec": {"parentRefs": [{"name": "other"}]}},
    "NetworkPolicy": {"spec": {"podSelector": {"matchLabels": {"tier": "web"}}}},
    # Whom it binds; what it binds to cannot be changed.
    "RoleBinding": {"subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "others"}]},
}
# What the rules read in them cannot be changed, or once only.
MADE_ONCE = frozenset({"Job", "PersistentVolumeClaim"})


def merged(item: Mapping[str, Any], patch: Mapping[str, Any]) -> Json:
    """The object after a JSON merge patch (RFC 7396)."""
    result = dict(item)
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name) or {}, value) if isinstance(value, Mapping) else value
    return result


def harmless(item: Json) -> list[Json]:
    """Patches that change nothing a rule is about."""
    return [*HARMLESS, *([SCALED[item["kind"]]] if item["kind"] in SCALED else [])]


def touched(item: Json) -> Json:
    """A patch of what the rules are about."""
    if item["kind"] == "Role":
        return {"rules": [*item["rules"], {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]}
    return dict(TOUCHED[item["kind"]])


def settled(namespace: str) -> list[Case]:
    """Bad objects under names of their own: each change of a pod in one kind of workload, in turn, and all others.

    Workloads of them start no pods but those that cannot be told to.
    """
    # An owner that is not there has its objects collected.
    cases = [case for case in corpus() if case.breaks and "ownerReferences" not in case.object["metadata"]]
    chosen = [case for number, case in enumerate(cases) if not _is_of_a_pod(case) or number % 8 == 0]
    return [_placed(case, namespace, number) for number, case in enumerate(chosen)]


def _is_of_a_pod(case: Case) -> bool:
    return case.id.rpartition(", ")[0] in CHANGES


def _placed(case: Case, namespace: str, number: int) -> Case:
    item = copy.deepcopy(case.object)
    item["metadata"] |= {"name": f"case-{number}", "namespace": namespace}
    if item["kind"] in (*SETS, "DaemonSet"):
        # Else one would take the pods of the others.
        own = {"case": str(number)}
        selector = item["spec"]["selector"]
        selector |= own if item["kind"] == "ReplicationController" else {"matchLabels": own}
        item["spec"]["template"]["metadata"]["labels"] |= own
    if item["kind"] in SETS:
        item["spec"]["replicas"] = 0
    elif item["kind"] in ("Job", "CronJob"):
        item["spec"]["suspend"] = True
    return Case(case.id, item, case.breaks)
