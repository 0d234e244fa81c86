"""What there is: which objects belong to which Deployment, what cannot be adopted and which way it goes instead.

Called first, with all objects of a source. A Secret is never handed on: its name and the names of its keys only.
"""

import copy
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from understage.adoption.reading import Json, mapping, maps, name_of, pod_template, references, selects, title
from understage.adoption.withholding import Issued, withhold
from understage.errors import InputError
from understage.model.members import map_at, members_of

MAX_OBJECTS = 500
CLUSTER_KINDS = {
    "Namespace", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "PersistentVolume", "StorageClass",
    "PriorityClass", "IngressClass", "ValidatingWebhookConfiguration", "MutatingWebhookConfiguration", "APIService",
}  # fmt: skip
WAYS = {
    "StatefulSet": (
        "base-service makes Deployments: keep it as it is, as plain manifests of an Argo CD Application or under "
        "`extraManifests` of a service that is adopted; a database is better asked for (template new-database)"
    ),
    "DaemonSet": (
        "a pod on every node is the platform's: hand the manifests to the platform team, or keep them as plain manifests of "
        "an Argo CD Application"
    ),
    "CronJob": "the template new-job makes CronJobs; until then keep it as plain manifests of an Argo CD Application",
    "Job": "it has run: leave it out, or make it a CronJob (template new-job) or a hook of Argo CD",
    "ReplicaSet": "its Deployment makes it: leave it out",
    "ReplicationController": "make it a Deployment first: the same pod template under `apps/v1`",
    "Pod": "a pod alone is not started again when its node goes: make it a Deployment first",
}
HOOK = "helm.sh/hook"
LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


@dataclass(frozen=True)
class Remark:
    """One object that is not carried over, and what to do about it."""

    about: str
    message: str


