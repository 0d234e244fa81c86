"""What is different in a clone: the values laid over those of a service. Called by `environment:clone`. Pure.

One replica, no routes, no alerts; the service's secrets by another ExternalSecret; names of the cloned services point into the
clone. Only keys that the chart knows are set, so that an older chart takes them too.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from understage_actions._clone_sources import Source
from understage_actions._helm_chart import merge
from understage_actions._namespace_manifests import ENVIRONMENT_LABEL, TEAM_LABEL

Json = dict[str, Any]
CHART = "base-service"


@dataclass(frozen=True)
class Values:
    """`overrides` are laid over the service's values; `variables` are what its secret held, to be issued anew."""

    overrides: Json
    variables: Sequence[str] = ()


def clone_values(
    source: Source, given: Mapping[str, Any], *, team: str, environment: str, moved: Mapping[str, str]
) -> Values:
    """The values for a clone; `given` are the user's own, by the keys of base-service, and win.

    `moved` maps namespaces of the cloned services to the clone's.
    """
    overrides: Json = {}
    variables: list[str] = []
    for path, chart, values in source.chart.parts(dict(source.values)):
        if chart.name != CHART:
            continue
        own = _own(source.deployment.service, chart.values, values, team, environment, moved)
        own = merge(own, dict(given))
        variables += _variables(values)
        for key in reversed(path):
            own = {key: own}
        overrides = merge(overrides, own)
    return Values(overrides or dict(given), sorted(set(variables)))


def secret_name(service: str) -> str:
    """The Secret that is issued for a service of a clone."""
    return f"{service}-clone"


def _own(
    service: str, known: Collection[str], values: Json, team: str, environment: str, moved: Mapping[str, str]
) -> Json:
    wanted: Json = {
        "replicas": 1,
        "autoscaling": {"enabled": False},
        "route": {"enabled": False},
        "ingress": {"enabled": False},
        "slo": {"enabled": False},
        "externalSecret": {"enabled": False},
        "labels": {TEAM_LABEL: team, ENVIRONMENT_LABEL: environment},
        "env": _moved(values.get("env") or {}, moved),
    }
    if files := (values.get("config") or {}).get("files"):
        wanted["config"] = {"files": _moved(files, moved)}
    if _variables(values):
        wanted["envFrom"] = [*(values.get("envFrom") or []), {"secretRef": {"name": secret_name(service)}}]
    return {key: value for key, value in wanted.items() if key in known}


def _variables(values: Json) -> list[str]:
    external = values.get("externalSecret") or {}
    return sorted(external.get("data") or {}) if external.get("enabled") else []


def _moved(values: Mapping[str, Any], moved: Mapping[str, str]) -> Json:
    result: Json = {}
    for key, value in values.items():
        text = value
        for before, after in moved.items() if isinstance(value, str) else ():
            text = re.sub(rf"(?<![A-Za-z0-9-]){re.escape(before)}(?![A-Za-z0-9-])", after, text)
        result[key] = text
    return result
