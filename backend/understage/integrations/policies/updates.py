"""CEL that tells which updates a rule is asked of: those that change what it is about. `manifests` makes conditions of it.

What was there before the rule, or before its namespace had a label, would otherwise stand still: its controller could not
even scale it down. Without the condition a rule is asked of every update, so whatever is in doubt has none.
"""

import re
from collections.abc import Sequence

from understage.integrations.policies.expressions import Settings, with_settings
from understage.integrations.policies.rules import KindMatch, Rule

# What makes pods, of any workload: another template makes other pods.
_TEMPLATE = """\
{0}.kind == "Pod" ? [{0}.spec] :
{0}.kind == "CronJob" ? [{0}.spec.jobTemplate.spec.template] :
{0}.kind == "PodTemplate" ? [{0}.template] :
has({0}.spec) && has({0}.spec.template) ? [{0}.spec.template] : []"""
_METADATA = "has({0}.metadata.{1}) ? [{0}.metadata.{1}] : []"
_SAME_BODY = """\
[object, oldObject].all(one, one.all(member, member in ["metadata", "status"] ||
(member in object && member in oldObject && object[member] == oldObject[member])))"""
_WORKLOADS = frozenset(
    {
        *("Pod", "ReplicationController", "PodTemplate", "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet"),
        *("Job", "CronJob"),
    }
)
# The object and the names after it, up to a call: what `object.all(…)` reads is not told by its names.
_READ = re.compile(r"(?<![\w.])object\b((?:\.\w+\b(?!\s*\())*)")


def is_asked(rule: Rule, kinds: Sequence[KindMatch], settings: Settings) -> str | None:
    """CEL that is false for an update that changes nothing of what the rule is about; None when it is asked of all there are.

    A rule that says by itself when it is asked is taken at its word.
    """
    if rule.asked is not None:
        return with_settings(rule.asked, settings)
    if rule.on == "DELETE":
        return None
    same = _same_template() if rule.of != "object" else _same_object(rule, kinds)
    return same and f'request.operation != "UPDATE" || !({same})'


def _same_object(rule: Rule, kinds: Sequence[KindMatch]) -> str | None:
    reads = {tuple(found[1].split(".")[1:]) for found in _READ.finditer(rule.expression)}
    if () in reads or ("metadata",) in reads:
        return None
    # Who adopts an object or lets go of it, as garbage collection does, changes nothing of it.
    metadata = sorted({path[1] for path in reads if path[0] == "metadata"} - {"ownerReferences"})
    is_about_pods = all(path[0] == "metadata" for path in reads) and _WORKLOADS.issuperset(
        kind for match in kinds for kind in match.kinds
    )
    parts = [_same(_METADATA.format("object", name), _METADATA.format("oldObject", name)) for name in metadata]
    return " && ".join([*parts, _same_template() if is_about_pods else _SAME_BODY])


def _same_template() -> str:
    return _same(_TEMPLATE.format("object"), _TEMPLATE.format("oldObject"))


def _same(one: str, other: str) -> str:
    return f"({one}) ==\n({other})"
