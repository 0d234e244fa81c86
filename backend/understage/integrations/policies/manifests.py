"""The rules as objects of a cluster: ValidatingAdmissionPolicies, which need no engine, and ValidatingPolicies of Kyverno.

Both hold in namespaces with the label `team`, which `kubernetes:create-namespace` sets. An update that changes nothing of what
a rule is about is left alone (`updates`).
"""

from typing import Any

from understage.integrations.policies.expressions import POD, broken, holds
from understage.integrations.policies.rules import Policies, Rule
from understage.integrations.policies.updates import is_asked

Json = dict[str, Any]

PREFIX = "platform-"
LABELS = {"app.kubernetes.io/part-of": "guardrails", "app.kubernetes.io/managed-by": "understage"}
TENANTS = {"matchExpressions": [{"key": "team", "operator": "Exists"}]}


def admission_policies(policies: Policies) -> list[Json]:
    """A ValidatingAdmissionPolicy and its binding, for each rule."""
    return [made for rule in policies.rules for made in (_admission(policies, rule), _binding(rule))]


def kyverno_policies(policies: Policies) -> list[Json]:
    """A ValidatingPolicy of Kyverno for each rule."""
    return [_kyverno(policies, rule) for rule in policies.rules]


def _admission(policies: Policies, rule: Rule) -> Json:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": _metadata(policies, rule),
        "spec": {"failurePolicy": "Fail", "matchConstraints": {"resourceRules": _resource_rules(policies, rule)}}
        | _question(policies, rule),
    }


def _binding(rule: Rule) -> Json:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": PREFIX + rule.name, "labels": dict(LABELS)},
        "spec": {
            "policyName": PREFIX + rule.name,
            "validationActions": ["Deny"],
            "matchResources": {"namespaceSelector": TENANTS},
        },
    }


def _kyverno(policies: Policies, rule: Rule) -> Json:
    constraints = {"resourceRules": _resource_rules(policies, rule), "namespaceSelector": TENANTS}
    return {
        "apiVersion": "policies.kyverno.io/v1",
        "kind": "ValidatingPolicy",
        "metadata": _metadata(policies, rule),
        "spec": {
            "validationActions": ["Deny"],
            # All kinds of workloads are named already.
            "autogen": {"podControllers": {"controllers": []}},
            # What is there has not been deleted, and nobody asks in the background.
            "evaluation": {"admission": {"enabled": True}, "background": {"enabled": rule.on != "DELETE"}},
            "matchConstraints": constraints,
        }
        | _question(policies, rule),
    }


def _question(policies: Policies, rule: Rule) -> Json:
    """What both engines ask in the same words."""
    asks_pods = rule.of != "object"
    names = broken(rule, "variables.pods", policies.settings)
    flat = f"({names}).map(name, [name])" if rule.of in ("pod", "object") else names
    said = f"{rule.message} ({policies.hint(rule)})"
    validation = {
        "expression": holds(rule, "variables.pods", policies.settings),
        "message": f"{_subject(rule)} {said}",
        "messageExpression": f'{flat}.map(names, names.join(", ")).join(", ") + {_quoted(f" {said}")}',
    }
    condition = is_asked(rule, policies.of(rule), policies.settings)
    conditions = {"matchConditions": [{"name": "changes", "expression": condition}]} if condition else {}
    variables = {"variables": [{"name": "pods", "expression": POD}]} if asks_pods else {}
    return {**conditions, **variables, "validations": [validation]}


def _metadata(policies: Policies, rule: Rule) -> Json:
    return {
        "name": PREFIX + rule.name,
        "labels": dict(LABELS),
        "annotations": {"description": f"{_subject(rule)} {rule.message}", "page": policies.hint(rule)},
    }


def _resource_rules(policies: Policies, rule: Rule) -> list[Json]:
    return [
        {
            "apiGroups": [match.group],
            "apiVersions": list(match.versions),
            "operations": ["DELETE"] if rule.on == "DELETE" else ["CREATE", "UPDATE"],
            "resources": list(match.resources),
        }
        for match in policies.of(rule)
    ]


def _subject(rule: Rule) -> str:
    return {"pod": "A pod", "object": "An object"}.get(rule.of, "A container")


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
