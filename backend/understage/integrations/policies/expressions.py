"""CEL that is the same in the API server, in Kyverno and here: what a rule's expression is about, and the rule itself.

Only standard functions are used, none that an engine adds, so that three implementations cannot differ but by their faults.
"""

import json
from collections.abc import Mapping, Sequence

from understage.integrations.policies.rules import SETTING, Rule

Settings = Mapping[str, str | Sequence[str]]

# The pod's spec of any workload; an object without one is asked nothing.
POD = """\
object.kind == "Pod" ? [object.spec] :
object.kind == "CronJob" ? [object.spec.jobTemplate.spec.template.spec] :
object.kind == "PodTemplate" ? [object.template.spec] :
has(object.spec.template) ? [object.spec.template.spec] : []"""
RUNNING = "pod.containers + (has(pod.initContainers) ? pod.initContainers : [])"
EPHEMERAL = "(has(pod.ephemeralContainers) ? pod.ephemeralContainers : [])"


def broken(rule: Rule, pods: str, settings: Settings) -> str:
    """CEL of the list of the names of what breaks a rule; empty when it holds. `pods` is CEL of the list of pods' specs."""
    expression = with_settings(rule.expression, settings)
    if rule.of == "object":
        return f"({expression}) ? [] : [{'oldObject' if rule.on == 'DELETE' else 'object'}.kind]"
    if rule.of == "pod":
        return f'{pods}.filter(pod, !({expression})).map(pod, "pod")'
    wrong = f"({_containers(rule)}).filter(container, !({expression}))"
    return f"{pods}.map(pod, {wrong}.map(container, container.name))"


def holds(rule: Rule, pods: str, settings: Settings) -> str:
    """CEL that is true when the rule holds."""
    expression = with_settings(rule.expression, settings)
    if rule.of == "object":
        return expression
    if rule.of == "pod":
        return f"{pods}.all(pod, {expression})"
    return f"{pods}.all(pod, ({_containers(rule)}).all(container, {expression}))"


def _containers(rule: Rule) -> str:
    return RUNNING if rule.of == "containers" else f"{RUNNING} + {EPHEMERAL}"


def with_settings(expression: str, settings: Settings) -> str:
    """The expression with the values of the settings that it names, as literals."""
    return SETTING.sub(lambda found: json.dumps(settings[found[1]]), expression)
