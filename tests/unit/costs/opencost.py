"""Answers in the shape of OpenCost's specification (docs/swagger.json of its repository), as the tests of costs use them."""

from typing import Any

START, END = "2026-11-19T00:00:00Z", "2026-11-26T00:00:00Z"
HOURS = 168


def allocation(name: str, *, start: str = START, end: str = END, **costs: float) -> dict[str, Any]:
    """One allocation; costs by OpenCost's names, the total is their sum unless it is given."""
    parts = dict.fromkeys(("cpuCost", "gpuCost", "ramCost", "pvCost", "networkCost", "loadBalancerCost"), 0.0)
    parts |= {f"{part}Adjustment": 0.0 for part in parts} | {"sharedCost": 0.0, "externalCost": 0.0}
    total = sum(costs.values())
    return {
        "name": name,
        "properties": {"cluster": "cluster-one"},
        "window": {"start": start, "end": end},
        "start": start,
        "end": end,
        "minutes": 60.0 * HOURS,
        "cpuCores": 0.2,
        "pvs": None,
        "rawAllocationOnly": None,
        **parts,
        "totalCost": total,
        **costs,
    }


def answer(*sets: dict[str, dict[str, float]], label: str = "app_kubernetes_io_name=") -> dict[str, Any]:
    """An answer of sets of allocations by `namespace/service`; `label` stands before the name of a service."""
    data = [
        {key: allocation(key, **costs) for key, costs in ((_key(name, label), costs) for name, costs in each.items())}
        for each in sets
    ]
    return {"code": 200, "status": "success", "data": data}


def _key(name: str, label: str) -> str:
    namespace, slash, service = name.partition("/")
    return name if not slash or service.startswith("__") else f"{namespace}/{label}{service}"
