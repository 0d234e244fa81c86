"""CEL that is the same in the API server, in Kyverno and here: what a rule's expression is about, and the rule itself.

Only standard functions are used, none that an engine adds, so that three implementations cannot differ but by their faults.
"""

import json
from collections.abc import Mapping, Sequence

from understage.integrations.policies.rules import Rule

# The pod's spec of any workload; an object without one is asked nothing.
POD = """\
object.kind == "Pod" ? [object.spec] :
object.kind == "CronJob" ? [object.spec.jobTemplate.spec.template.spec] :
object.kind == "PodTemplate" ? [object.template.spec] :
has(object.spec.template) ? [object.spec.template.spec] : []"""
RUNNING = "pod.containers + (has(pod.initContainers) ? pod.initContainers : [])"
EPHEMERAL = "(has(pod.ephemeralContainers) ? pod.ephemeralContainers : [])"


def broken(rule: Rule, pods: str, settings: Mapping[str, str | Sequence[str]]) -> str:
    """CEL of the list of the names of what breaks a rule; empty when it holds. `pods` is CEL of the list of pods' specs."""
    expression = with_settings(rule.expression, settings)
    if rule.of == "object":
        return f"({expression}) ? [] : [object.kind]"
    if rule.of == "pod":
        return f'{pods}.filter(pod, !({expression})).map(pod, "pod")'
    containers = RUNNING if rule.of == "containers" else f"{RUNNING} + {EPHEMERAL}"
    return f"{pods}.map(pod, ({containers}).filter(container, !({expression})).map(container, container.name))"


def holds(rule: Rule, pods: str, settings: Mapping[str, str | Sequence[str]]) -> str:
    """CEL that is true when the rule holds."""
    expression = with_settings(rule.expression, settings)
    if rule.of == "object":
        return expression
    if rule.of == "pod":
        return f"{pods}.all(pod, {expression})"
    containers = RUNNING if rule.of == "containers" else f"{RUNNING} + {EPHEMERAL}"
    return f"{pods}.all(pod, ({containers}).all(container, {expression}))"


def with_settings(expression: str, settings: Mapping[str, str | Sequence[str]]) -> str:
    """The expression with the values of the settings that it names, as literals."""
    for name, value in settings.items():
        expression = expression.replace(
            f"settings.{name}", json.dumps(value if isinstance(value, str) else list(value))
        )
    return expression
