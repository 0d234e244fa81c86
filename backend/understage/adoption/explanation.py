"""Why a difference is there, and whether it does harm. Called with what the comparison found.

A rule is tried after the other, the first that fits explains. What none explains is told as such and taken for harmful: the
report must never call safe what nobody has thought about.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from understage.adoption.comparison import Difference
from understage.adoption.outline import Proposal
from understage.adoption.withholding import secret_name

Harmless = Literal["yes", "check", "no"]
POD = r"spec\.template\.spec\."
CONTAINER = POD + r"containers\[[^\]]+\]\."


@dataclass(frozen=True)
class Explained:
    """A difference and its reason. `harmless`: yes; check (usually, but for what `why` names); no."""

    difference: Difference
    why: str
    harmless: Harmless


@dataclass(frozen=True)
class Rule:
    """One reason. `about` and `path` are matched as a whole."""

    about: str
    path: str
    when: Callable[[Difference], bool]
    why: str
    harmless: Harmless


def _added(difference: Difference) -> bool:
    return difference.before is None


def _removed(difference: Difference) -> bool:
    return difference.after is None


def _any(difference: Difference) -> bool:
    return True


RULES = (
    Rule("PodDisruptionBudget/.*", "", _added, "a drain takes pods one after the other", "yes"),
    Rule("ServiceAccount/.*", "", _added, "an account of its own in place of the namespace's default one", "yes"),
    Rule("HTTPRoute/.*", "", _added, "the Ingress, said for the gateway", "yes"),
    Rule(
        "[^/]+/.*", r"metadata\.labels(\[.*\]|\..*)?", _added, "labels by which catalog, cost and alerts find it", "yes"
    ),
    Rule(
        "[^/]+/.*",
        r"metadata\.labels(\[(app\.kubernetes\.io|helm\.sh)/.*\]|\.(team|environment))",
        _any,
        "the chart's value of a standard label; nothing selects by it but, perhaps, dashboards of your own",
        "check",
    ),
    Rule(
        "(?!Deployment)[^/]+/.*",
        r"metadata\.labels(\[.*\]|\..*)?",
        _any,
        "the objects of a service have the labels of its Deployment; look for dashboards that select by the old one",
        "check",
    ),
    Rule(
        "(?!Deployment)[^/]+/.*",
        r"metadata\.annotations(\[.*\]|\..*)?",
        _added,
        "annotations of the Deployment, on all objects",
        "yes",
    ),
    Rule("Deployment/.*", r"spec\.revisionHistoryLimit", _any, "so many old versions are kept for going back", "yes"),
    Rule(
        "Deployment/.*",
        r"spec\.replicas",
        _removed,
        "the HorizontalPodAutoscaler says how many; Git would work against it",
        "yes",
    ),
    Rule("Deployment/.*", r"spec\.strategy(\..*)?", _any, "no pod goes before a new one is ready", "yes"),
    Rule(
        "Deployment/.*",
        r"spec\.(progressDeadlineSeconds|minReadySeconds)",
        _any,
        "the chart has the API server's default",
        "check",
    ),
    Rule(
        "Deployment/.*",
        r"spec\.template\.metadata\.annotations(\[checksum/config\])?",
        _added,
        "pods are replaced when the files of `config` change",
        "yes",
    ),
    Rule(
        "Deployment/.*",
        POD + r"serviceAccountName",
        _any,
        "an account of its own in place of the namespace's default one; "
        "roles that were given to the default account are to be given to this one",
        "check",
    ),
    Rule(
        "Deployment/.*",
        POD + r"terminationGracePeriodSeconds",
        _any,
        "the chart takes 1 to 3600 seconds",
        "check",
    ),
    Rule(
        "Deployment/.*",
        POD + r"automountServiceAccountToken",
        _any,
        "no token in the pod; if the service calls the Kubernetes "
        "API, set podOverrides.automountServiceAccountToken to true",
        "check",
    ),
    Rule(
        "Deployment/.*",
        POD + r"securityContext(\..*)?",
        _added,
        "the guardrails ask for it: runs as user 10001 and not as root; try whether the image can",
        "check",
    ),
    Rule(
        "Deployment/.*",
        POD + r"topologySpreadConstraints(\[.*\])?",
        _added,
        "pods are spread over zones and nodes where there is room",
        "yes",
    ),
    Rule("Deployment/.*", POD + r"volumes(\[tmp\])?", _added, "the root file system is read-only, /tmp is not", "yes"),
    Rule(
        "Deployment/.*",
        CONTAINER + r"volumeMounts(\[/tmp\])?",
        _added,
        "the root file system is read-only, /tmp is not",
        "yes",
    ),
    Rule("Deployment/.*", CONTAINER + r"env(\[PORT\])?", _added, "the chart tells the port", "yes"),
    Rule(
        "Deployment/.*",
        CONTAINER + r"name",
        _any,
        "the container is called like the service: mind `kubectl exec -c` and dashboards",
        "yes",
    ),
    Rule(
        "Deployment/.*",
        CONTAINER + r"ports\[\d+\]\.name",
        _any,
        "the port is called http; Services lead to it by that name",
        "yes",
    ),
    Rule(
        "Deployment/.*",
        CONTAINER + r"securityContext(\..*)?",
        _added,
        "the guardrails ask for it: no new privileges, no "
        "capabilities, nothing written but to volumes; try whether the image can",
        "check",
    ),
    Rule(
        "Deployment/.*",
        CONTAINER + r"resources(\..*)?",
        _added,
        "the guardrails ask for it; look at what the service uses, and set `resources` accordingly",
        "check",
    ),
    Rule(
        "Deployment/.*",
        CONTAINER + r"startupProbe(\..*)?",
        _added,
        "it has 60 seconds to start before the other probes count",
        "yes",
    ),
    Rule(
        "Deployment/.*",
        CONTAINER + r"(readiness|liveness)Probe\.initialDelaySeconds",
        _removed,
        "the startup probe waits in its place, up to 60 seconds",
        "yes",
    ),
    Rule(
        "Deployment/.*",
        CONTAINER + r"startupProbe\.initialDelaySeconds",
        _removed,
        "it asks from the start, and goes on asking",
        "yes",
    ),
    Rule(
        "Deployment/.*",
        CONTAINER + r"lifecycle(\..*)?",
        _added,
        "it goes on serving for five seconds, until nobody calls it any more",
        "yes",
    ),
    Rule(
        "Service/.*",
        r"spec\.selector(\..*|\[.*\])?",
        _any,
        "the same pods: the labels of the Deployment's selector",
        "yes",
    ),
    Rule(
        "Service/.*",
        r"spec\.ports\[\d+\]\.name",
        _any,
        "the port is called http; who calls it by its number notices nothing",
        "check",
    ),
    Rule("HorizontalPodAutoscaler/.*", "apiVersion", _any, "the same object in the newer version", "yes"),
    Rule(
        "HorizontalPodAutoscaler/.*",
        r"metadata\.name",
        _any,
        "the chart's has the service's name; delete the old one after the first sync, or two of them count",
        "no",
    ),
    Rule(
        "HorizontalPodAutoscaler/.*",
        r"spec\.behavior(\..*)?",
        _added,
        "pods go after five minutes of less load, the API server's default",
        "yes",
    ),
    Rule("HorizontalPodAutoscaler/.*", "", _removed, "one of them is enough; delete it", "no"),
    Rule(
        "ConfigMap/.*",
        r"metadata\.name",
        _any,
        "the files are in a ConfigMap of the service's name; delete the old one after the "
        "first sync if nobody else reads it",
        "yes",
    ),
    Rule(
        "PodDisruptionBudget/.*",
        r"spec\.unhealthyPodEvictionPolicy",
        _added,
        "a drain does not wait for pods that serve nobody",
        "yes",
    ),
    Rule(
        "PodDisruptionBudget/.*",
        r"spec\.selector(\..*)?",
        _any,
        "the same pods: the labels of the Deployment's selector",
        "yes",
    ),
    Rule(
        "ServiceMonitor/.*",
        r"spec\.(selector|endpoints)(\..*|\[.*)?",
        _any,
        "the same Service, by the chart's labels and port",
        "yes",
    ),
    Rule(
        "ServiceAccount/.*",
        r"automountServiceAccountToken",
        _any,
        "no token in the pod unless the pod asks for it",
        "check",
    ),
)


def _explain_secret(difference: Difference, proposal: Proposal) -> Explained | None:
    about, path = difference.about, difference.path
    secret = secret_name(proposal.name)
    if (about, path) == (f"ExternalSecret/{secret}", ""):
        return Explained(
            difference, f"makes the Secret {secret} of what is at {proposal.secret_path} in the store", "yes"
        )
    why = f"a secret: it is read from {proposal.secret_path} in the store, by the Secret {secret}; put it there before you merge"
    variables = {name for issued in proposal.issued for name in issued.variables}
    found = re.fullmatch(
        CONTAINER.replace("containers", "(?:init|ephemeral)?[cC]ontainers") + r"env(?:\[([^\]]+)\].*)?", path
    )
    if found is not None and (found[1] in variables or (found[1] is None and _only(difference, variables))):
        return Explained(difference, why, "check")
    if about.startswith("ConfigMap/") and (about, path) in {
        (issued.about, f"data.{issued.name}") for issued in proposal.issued
    }:
        return Explained(difference, why, "check")
    if re.fullmatch(CONTAINER + "envFrom", path):
        others = [each for each in difference.after or [] if each != {"secretRef": {"name": secret}}]
        if others == (difference.before or []):
            return Explained(difference, f"the variables of the Secret {secret}", "yes")
    return None


def _only(difference: Difference, variables: set[str]) -> bool:
    """Whether all variables of a container were secrets, so that it has none any more, or none before."""
    entries = [each for side in (difference.before, difference.after) for each in side or []]
    return {str(each.get("name")) for each in entries} <= variables


def explain(differences: Sequence[Difference], proposal: Proposal) -> list[Explained]:
    """All of them with their reasons, in their order."""
    return [_explain(difference, proposal) for difference in differences]


def _explain(difference: Difference, proposal: Proposal) -> Explained:
    about, path = difference.about, difference.path
    if path == "" and proposal.replaced.get(about) == "HTTPRoute":
        why = "an HTTPRoute takes its place; keep it until the names lead to the gateway, then delete it"
        return Explained(difference, why, "check")
    if proposal.issued and (explained := _explain_secret(difference, proposal)) is not None:
        return explained
    moved = [name for pair in proposal.replaced.items() for name in pair]
    if any(f".volumes[{name}]" in path for name in moved) or (".volumeMounts[" in path and path.endswith("].name")):
        return Explained(difference, "the same files at the same place, by `config`", "yes")
    if ".volumeMounts[" in path and path.endswith("].readOnly") and "config" in moved:
        return Explained(difference, "files of a ConfigMap are never written", "yes")
    for rule in RULES:
        if re.fullmatch(rule.about, about) and re.fullmatch(rule.path, path) and rule.when(difference):
            return Explained(difference, rule.why, rule.harmless)
    return Explained(difference, "not explained: find out what it does before you merge", "no")
