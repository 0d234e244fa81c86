"""How many pods a workload has, for which part of the month, and with which volumes. `estimate` puts prices on it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from understage.errors import InputError
from understage.model.cost.quantity import parse_quantity
from understage.model.cost.requests import GIB, Requests, member, members, pod_requests
from understage.model.cost.schedule import runs_of_month

Json = Mapping[str, Any]
MOST_PODS = 100_000


@dataclass(frozen=True)
class Volume:
    """GiB of a storage class; None is the cluster's own default."""

    size: Decimal
    storage_class: str | None


@dataclass(frozen=True)
class Workload:
    """What runs: `pods` at least and `most` at most, each for `share` (0 to 1) of the month, with volumes of its own."""

    requests: Requests
    pods: int
    most: int
    share: Decimal = Decimal(1)
    volumes: Sequence[Volume] = ()
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Assumptions:
    """What manifests do not say: how many nodes there are, and for how long a job runs."""

    nodes: int = 1
    job_minutes: int = 5


class Scaling:
    """The HorizontalPodAutoscalers among the objects: they, not `replicas`, say how many pods there are."""

    def __init__(self, objects: Iterable[Json]) -> None:
        self._found: dict[tuple[Any, Any, Any], tuple[int, int]] = {}
        for item in objects:
            if item.get("kind") == "HorizontalPodAutoscaler":
                spec, name = member(item, "spec"), title(item)
                target = member(spec, "scaleTargetRef")
                least = _count(spec.get("minReplicas"), 1, f"{name}: minReplicas")
                most = _count(spec.get("maxReplicas"), least, f"{name}: maxReplicas")
                place = member(item, "metadata").get("namespace")
                self._found[(target.get("kind"), target.get("name"), place)] = (least, max(least, most))

    def of(self, item: Json, replicas: int) -> tuple[int, int]:
        """Least and most pods of a workload; 0 replicas switch its autoscaler off."""
        metadata = member(item, "metadata")
        key = (item.get("kind"), metadata.get("name"), metadata.get("namespace"))
        return (0, 0) if replicas == 0 else self._found.get(key, (replicas, replicas))


def read_workload(item: Json, scaling: Scaling, assumed: Assumptions) -> Workload | None:
    """The workload that an object is; None for an object that runs nothing. InputError for one that cannot be."""
    kind, spec, what = item.get("kind"), member(item, "spec"), title(item)
    if kind in ("Deployment", "StatefulSet", "ReplicaSet", "ReplicationController"):
        replicas = _count(spec.get("replicas"), 1, f"{what}: replicas")
        least, most = scaling.of(item, replicas)
        return _running(member(spec, "template", "spec"), what, least, most, members(spec, "volumeClaimTemplates"))
    if kind == "DaemonSet":
        return _running(member(spec, "template", "spec"), what, assumed.nodes, assumed.nodes)
    if kind == "Pod":
        return _running(spec, what, 1, 1)
    if kind == "CronJob":
        return _cron_job(spec, what, assumed)
    if kind == "Job":
        return _job(spec, what, Decimal(1), assumed, "one run")
    if str(item.get("apiVersion")).startswith("postgresql.cnpg.io/"):
        return _of_cloud_native_pg(kind, spec, what)
    return None


def read_volume(spec: Json, what: str) -> Volume:
    """The volume that a claim's spec asks for."""
    size = member(spec, "resources", "requests").get("storage", 0)
    storage_class = spec.get("storageClassName")
    return Volume(parse_quantity(size, f"{what}: storage") / GIB, str(storage_class) if storage_class else None)


def title(item: Json) -> str:
    """For messages: `Deployment shop/web`."""
    metadata = member(item, "metadata")
    place = f"{metadata['namespace']}/" if metadata.get("namespace") else ""
    return f"{item.get('kind')} {place}{metadata.get('name')}"


def _running(pod: Json, what: str, least: int, most: int, claims: Sequence[Json] = ()) -> Workload:
    requests, unknown = pod_requests(pod, what)
    volumes = [read_volume(member(claim, "spec"), what) for claim in claims]
    for volume in members(pod, "volumes"):
        template = member(volume, "ephemeral", "volumeClaimTemplate", "spec")
        volumes += [read_volume(template, what)] if template else []
    return Workload(requests, least, most, volumes=volumes, notes=list(_notes(unknown)))


def _cron_job(spec: Json, what: str, assumed: Assumptions) -> Workload:
    if spec.get("suspend") is True:
        return Workload(Requests(), 0, 0, notes=["suspended"])
    runs = runs_of_month(str(spec.get("schedule", "")), what)
    return _job(member(spec, "jobTemplate", "spec"), what, Decimal(str(round(runs, 4))), assumed, f"{runs:.0f} runs")


def _job(spec: Json, what: str, runs: Decimal, assumed: Assumptions, told: str) -> Workload:
    """Pods that run `runs` times a month; no longer than their deadline, nor than the month."""
    pods = _count(spec.get("completions") or spec.get("parallelism"), 1, f"{what}: completions")
    deadline = spec.get("activeDeadlineSeconds")
    minutes = Decimal(assumed.job_minutes)
    if deadline is not None:
        minutes = min(minutes, Decimal(_count(deadline, 0, f"{what}: activeDeadlineSeconds", most=10**9)) / 60)
    requests, unknown = pod_requests(member(spec, "template", "spec"), what)
    share = min(Decimal(1), runs * minutes / (730 * 60))
    notes = [f"{told} of {minutes.normalize():f} minutes", *_notes(unknown)]
    return Workload(requests, pods, pods, share=share, notes=notes)


def _of_cloud_native_pg(kind: Any, spec: Json, what: str) -> Workload | None:
    """A PostgreSQL cluster: each instance has its volume, and one for the log where it is apart. A pooler has pods only."""
    if kind not in ("Cluster", "Pooler"):
        return None
    instances = _count(spec.get("instances"), 1, f"{what}: instances")
    if kind == "Pooler":
        return _running(member(spec, "template", "spec"), what, instances, instances)
    requests, unknown = pod_requests({"containers": [{"name": "postgres", "resources": spec.get("resources")}]}, what)
    volumes = []
    for storage in (member(spec, "storage"), member(spec, "walStorage")):
        if storage.get("size") is not None:
            claim = {"resources": {"requests": {"storage": storage["size"]}}}
            volumes.append(read_volume({**claim, "storageClassName": storage.get("storageClass")}, what))
    return Workload(requests, instances, instances, volumes=volumes, notes=list(_notes(unknown)))


def _notes(unknown: Sequence[str]) -> Iterator[str]:
    if unknown:
        yield f"no requests: {', '.join(unknown)}"


def _count(value: Any, default: int, what: str, *, most: int = MOST_PODS) -> int:
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise InputError(f"{what} must be a whole number from 0 to {most}, not {str(value)[:40]!r}")
    return value
