"""What was spent over a window of time, by namespace and service. Pure; `allocation` makes it, whoever tells costs reads it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

HOURS_OF_MONTH = 730


@dataclass(frozen=True)
class Cost:
    """Of a window, by what it was spent for."""

    cpu: float = 0.0
    memory: float = 0.0
    storage: float = 0.0
    network: float = 0.0
    load_balancer: float = 0.0
    other: float = 0.0

    @property
    def total(self) -> float:
        """All of it."""
        return self.cpu + self.memory + self.storage + self.network + self.load_balancer + self.other

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(*(mine + yours for mine, yours in zip(self.parts.values(), other.parts.values(), strict=True)))

    @property
    def parts(self) -> dict[str, float]:
        """By name, as the API tells them."""
        return {
            "cpu": self.cpu,
            "memory": self.memory,
            "storage": self.storage,
            "network": self.network,
            "loadBalancer": self.load_balancer,
            "other": self.other,
        }


@dataclass(frozen=True)
class Spending:
    """Over `hours` hours from `start` to `end`; `services` are costs by namespace and name of the service in it."""

    start: datetime
    end: datetime
    currency: str
    namespaces: Mapping[str, Cost] = field(default_factory=dict)
    services: Mapping[tuple[str, str], Cost] = field(default_factory=dict)

    @property
    def hours(self) -> float:
        """Length of the window."""
        return (self.end - self.start).total_seconds() / 3600

    def monthly(self, cost: Cost) -> float:
        """What a month costs that goes on as the window did."""
        return cost.total / self.hours * HOURS_OF_MONTH

    def of_service(self, name: str, namespaces: frozenset[str] = frozenset()) -> dict[str, Cost]:
        """Costs of a service by namespace: those named, its own (its name), and those named after it.

        Others may have pods of the same name, `redis` for example: these are not this service.
        """
        return {
            namespace: cost
            for (namespace, service), cost in sorted(self.services.items())
            if service == name and (namespace in namespaces or namespace == name or namespace.startswith(f"{name}-"))
        }

    def services_in(self, namespace: str) -> list[str]:
        """Names of services that have pods in a namespace."""
        return sorted(service for place, service in self.services if place == namespace)


def service_of(entity: Mapping[str, Any]) -> tuple[str, frozenset[str]]:
    """The name that pods of an entity have in their label, and the namespaces that its annotations name."""
    metadata = entity["metadata"]
    annotations = metadata.get("annotations")
    notes: Mapping[str, Any] = annotations if isinstance(annotations, Mapping) else {}
    name = notes.get("backstage.io/kubernetes-id")
    listed = str(notes.get("backstage.io/kubernetes-namespace") or "").split(",")
    return str(name or metadata["name"]), frozenset(part.strip() for part in listed if part.strip())
