"""What stands around a Deployment: autoscaler, budget, monitors, and objects that are kept as they are. Called by `proposal`."""

import re

from understage.adoption.inventory import Group, Remark
from understage.adoption.normal import NOISE, autoscaler_spec, cpu_metric
from understage.adoption.outline import Proposal
from understage.adoption.reading import Json, mapping, maps, name_of, title

STANDARD = {
    "app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/version", "app.kubernetes.io/managed-by",
    "helm.sh/chart", "team", "environment",
}  # fmt: skip
HASH = re.compile(r"-[a-z0-9]{10}$")
PERCENT = re.compile(r"([1-9][0-9]?|100)%")


def say_autoscaler(group: Group, proposal: Proposal) -> None:
    """The first one: with another beside it, nobody could say who counts."""
    for item in group.autoscalers[1:]:
        proposal.remarks.append(
            Remark(title(item), "is not carried over: one HorizontalPodAutoscaler counts the pods of a Deployment")
        )
    for item in group.autoscalers[:1]:
        spec = autoscaler_spec(item)
        values: Json = {"enabled": True, "minReplicas": spec["minReplicas"], "maxReplicas": spec.get("maxReplicas")}
        metrics = maps(spec, "metrics")
        target = mapping(metrics[0], "resource", "target").get("averageUtilization") if metrics else None
        if isinstance(target, int) and target <= 100 and metrics == [cpu_metric(target)]:
            values["targetCPUUtilization"] = target
        else:
            values["metrics"] = metrics
        if behavior := mapping(spec, "behavior"):
            values["behavior"] = behavior
        proposal.values["autoscaling"] = values
        if name_of(item) != group.name:
            proposal.renamed[title(item)] = f"HorizontalPodAutoscaler/{group.name}"


def say_budget(group: Group, proposal: Proposal, extra: list[Json]) -> None:
    """The budget by `disruptionBudget`, or as it is: what it says of drains is not changed unasked."""
    for item in group.budgets:
        spec = mapping(item, "spec")
        most = spec.get("maxUnavailable")
        fits = (isinstance(most, int) and most >= 1) or (isinstance(most, str) and PERCENT.fullmatch(most) is not None)
        if fits and name_of(item) == group.name and "disruptionBudget" not in proposal.values:
            proposal.values["disruptionBudget"] = {"enabled": True, "maxUnavailable": most}
        else:
            proposal.values.setdefault("disruptionBudget", {"enabled": False})
            extra.append(item)
            proposal.kept.append((title(item), "the chart's budget has the service's name and says maxUnavailable"))


def say_monitors(group: Group, service: Json | None, proposal: Proposal, extra: list[Json]) -> None:
    """The ServiceMonitors by `serviceMonitor`, or as they are."""
    for item in group.monitors:
        values = (
            monitor_values(item, group, proposal.name) if "ports" not in mapping(proposal.values, "service") else None
        )
        if values is not None and service is not None:
            proposal.values["serviceMonitor"] = values
        else:
            extra.append(item)
            proposal.kept.append(
                (title(item), "`serviceMonitor` says one endpoint of the service's own Service, on its only port")
            )


def monitor_values(item: Json, group: Group, name: str) -> Json | None:
    """`serviceMonitor` of the values; None when they cannot say it."""
    endpoints = maps(item, "spec", "endpoints")
    if name_of(item) != name or len(endpoints) != 1 or set(mapping(item, "spec")) - {"selector", "endpoints"}:
        return None
    service = next((each for each in group.services if name_of(each) == name), None)
    ports = maps(service, "spec", "ports")
    endpoint = endpoints[0]
    if len(ports) != 1 or set(endpoint) - {"port", "path", "interval"} or endpoint.get("port") != ports[0].get("name"):
        return None
    labels = {key: value for key, value in mapping(item, "metadata", "labels").items() if key not in STANDARD}
    values: Json = {
        "enabled": True,
        "path": endpoint.get("path", "/metrics"),
        "interval": endpoint.get("interval", "30s"),
    }
    return {**values, "labels": labels} if labels else values


def keep_others(group: Group, proposal: Proposal, extra: list[Json]) -> None:
    """Config maps that `config` does not say, and all other objects, as they are."""
    files = mapping(proposal.values, "config", "files")
    for item in group.config_maps:
        is_said = (
            files and mapping(item, "data") == files and title(item) in {*proposal.renamed, f"ConfigMap/{group.name}"}
        )
        if is_said:
            continue
        extra.append(item)
        if HASH.search(name_of(item)):
            proposal.remarks.append(
                Remark(title(item), "its name ends with a hash that kustomize made and that nobody makes any more: change the "
                       "name with the content, or move the content to `config.files` or `env`")
            )  # fmt: skip
    for item in group.others:
        extra.append(item)
        proposal.kept.append((title(item), "no value says it"))


def clean(item: Json) -> Json:
    """What somebody wrote of the object: without status and what the server fills in."""
    metadata = {
        key: value
        for key, value in mapping(item, "metadata").items()
        if key in ("name", "namespace", "labels", "annotations") and value
    }
    annotations = {key: value for key, value in mapping(metadata, "annotations").items() if key not in NOISE}
    if "annotations" in metadata:
        metadata["annotations"] = annotations
    kept = {key: value for key, value in item.items() if key not in ("status", "metadata")}
    return {
        "apiVersion": kept.pop("apiVersion"),
        "kind": kept.pop("kind"),
        "metadata": {key: value for key, value in metadata.items() if value},
        **kept,
    }
