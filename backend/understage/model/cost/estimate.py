"""Prices put on objects, line by line. `cost:estimate`, `understage cost estimate` and plans of actions call it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from understage.errors import InputError
from understage.model.cost.prices import HOURS_OF_MONTH, PriceList
from understage.model.cost.requests import member
from understage.model.cost.workloads import Assumptions, Scaling, Workload, read_volume, read_workload, title

Json = Mapping[str, Any]
CENT = Decimal("0.01")
MOST = Decimal(10**15)
# What the platform of Kubernetes itself brings, and what only says how to treat others, costs nothing by itself.
FREE_GROUPS = (
    "apps", "autoscaling", "batch", "policy", "extensions", "networking.k8s.io", "rbac.authorization.k8s.io",
    "storage.k8s.io", "scheduling.k8s.io", "admissionregistration.k8s.io", "apiextensions.k8s.io",
    "gateway.networking.k8s.io", "monitoring.coreos.com", "postgresql.cnpg.io", "external-secrets.io", "argoproj.io",
    "kyverno.io", "policies.kyverno.io", "grafana.integreatly.org",
)  # fmt: skip


@dataclass(frozen=True)
class Line:
    """One object: pods at least and at most, what they request together (cores, GiB), and what it costs a month.

    `monthly` is with the least number of pods, `maximum` with the most.
    """

    kind: str
    name: str
    namespace: str | None
    pods: int
    most_pods: int
    cpu: Decimal
    memory: Decimal
    storage: Decimal
    monthly: Decimal
    maximum: Decimal
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Estimate:
    """The lines that cost something, their sums, and the kinds of objects that nobody can put a price on here."""

    lines: Sequence[Line]
    prices: PriceList
    unknown_kinds: Sequence[str]

    @property
    def monthly(self) -> Decimal:
        """The sum a month."""
        return sum((line.monthly for line in self.lines), Decimal(0))

    @property
    def maximum(self) -> Decimal:
        """The sum a month when all is scaled out."""
        return sum((line.maximum for line in self.lines), Decimal(0))


def estimate_cost(objects: Iterable[Json], prices: PriceList, assumed: Assumptions | None = None) -> Estimate:
    """What the objects cost a month. InputError for a quantity, a number or a schedule that cannot be."""
    items = list(objects)
    scaling, assumed = Scaling(items), assumed or Assumptions()
    lines: list[Line] = []
    unknown: set[str] = set()
    for item in items:
        workload = read_workload(item, scaling, assumed)
        if workload is not None:
            lines.append(_workload_line(item, workload, prices))
        elif item.get("kind") == "PersistentVolumeClaim":
            volume = read_volume(member(item, "spec"), title(item))
            price = volume.size * prices.storage(volume.storage_class)
            lines.append(_line(item, storage=volume.size, monthly=price, maximum=price))
        elif item.get("kind") == "Service" and member(item, "spec").get("type") == "LoadBalancer":
            price = prices.load_balancer_month
            lines.append(_line(item, monthly=price, maximum=price, notes=["load balancer"]))
        elif not _is_free(str(item.get("apiVersion", ""))):
            unknown.add(str(item.get("kind")))
    return Estimate(lines, prices, sorted(unknown))


def _workload_line(item: Json, workload: Workload, prices: PriceList) -> Line:
    requests = workload.requests
    hours = HOURS_OF_MONTH * workload.share
    stored = sum((volume.size * prices.storage(volume.storage_class) for volume in workload.volumes), Decimal(0))
    of_pod = (requests.cpu * prices.cpu_hour + requests.memory * prices.memory_gib_hour) * hours + stored
    return _line(
        item,
        pods=workload.pods,
        most_pods=workload.most,
        cpu=requests.cpu * workload.pods,
        memory=requests.memory * workload.pods,
        storage=sum((volume.size for volume in workload.volumes), Decimal(0)) * workload.pods,
        monthly=of_pod * workload.pods,
        maximum=of_pod * workload.most,
        notes=workload.notes,
    )


def _line(
    item: Json,
    *,
    monthly: Decimal,
    maximum: Decimal,
    pods: int = 0,
    most_pods: int = 0,
    cpu: Decimal = Decimal(0),
    memory: Decimal = Decimal(0),
    storage: Decimal = Decimal(0),
    notes: Sequence[str] = (),
) -> Line:
    metadata = member(item, "metadata")
    namespace = metadata.get("namespace")
    if maximum > MOST:
        raise InputError(f"{title(item)} would cost more than there is money: check what it requests")
    return Line(
        kind=str(item.get("kind")),
        name=str(metadata.get("name")),
        namespace=str(namespace) if namespace else None,
        pods=pods,
        most_pods=most_pods,
        cpu=cpu,
        memory=memory,
        storage=storage,
        # Rounded line by line, so that the lines add up to the sum that stands below them.
        monthly=monthly.quantize(CENT, ROUND_HALF_UP),
        maximum=maximum.quantize(CENT, ROUND_HALF_UP),
        notes=notes,
    )


def _is_free(api_version: str) -> bool:
    group, is_grouped, _ = api_version.rpartition("/")
    return not is_grouped or group in FREE_GROUPS
