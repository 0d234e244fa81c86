"""A Grafana dashboard of a service or a team, and the objects that carry it. Pure; `dashboard:render` calls it.

Four golden signals (requests, errors, latency, saturation), the error budget, what runs, what it costs.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from understage.sdk.deployed import dashboard_tag, dashboard_uid
from understage_actions._dashboard_queries import Queries
from understage_actions._namespace_manifests import MANAGED_BY, TEAM_LABEL

Json = dict[str, Any]
WIDTH = 24
SOURCE = {"type": "prometheus", "uid": "${datasource}"}


@dataclass(frozen=True)
class DashboardSpec:
    """Whose dashboard: `scope` and `name` say it; `services` and `namespaces` are what it looks at.

    Without `counts_requests` there is nothing of requests and their errors on it.
    """

    scope: Literal["service", "team"]
    name: str
    team: str
    services: Sequence[str]
    namespaces: Sequence[str]
    queries: Queries
    currency: str
    counts_requests: bool = True

    @property
    def uid(self) -> str:
        """Its id in Grafana: the same for ever, and no longer than Grafana takes."""
        return dashboard_uid(self.scope, self.name)

    @property
    def title(self) -> str:
        """For people."""
        return self.name if self.scope == "service" else f"Team {self.name}"

    @property
    def tags(self) -> list[str]:
        """What the entity page finds it by."""
        return [
            dashboard_tag(self.scope, self.name),
            *([f"team:{self.team}"] if self.scope == "service" else []),
            "understage",
        ]


def dashboard(spec: DashboardSpec) -> Json:
    """The dashboard's own JSON."""
    return {
        "uid": spec.uid,
        "title": spec.title,
        "tags": spec.tags,
        "editable": False,
        "graphTooltip": 1,
        "schemaVersion": 39,
        "refresh": "1m",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [_source_variable(), _namespace_variable(spec.namespaces)]},
        "links": [_link_to_services(spec.team)] if spec.scope == "team" else [],
        "panels": _laid_out(_sections(spec)),
    }


def config_map(spec: DashboardSpec, namespace: str) -> Json:
    """What Grafana's sidecar reads."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            **_metadata(spec, namespace, {"grafana_dashboard": "1"}),
            "annotations": {"grafana_folder": spec.team},
        },
        "data": {f"{spec.uid}.json": _text(spec)},
    }


def grafana_dashboard(spec: DashboardSpec, namespace: str, instances: Mapping[str, str]) -> Json:
    """What Grafana's operator reads; `instances` are labels of the Grafana it is for."""
    return {
        "apiVersion": "grafana.integreatly.org/v1beta1",
        "kind": "GrafanaDashboard",
        "metadata": _metadata(spec, namespace, {}),
        "spec": {
            "allowCrossNamespaceImport": True,
            "folder": spec.team,
            "instanceSelector": {"matchLabels": dict(instances)},
            "json": _text(spec),
        },
    }


def _text(spec: DashboardSpec) -> str:
    return json.dumps(dashboard(spec), indent=2) + "\n"


def _metadata(spec: DashboardSpec, namespace: str, labels: Mapping[str, str]) -> Json:
    return {
        "name": f"dashboard-{spec.uid}",
        "namespace": namespace,
        "labels": {"app.kubernetes.io/name": spec.name, **MANAGED_BY, TEAM_LABEL: spec.team, **labels},
    }


def _sections(spec: DashboardSpec) -> list[tuple[str, list[Json]]]:
    ask = spec.queries
    legend = f"{{{{{ask.by}}}}}"
    pod = "{{namespace}} {{pod}}"
    requests = [
        _graph("Requests a second", "reqps", [(ask.requests(), legend)]),
        _graph("Errors", "percentunit", [(ask.failures(), legend)], most=None),
        _graph("Latency", "s", [(ask.latency(part), f"{legend} p{part * 100:g}") for part in (0.5, 0.95, 0.99)]),
    ]
    saturation = [
        _graph("CPU, of the limit", "percentunit", [(ask.cpu(), pod)], most=1),
        _graph("Memory, of the limit", "percentunit", [(ask.memory(), pod)], most=1),
        _graph("Waiting for CPU", "percentunit", [(ask.throttled(), pod)], most=1),
    ]
    windows = ("5m", "1h", "6h", "3d")
    budget = [
        _graph(
            "Burn rate of the error budget",
            "none",
            [(ask.burn(window), f"{legend} {window}") for window in windows],
            width=16,
        ),
        _number(f"Error budget left (30 days, {ask.objective:g} %)", "percentunit", ask.budget_left(), low_is_bad=True),
    ]
    running = [
        _graph("Restarts in an hour", "none", [(ask.restarts(), pod)], width=12),
        _graph(
            "Pods", "none", [(ask.ready(), "{{namespace}} ready"), (ask.wanted(), "{{namespace}} wanted")], width=12
        ),
    ]
    cost = [
        _number("CPU and memory, a month", f"currency{spec.currency}", ask.compute_cost(), width=12),
        _number("Volumes, a month", f"currency{spec.currency}", ask.storage_cost(), width=12),
    ]
    always = [("What runs", running), ("What it costs", cost)]
    if not spec.counts_requests:
        return [("Saturation", saturation), *always]
    return [("Golden signals", [*requests, *saturation]), ("Error budget", budget), *always]


