"""Asks the rules of manifests, before anything is made of them: the words are those with which the cluster would refuse."""

from collections.abc import Iterable, Mapping
from typing import Any

from understage.integrations.policies.expressions import POD, broken
from understage.integrations.policies.rules import Policies, Rule
from understage.sdk.ports import Violation

Manifest = Mapping[str, Any]


class PolicyCheck:
    """The rules, ready to be asked: their expressions are read once."""

    def __init__(self, policies: Policies) -> None:
        # Ten milliseconds, and only where rules are asked.
        import cel

        self._policies = policies
        self._pods = cel.compile(POD)
        self._broken = {rule.name: cel.compile(broken(rule, "pods", policies.settings)) for rule in policies.rules}

    def check(self, objects: Iterable[Manifest]) -> list[Violation]:
        """Everything that is wrong, object by object in their order; members of a `List` are objects of their own."""
        return [violation for item in _flat(objects) for violation in self._check_one(item)]

    def _check_one(self, item: Manifest) -> Iterable[Violation]:
        for rule in self._policies.rules:
            if not any(
                match.matches(str(item.get("apiVersion")), str(item.get("kind"))) for match in self._policies.of(rule)
            ):
                continue
            names = self._names(rule, item)
            if names:
                yield Violation(
                    rule.name,
                    str(item["kind"]),
                    str((item.get("metadata") or {}).get("name", "")),
                    f"{', '.join(names)} {rule.message} ({self._policies.hint(rule)})",
                )

    def _names(self, rule: Rule, item: Manifest) -> list[str]:
        try:
            pods = self._pods.execute({"object": item}) if rule.of != "object" else []
            found = self._broken[rule.name].execute({"object": item, "pods": pods})
        except (KeyError, TypeError, ValueError, RuntimeError):
            # Not of the shape that its kind has. The cluster would refuse it for that.
            return [str(item.get("kind"))]
        return [name for entry in found for name in ([entry] if isinstance(entry, str) else entry)]


def _flat(objects: Iterable[Manifest]) -> Iterable[Manifest]:
    for item in objects:
        if item.get("kind") == "List" and isinstance(item.get("items"), list):
            yield from _flat(item["items"])
        else:
            yield item
