"""Asks the rules of manifests, before anything is made of them: the words are those with which the cluster would refuse."""

from collections.abc import Iterable, Mapping
from typing import Any

from understage.integrations.policies.expressions import POD, broken
from understage.integrations.policies.rules import Policies, Rule
from understage.model.members import objects_in
from understage.sdk.ports import Violation

Manifest = Mapping[str, Any]


class PolicyCheck:
    """The rules. To read an expression takes some forty milliseconds: each is read when it is first asked, and once."""

    def __init__(self, policies: Policies) -> None:
        self._policies = policies
        self._broken = {rule.name: broken(rule, "pods", policies.settings) for rule in policies.rules}
        self._compiled: dict[str, Any] = {}

    def check(self, objects: Iterable[Manifest]) -> list[Violation]:
        """Everything that is wrong, object by object in their order; members of a `List` are objects of their own."""
        return [violation for given in objects for item in objects_in(given) for violation in self._check_one(item)]

    def _check_one(self, item: Manifest) -> Iterable[Violation]:
        api_version, kind = str(item.get("apiVersion")), str(item.get("kind"))
        asked = [
            rule
            for rule in self._policies.rules
            if rule.on == "WRITE" and any(match.matches(api_version, kind) for match in self._policies.of(rule))
        ]
        has_pods = any(rule.of != "object" for rule in asked)
        pods = self._ask(POD, {"object": item}) if has_pods else []
        for rule in asked:
            names = self._names(rule, {"object": item, "pods": pods})
            if names:
                yield Violation(
                    rule.name,
                    kind,
                    str((item.get("metadata") or {}).get("name", "")),
                    f"{', '.join(names)} {rule.message} ({self._policies.hint(rule)})",
                )

    def _names(self, rule: Rule, values: Mapping[str, Any]) -> list[str]:
        is_readable = rule.of == "object" or values["pods"] is not None
        found = self._ask(self._broken[rule.name], values) if is_readable else None
        if found is None:
            # Not of the shape that its kind has. The cluster would refuse it for that.
            return [str(values["object"].get("kind"))]
        return [name for entry in found for name in ([entry] if isinstance(entry, str) else entry)]

    def _ask(self, expression: str, values: Mapping[str, Any]) -> Any:
        """What CEL makes of it; None for an object of another shape."""
        import cel

        if expression not in self._compiled:
            self._compiled[expression] = cel.compile(expression)
        try:
            return self._compiled[expression].execute(dict(values))
        except (KeyError, TypeError, ValueError, RuntimeError):
            return None