def _laid_out(sections: Sequence[tuple[str, list[Json]]]) -> list[Json]:
    """Rows of panels from left to right, each with its id and its place."""
    laid: list[Json] = []
    y = 0
    for title, panels in sections:
        laid.append(
            _placed({"type": "row", "title": title, "collapsed": False, "panels": []}, len(laid), 0, y, WIDTH, 1)
        )
        x, y = 0, y + 1
        for panel in panels:
            width = panel.pop("width")
            if x + width > WIDTH:
                x, y = 0, y + 8
            laid.append(_placed(panel, len(laid), x, y, width, 8))
            x += width
        y += 8
    return laid


def _placed(panel: Json, index: int, x: int, y: int, width: int, height: int) -> Json:
    return {"id": index + 1, **panel, "gridPos": {"x": x, "y": y, "w": width, "h": height}}


def _graph(
    title: str, unit: str, lines: Sequence[tuple[str, str]], *, width: int = 8, most: float | None = None
) -> Json:
    defaults: Json = {"unit": unit, "min": 0, "custom": {"lineWidth": 1, "fillOpacity": 10, "showPoints": "never"}}
    if most is not None:
        defaults["max"] = most
    return {
        "type": "timeseries",
        "title": title,
        "width": width,
        "datasource": SOURCE,
        "targets": [_target(expression, legend, index) for index, (expression, legend) in enumerate(lines)],
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
    }


def _number(title: str, unit: str, expression: str, *, width: int = 8, low_is_bad: bool = False) -> Json:
    steps: list[Json] = [{"value": None, "color": "red" if low_is_bad else "text"}]
    if low_is_bad:
        steps += [{"value": 0.1, "color": "orange"}, {"value": 0.25, "color": "green"}]
    return {
        "type": "stat",
        "title": title,
        "width": width,
        "datasource": SOURCE,
        "targets": [{**_target(expression, "", 0), "instant": True, "range": False}],
        "fieldConfig": {
            "defaults": {"unit": unit, "thresholds": {"mode": "absolute", "steps": steps}},
            "overrides": [],
        },
        "options": {
            "graphMode": "none",
            "colorMode": "value",
            "justifyMode": "auto",
            "textMode": "auto",
            "orientation": "auto",
            "reduceOptions": {"calcs": ["lastNotNull"], "values": False},
        },
    }


def _target(expression: str, legend: str, index: int) -> Json:
    return {
        "refId": "ABCDEFGH"[index],
        "datasource": SOURCE,
        "expr": expression,
        "legendFormat": legend,
        "range": True,
    }


def _source_variable() -> Json:
    return {"type": "datasource", "name": "datasource", "label": "Data source", "query": "prometheus", "hide": 0}


def _namespace_variable(namespaces: Sequence[str]) -> Json:
    options = [{"text": name, "value": name, "selected": False} for name in namespaces]
    return {
        "type": "custom",
        "name": "namespace",
        "label": "Namespace",
        "query": ",".join(namespaces),
        "includeAll": True,
        "multi": True,
        "hide": 0,
        "current": {"text": ["All"], "value": ["$__all"], "selected": True},
        "options": [{"text": "All", "value": "$__all", "selected": True}, *options],
    }


def _link_to_services(team: str) -> Json:
    return {
        "type": "dashboards",
        "title": "Services",
        "tags": [f"team:{team}"],
        "asDropdown": True,
        "icon": "external link",
        "includeVars": False,
        "keepTime": True,
        "targetBlank": False,
        "tooltip": "",
        "url": "",
    }
