"""What an Application of Argo CD says. The status of services asks, and the actions by `understage.sdk.argocd`."""

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]


def sources_of(spec: Mapping[str, Any]) -> list[Json]:
    """The sources of an Application's spec, or of an entry of its history, whether it has one or several."""
    return list(spec.get("sources") or [spec.get("source") or {}])
