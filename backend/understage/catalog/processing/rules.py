"""Which kinds may come from which locations: `catalog.rules`, and the rules of configured locations."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from understage.catalog.glob import glob_matches
from understage.catalog.providers.config_locations import configured_ref
from understage.config.catalog_settings import AllowedKind, CatalogRule, CatalogSettings, LocationMatcher
from understage.model.ref import LocationRef


class Rules:
    """Any rule that matches allows; rules of a configured location add to the global ones.

    `folder` is where relative file targets of configured locations start.
    """

    def __init__(self, settings: CatalogSettings, folder: Path) -> None:
        self._rules: list[CatalogRule] = list(settings.rules)
        for location in settings.locations:
            ref = configured_ref(location, folder)
            matcher = (LocationMatcher(type=ref.type, exact=ref.target),)
            self._rules.extend(CatalogRule(allow=rule.allow, locations=matcher) for rule in location.rules)

    def allow(self, entity: Mapping[str, Any], origin: LocationRef) -> bool:
        """Whether an entity may come from this origin."""
        kind = str(entity["kind"]).lower()
        spec = entity.get("spec")
        spec_type = spec.get("type") if isinstance(spec, dict) else None
        return any(
            _names_kind(rule.allow, kind, spec_type) and _names_location(rule.locations, origin) for rule in self._rules
        )


def _names_kind(allowed: Sequence[AllowedKind], kind: str, spec_type: Any) -> bool:
    for item in allowed:
        if item.kind.lower() != kind:
            continue
        if item.spec_type is None or (isinstance(spec_type, str) and item.spec_type.lower() == spec_type.lower()):
            return True
    return False


def _names_location(matchers: Sequence[LocationMatcher] | None, origin: LocationRef) -> bool:
    if matchers is None:
        return True
    for matcher in matchers:
        if matcher.type != origin.type:
            continue
        if matcher.exact is not None and matcher.exact != origin.target:
            continue
        if matcher.pattern is None or glob_matches(matcher.pattern, origin.target):
            return True
    return False
