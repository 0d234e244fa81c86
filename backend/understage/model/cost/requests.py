"""What the scheduler sets aside for one pod: what is paid for. `workloads` asks it for each kind of workload."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from understage.model.cost.quantity import parse_quantity

GIB = Decimal(2**30)
Json = Mapping[str, Any]


@dataclass(frozen=True)
class Requests:
    """Cores, and GiB of memory."""

    cpu: Decimal = Decimal(0)
    memory: Decimal = Decimal(0)

    def __add__(self, other: "Requests") -> "Requests":
        return Requests(self.cpu + other.cpu, self.memory + other.memory)

    def most(self, other: "Requests") -> "Requests":
        """The greater of each."""
        return Requests(max(self.cpu, other.cpu), max(self.memory, other.memory))


def pod_requests(spec: Json, what: str) -> tuple[Requests, list[str]]:
    """Of a pod, as the scheduler reckons, and the names of containers that request nothing.

    The containers run together with the sidecars (init containers that are always restarted); each other init container runs
    alone with the sidecars before it. What the pod as a whole requests wins; its overhead is added.
    """
    unknown: list[str] = []
    sidecars, starting, running = Requests(), Requests(), Requests()
    for container in members(spec, "initContainers"):
        asked = _container(container, what, unknown)
        if container.get("restartPolicy") == "Always":
            sidecars += asked
            starting = starting.most(sidecars)
        else:
            starting = starting.most(sidecars + asked)
    for container in members(spec, "containers"):
        running += _container(container, what, unknown)
    found = starting.most(sidecars + running)
    whole = member(spec, "resources")
    if whole:
        of_pod = _resources(whole, what)
        found = Requests(
            found.cpu if of_pod[0] is None else of_pod[0], found.memory if of_pod[1] is None else of_pod[1]
        )
        unknown = []
    overhead = _resources({"requests": member(spec, "overhead")}, what)
    return found + Requests(overhead[0] or Decimal(0), overhead[1] or Decimal(0)), unknown


def member(value: Any, *path: str) -> Json:
    """The map at a path; empty where there is none."""
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def members(value: Any, name: str) -> Sequence[Json]:
    """The maps of a list."""
    found = value.get(name) if isinstance(value, Mapping) else None
    return [item for item in found if isinstance(item, Mapping)] if isinstance(found, list) else []


def _container(container: Json, what: str, unknown: list[str]) -> Requests:
    name = str(container.get("name", "?"))
    cpu, memory = _resources(member(container, "resources"), f"{what}, container {name}")
    if cpu is None or memory is None:
        unknown.append(name)
    return Requests(cpu or Decimal(0), memory or Decimal(0))


def _resources(resources: Json, what: str) -> tuple[Decimal | None, Decimal | None]:
    """A limit without a request is the request, as the API server sets it."""
    asked = {**member(resources, "limits"), **member(resources, "requests")}
    cpu, memory = asked.get("cpu"), asked.get("memory")
    return (
        None if cpu is None else parse_quantity(cpu, f"{what}: cpu"),
        None if memory is None else parse_quantity(memory, f"{what}: memory") / GIB,
    )
