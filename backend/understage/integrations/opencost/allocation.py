"""Reads an answer of OpenCost's allocation API. Pure; `source` asks.

`{"code": 200, "data": [{"<namespace>/<label>=<value>": {window, cpuCost, …}}]}`, as OpenCost's specification
(docs/swagger.json) shows it; newer releases leave `<label>=` out. Keys that begin with `__` are what belongs to nobody.
"""

import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from understage.errors import ForeignError
from understage.integrations.opencost.spending import Cost, Spending

NOBODY = "__"
PARTS = {
    "cpu": "cpuCost",
    "memory": "ramCost",
    "storage": "pvCost",
    "network": "networkCost",
    "load_balancer": "loadBalancerCost",
}


def label_of_prometheus(label: str) -> str:
    """A label as Prometheus, and so OpenCost, names it: `app_kubernetes_io_name`."""
    return re.sub(r"[^a-zA-Z0-9_]", "_", label)


def read_allocations(answer: Any, label: str, currency: str) -> Spending:
    """The spending that an answer tells, aggregated by namespace and `label`. ForeignError for one of another shape."""
    namespaces: dict[str, Cost] = {}
    services: dict[tuple[str, str], Cost] = {}
    starts: list[datetime] = []
    ends: list[datetime] = []
    sets = answer.get("data") if isinstance(answer, Mapping) else None
    if not isinstance(sets, list):
        raise ForeignError("OpenCost's answer has no list `data`: understage.costs.openCost.path is another API's")
    for each in sets:
        for key, allocation in (each or {}).items() if isinstance(each, Mapping | None) else ():
            if not isinstance(allocation, Mapping):
                continue
            start, end = _window(allocation)
            starts.append(start)
            ends.append(end)
            namespace, _, rest = key.partition("/")
            if namespace.startswith(NOBODY) or not namespace:
                continue
            cost = _cost(allocation)
            namespaces[namespace] = namespaces.get(namespace, Cost()) + cost
            service = rest.removeprefix(f"{label_of_prometheus(label)}=")
            if service and not service.startswith(NOBODY):
                services[(namespace, service)] = services.get((namespace, service), Cost()) + cost
    if not starts:
        raise ForeignError("OpenCost knows no costs of this time yet")
    return Spending(min(starts), max(ends), currency, namespaces, services)


def _window(allocation: Mapping[str, Any]) -> tuple[datetime, datetime]:
    window = allocation.get("window")
    try:
        start, end = (datetime.fromisoformat(str(window[name])) for name in ("start", "end"))  # type: ignore[index]
        if start < end:
            return start, end
    except (TypeError, KeyError, ValueError):
        pass
    raise ForeignError("OpenCost's answer names no window of time")


def _cost(allocation: Mapping[str, Any]) -> Cost:
    """Its parts with their adjustments by the provider's bill; `other` is what else is in the total."""
    parts = {name: _number(allocation, key) + _number(allocation, f"{key}Adjustment") for name, key in PARTS.items()}
    return Cost(**parts, other=max(0.0, _number(allocation, "totalCost") - sum(parts.values())))


def _number(allocation: Mapping[str, Any], name: str) -> float:
    value = allocation.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return 0.0
    return float(value)