@dataclass
class Group:
    """A Deployment and what belongs to it. `others` are carried over as they are.

    It has no value of a secret: `issued` says which were held back, `shown` has the objects as they were but for those.
    """

    deployment: Json
    services: list[Json] = field(default_factory=list)
    ingresses: list[Json] = field(default_factory=list)
    autoscalers: list[Json] = field(default_factory=list)
    budgets: list[Json] = field(default_factory=list)
    monitors: list[Json] = field(default_factory=list)
    accounts: list[Json] = field(default_factory=list)
    config_maps: list[Json] = field(default_factory=list)
    others: list[Json] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)
    shown: list[Json] = field(default_factory=list)
    issued: list[Issued] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The Deployment's name, which is the service's."""
        return name_of(self.deployment)

    def objects(self) -> list[Json]:
        """All of them, the Deployment first."""
        return [
            self.deployment, *self.services, *self.ingresses, *self.autoscalers, *self.budgets, *self.monitors,
            *self.accounts, *self.config_maps, *self.others,
        ]  # fmt: skip

    def copy_objects(self) -> None:
        """Have objects of its own, to change them."""
        self.deployment = copy.deepcopy(self.deployment)
        for name in (
            "services",
            "ingresses",
            "autoscalers",
            "budgets",
            "monitors",
            "accounts",
            "config_maps",
            "others",
        ):
            setattr(self, name, copy.deepcopy(getattr(self, name)))


@dataclass
class Inventory:
    """The services, and what is not adopted."""

    groups: list[Group]
    remarks: list[Remark]


def take_stock(objects: Sequence[Any], plain: Collection[str] = ()) -> Inventory:
    """Sort the objects of one source, and hold secrets back; `plain` are names that look like a secret and are none.

    Raises InputError for what is no object, twice there, or too much, and for a name in `plain` that nothing has.
    """
    opened = [item for entry in objects for item in _checked(entry)]
    if len(opened) > MAX_OBJECTS:
        raise InputError(
            f"{len(opened)} objects are more than the {MAX_OBJECTS} of one adoption: adopt folder by folder"
        )
    _refuse_twice(opened)
    remarks: list[Remark] = []
    groups = [Group(item) for item in opened if item["kind"] == "Deployment" and not _hook(item, remarks)]
    for group in list(groups):
        if reason := _hindrance(group.deployment):
            remarks.append(Remark(title(group.deployment), reason))
            groups.remove(group)
    for item in opened:
        if item["kind"] != "Deployment" and not _hook(item, remarks):
            _assign(item, groups, remarks, opened)
    return Inventory(_hold_back(groups, remarks, plain), remarks)


def _hold_back(groups: list[Group], remarks: list[Remark], plain: Collection[str]) -> list[Group]:
    """The groups that can be adopted without their secrets."""
    adopted = []
    said: set[str] = set()
    originals = list(groups)
    for group in groups:
        found = withhold(group, [other for other in originals if other is not group], plain)
        said |= {name for _, name in found.plain}
        group.shown, group.issued = found.shown, found.issued
        group.remarks += [
            Remark(about, f"`{name}` looks like a secret and is carried over as plain text, as was asked for")
            for about, name in dict.fromkeys(found.plain)
        ]
        if found.hindrances:
            remarks.append(
                Remark(title(group.deployment), "is not adopted, since secrets in plain text stand beside it")
            )
            remarks += [Remark(about, reason) for about, reason in dict.fromkeys(found.hindrances)]
        else:
            adopted.append(group)
    if unknown := sorted(set(plain) - said):
        raise InputError(f"plain: {', '.join(unknown)[:200]} is nothing that looks like a secret here")
    return adopted


def _checked(entry: Any) -> Iterator[Json]:
    """The objects of a document. InputError for what is none."""
    for item in members_of(entry):
        if not isinstance(map_at(item).get("kind"), str) or not isinstance(item.get("apiVersion"), str):
            raise InputError("A document is no Kubernetes object: it needs apiVersion, kind and metadata.name")
        name_of(item)
        yield item


def _refuse_twice(objects: Sequence[Json]) -> None:
    seen: set[tuple[str, ...]] = set()
    for item in objects:
        group = item["apiVersion"].rpartition("/")[0]
        key = (group, item["kind"], str(mapping(item, "metadata").get("namespace")), name_of(item))
        if key in seen:
            raise InputError(
                f"{title(item)} is there twice: adopt one environment at a time, by the path of its folder or overlay"
            )
        seen.add(key)


def _hook(item: Json, remarks: list[Remark]) -> bool:
    if HOOK not in mapping(item, "metadata", "annotations"):
        return False
    remarks.append(
        Remark(
            title(item),
            "a hook of Helm: Argo CD runs it by `argocd.argoproj.io/hook`; carry it over by hand if need be",
        )
    )
    return True


def _hindrance(deployment: Json) -> str | None:
    selector = mapping(deployment, "spec", "selector")
    labels = mapping(pod_template(deployment), "metadata", "labels")
    if selector.get("matchExpressions"):
        return "its selector has matchExpressions, which the chart cannot say and nobody can change: make it anew with labels"
    if not selects(mapping(selector, "matchLabels"), labels):
        return "its selector does not select its own pods: correct spec.selector.matchLabels"
    if not maps(pod_template(deployment), "spec", "containers"):
        return "it has no containers: correct spec.template.spec.containers"
    if not LABEL.fullmatch(name_of(deployment)) or len(name_of(deployment)) > 53:
        return "its name is no label of 53 characters or less, so that no Helm release can have it: make it anew"
    return None


def _assign(item: Json, groups: list[Group], remarks: list[Remark], objects: Sequence[Json]) -> None:
    kind = item["kind"]
    if kind == "Secret":
        remarks.append(_secret(item, groups))
    elif kind in WAYS:
        remarks.append(Remark(title(item), f"is not adopted: {WAYS[kind]}"))
    elif kind in CLUSTER_KINDS:
        remarks.append(Remark(title(item), "belongs to the cluster, not to a service: the platform team keeps it"))
    elif owner := _owner(item, groups, objects):
        _place(item, owner)
    elif len(groups) == 1:
        groups[0].others.append(item)
    else:
        remarks.append(
            Remark(title(item), "belongs to no Deployment that is adopted: keep it where it is, or add it by hand")
        )


def _secret(item: Json, groups: list[Group]) -> Remark:
    keys = sorted({*mapping(item, "data"), *mapping(item, "stringData")})
    users = [group.name for group in groups if name_of(item) in references(pod_template(group.deployment), "secret")]
    where = f"; {', '.join(users)} goes on reading it by its name" if users else ""
    return Remark(
        title(item),
        f"is not carried over: values of secrets do not belong into Git{where}. Its keys: {', '.join(keys) or 'none'}. The one "
        "in the cluster stays; put the values into the team's store, and have an ExternalSecret make it "
        "(`externalSecret`). If the values were in Git, they are known: renew them",
    )


def _owner(item: Json, groups: list[Group], objects: Sequence[Json]) -> Group | None:
    for group in groups:
        if _belongs(item, group, objects):
            return group
    return None


def _belongs(item: Json, group: Group, objects: Sequence[Json]) -> bool:
    kind, spec = item["kind"], mapping(item, "spec")
    template = pod_template(group.deployment)
    labels = mapping(template, "metadata", "labels")
    if kind == "Service":
        return selects(mapping(spec, "selector"), labels)
    if kind == "Ingress":
        wanted = _backends(spec)
        return any(
            name_of(each) in wanted for each in objects if each["kind"] == "Service" and _belongs(each, group, objects)
        )
    if kind == "HorizontalPodAutoscaler":
        target = mapping(spec, "scaleTargetRef")
        return (target.get("kind"), target.get("name")) == ("Deployment", group.name)
    if kind == "PodDisruptionBudget":
        return selects(mapping(spec, "selector", "matchLabels"), labels)
    if kind == "NetworkPolicy":
        return selects(mapping(spec, "podSelector", "matchLabels"), labels)
    if kind == "ServiceMonitor":
        services = [each for each in objects if each["kind"] == "Service" and _belongs(each, group, objects)]
        wanted_labels = mapping(spec, "selector", "matchLabels")
        return any(selects(wanted_labels, mapping(each, "metadata", "labels")) for each in services)
    if kind == "ServiceAccount":
        return mapping(template, "spec").get("serviceAccountName") == name_of(item)
    if kind == "RoleBinding":
        account = mapping(template, "spec").get("serviceAccountName", "default")
        return any(
            (each.get("kind"), each.get("name")) == ("ServiceAccount", account) for each in maps(item, "subjects")
        )
    if kind == "ConfigMap":
        return name_of(item) in references(template, "configMap")
    return name_of(item) == group.name or name_of(item).startswith(f"{group.name}-")


def _backends(spec: Json) -> list[Any]:
    found = [mapping(spec, "defaultBackend", "service").get("name")]
    for rule in maps(spec, "rules"):
        found += [mapping(path, "backend", "service").get("name") for path in maps(rule, "http", "paths")]
    return found


def _place(item: Json, group: Group) -> None:
    places = {
        "Service": group.services,
        "Ingress": group.ingresses,
        "HorizontalPodAutoscaler": group.autoscalers,
        "PodDisruptionBudget": group.budgets,
        "ServiceMonitor": group.monitors,
        "ServiceAccount": group.accounts,
        "ConfigMap": group.config_maps,
    }
    places.get(item["kind"], group.others).append(item)
