"""The values of `base-service` that say what a Deployment and its objects say; what they cannot say is kept as it is.

Called once a service; its result is rendered by Helm and compared. Nothing here is believed: what the values really make is
what the comparison finds. In the order of preference: a value, `podOverrides`, the object itself under `extraManifests`.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from understage.adoption.container import container_values, hardened, hindrances, image_values, main_container
from understage.adoption.inventory import Group, Remark
from understage.adoption.normal import NOISE, autoscaler_spec, cpu_metric
from understage.adoption.reading import Json, mapping, maps, name_of, pod_template, references, title
from understage.adoption.traffic import (
    as_routes,
    ingress_values,
    is_plain_service,
    own_annotations,
    route_manifest,
    service_values,
    untranslated,
)

POD_SAID = {
    "containers", "initContainers", "volumes", "serviceAccountName", "serviceAccount", "terminationGracePeriodSeconds",
    "imagePullSecrets", "securityContext", "restartPolicy", "dnsPolicy", "schedulerName", "topologySpreadConstraints",
}  # fmt: skip
STANDARD = {
    "app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/version", "app.kubernetes.io/managed-by",
    "helm.sh/chart", "team", "environment",
}  # fmt: skip
HASH = re.compile(r"-[a-z0-9]{10}$")
SECRET_WORD = re.compile(r"pass(word|wd)?$|secret|token|api_?key|private_?key|credential", re.IGNORECASE)
PERCENT = re.compile(r"([1-9][0-9]?|100)%")


@dataclass(frozen=True)
class Options:
    """How to adopt. `gateway` (namespace, name): say Ingresses as HTTPRoutes; `as_is`: leave the pods as they are."""

    owner: str
    team: str
    environment: str
    system: str | None = None
    namespace: str | None = None
    gateway: tuple[str, str] | None = None
    as_is: bool = False


@dataclass
class Proposal:
    """Values of one service, and what there is to say about them.

    `renamed`: titles before and after of objects with another name; `dropped`: titles of objects that others replace.
    """

    name: str
    values: Json
    container: str
    kept: list[tuple[str, str]] = field(default_factory=list)
    renamed: dict[str, str] = field(default_factory=dict)
    replaced: dict[str, str] = field(default_factory=dict)
    untranslated: list[tuple[str, str, str]] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)


def propose(group: Group, options: Options) -> Proposal:
    """The proposal for one Deployment. It keeps its name, its selector and the labels of its pods."""
    template = pod_template(group.deployment)
    spec = mapping(template, "spec")
    targets = [port.get("targetPort", port.get("port")) for service in group.services for port in maps(service, "spec", "ports")]
    container = main_container(spec, group.name, targets)
    proposal = Proposal(group.name, _identity(group, options, container), str(container.get("name")))
    extra: list[Json] = []
    _say_deployment(group.deployment, proposal)
    _say_account(group, spec, proposal, extra)
    is_plain = False if options.as_is else _say_pod(group, spec, container, proposal)
    if options.as_is:
        proposal.values["podSpec"] = spec
        proposal.values["topologySpread"] = {"enabled": False}
        proposal.kept.append(("podSpec", "asked for: the pods stay as they are; `image` says the version label only"))
    service = _say_services(group, container, proposal, extra, is_plain=is_plain)
    _say_ingresses(group, options, service, proposal, extra)
    _say_autoscaler(group, proposal, extra)
    _say_budget(group, proposal, extra)
    _say_monitors(group, service, proposal, extra)
    _keep_others(group, proposal, extra)
    if extra:
        proposal.values["extraManifests"] = [_clean(item) for item in extra]
    _warn_of_secrets(group, proposal)
    return proposal


def _identity(group: Group, options: Options, container: Json) -> Json:
    template = mapping(pod_template(group.deployment), "metadata")
    selector = mapping(group.deployment, "spec", "selector", "matchLabels")
    labels = {key: value for key, value in mapping(group.deployment, "metadata", "labels").items() if key not in STANDARD}
    pods = {key: value for key, value in mapping(template, "labels").items() if key not in selector}
    values: Json = {
        "name": group.name,
        "image": image_values(container),
        "selectorLabels": selector,
        "labels": {**labels, "team": options.team, "environment": options.environment},
        # What is closed now stays closed, what is open stays open: a policy of its own is the next step, not this one.
        "networkPolicy": {"enabled": False},
    }
    if pods:
        values["podLabels"] = pods
    if annotations := own_annotations({"metadata": template}):
        values["podAnnotations"] = annotations
    if annotations := own_annotations(group.deployment):
        values["annotations"] = annotations
    return values


def _say_deployment(deployment: Json, proposal: Proposal) -> None:
    spec = mapping(deployment, "spec")
    proposal.values["replicas"] = spec.get("replicas", 1)
    if strategy := mapping(spec, "strategy"):
        proposal.values["strategy"] = strategy


def _say_account(group: Group, spec: Json, proposal: Proposal, extra: list[Json]) -> None:
    name = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if not name or name == "default":
        return
    account = next(iter(group.accounts), None)
    plain = account is not None and set(account) <= {"apiVersion", "kind", "metadata", "automountServiceAccountToken"}
    values: Json = {"create": False, "name": name}
    if account is not None and plain and name == group.name:
        values = {"create": True}
        if annotations := own_annotations(account):
            values["annotations"] = annotations
    elif account is not None:
        extra.append(account)
        proposal.kept.append((title(account), "the chart's account has the service's name and no more than annotations"))
    proposal.values["serviceAccount"] = values


def _say_pod(group: Group, spec: Json, container: Json, proposal: Proposal) -> bool:
    """Say the pod; whether values say its main container, which then has one port called http."""
    values = proposal.values
    overrides: Json = {key: value for key, value in spec.items() if key not in POD_SAID}
    if security := mapping(spec, "securityContext"):
        overrides["securityContext"] = security
    if spread := maps(spec, "topologySpreadConstraints"):
        values["topologySpread"] = {"enabled": False}
        overrides["topologySpreadConstraints"] = spread
    if _needs_token(group) and "automountServiceAccountToken" not in overrides:
        overrides["automountServiceAccountToken"] = True
    if spec.get("terminationGracePeriodSeconds", 30) != 30:
        values["shutdown"] = {"graceSeconds": spec["terminationGracePeriodSeconds"]}
    if secrets := [each["name"] for each in maps(spec, "imagePullSecrets") if isinstance(each.get("name"), str)]:
        values["imagePullSecrets"] = secrets
    if first := maps(spec, "initContainers"):
        values["extraInitContainers"] = first
    others = [each for each in maps(spec, "containers") if each.get("name") != container.get("name")]
    volumes, mounts = maps(spec, "volumes"), maps(container, "volumeMounts")
    taken = any(each.get("name") in ("tmp", "config") for each in volumes) or any(each.get("mountPath") == "/tmp" for each in mounts)
    files = _config_files(group, spec, container)
    if files is not None and not hindrances(container, False) and not _has_other_tmp(volumes, mounts, files[0]):
        volumes, mounts = _say_files(files, volumes, mounts, proposal)
        taken = False
    reasons = hindrances(container, taken)
    if reasons:
        strong = hardened(container)
        overrides["containers"] = [strong, *others]
        if not any(each.get("name") == "tmp" for each in volumes) and strong.get("volumeMounts") != container.get("volumeMounts"):
            volumes = [{"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}}, *volumes]
        overrides["volumes"] = volumes
        proposal.kept.append(("podOverrides.containers", f"container {container.get('name')}: {'; '.join(reasons)}"))
    else:
        values.update(container_values(container))
        values.update({key: each for key, each in (("extraContainers", others), ("extraVolumes", volumes), ("extraVolumeMounts", mounts)) if each})
    said = [key for key in overrides if key not in ("containers", "volumes")]
    if said:
        proposal.kept.append(("podOverrides", f"no value says {', '.join(f'`{key}`' for key in sorted(said))}"))
    if overrides:
        values["podOverrides"] = overrides
    return not reasons


def _needs_token(group: Group) -> bool:
    """Whether the account is bound to a role here: it is there to call the Kubernetes API then."""
    account = mapping(pod_template(group.deployment), "spec").get("serviceAccountName")
    return account is not None and any(
        subject.get("kind") == "ServiceAccount" and subject.get("name") == account
        for item in group.others
        if item["kind"] == "RoleBinding"
        for subject in maps(item, "subjects")
    )


def _has_other_tmp(volumes: list[Json], mounts: list[Json], volume: Json) -> bool:
    names = [each.get("name") for each in volumes if each != volume]
    return "tmp" in names or "config" in names or any(each.get("mountPath") == "/tmp" for each in mounts)


def _config_files(group: Group, spec: Json, container: Json) -> tuple[Json, Json, Json] | None:
    """Volume, mount and ConfigMap that `config` can say: mounted once, as a whole, by the main container alone."""
    read = list(references(spec, "configMap"))
    for item in group.config_maps:
        name, metadata = name_of(item), mapping(item, "metadata")
        volumes = [each for each in maps(spec, "volumes") if mapping(each, "configMap") == {"name": name}]
        if len(volumes) != 1 or read.count(name) != 1 or own_annotations(item) or "immutable" in item or "binaryData" in item:
            continue
        every = [mount for each in [*maps(spec, "containers"), *maps(spec, "initContainers")] for mount in maps(each, "volumeMounts")]
        mounts = [mount for mount in maps(container, "volumeMounts") if mount.get("name") == volumes[0].get("name")]
        uses = [mount for mount in every if mount.get("name") == volumes[0].get("name")]
        data = mapping(item, "data")
        fits = len(mounts) == len(uses) == 1 and set(mounts[0]) <= {"name", "mountPath", "readOnly"}
        if fits and data and all(isinstance(value, str) for value in data.values()) and not mapping(metadata, "ownerReferences"):
            return volumes[0], mounts[0], item
    return None


def _say_files(
    files: tuple[Json, Json, Json], volumes: list[Json], mounts: list[Json], proposal: Proposal
) -> tuple[list[Json], list[Json]]:
    volume, mount, item = files
    proposal.values["config"] = {"mountPath": mount["mountPath"], "files": mapping(item, "data")}
    if name_of(item) != proposal.name:
        proposal.renamed[title(item)] = f"ConfigMap/{proposal.name}"
    proposal.replaced[str(volume["name"])] = "config"
    return [each for each in volumes if each != volume], [each for each in mounts if each != mount]


def _say_services(group: Group, container: Json, proposal: Proposal, extra: list[Json], *, is_plain: bool) -> Json | None:
    """The Service that values say, which is called like the Deployment; others stay as they are."""
    monitored = any(_monitor_values(each, group, proposal.name) is None for each in group.monitors)
    said: Json | None = None
    for service in group.services:
        if name_of(service) == group.name and is_plain_service(service) and not monitored:
            said = service
            proposal.values["service"] = service_values(service, container, port_is_http=is_plain)
            continue
        reason = "a ServiceMonitor finds it by labels and ports that the chart's would not have" if monitored else None
        if name_of(service) != group.name:
            reason = f"the chart's Service is called {group.name}"
        proposal.kept.append((title(service), reason or "it is more than ports of the pods inside of the cluster"))
        extra.append(_retargeted(service, container) if is_plain else service)
    if said is None:
        proposal.values["service"] = {"enabled": False}
    return said


def _retargeted(service: Json, container: Json) -> Json:
    """The Service with the chart's name for the container's port, where it names the port."""
    name = maps(container, "ports")[0].get("name")
    ports = [{**port, "targetPort": "http"} if name and port.get("targetPort") == name else port for port in maps(service, "spec", "ports")]
    return {**service, "spec": {**mapping(service, "spec"), "ports": ports}}


def _say_ingresses(group: Group, options: Options, service: Json | None, proposal: Proposal, extra: list[Json]) -> None:
    for number, ingress in enumerate(group.ingresses):
        lost = untranslated(ingress)
        proposal.untranslated += [(title(ingress), what, advice) for what, advice in lost]
        if options.gateway is not None:
            _say_routes(ingress, group, options.gateway, proposal, extra, number)
            continue
        values = ingress_values(ingress, group.name, service) if "ingress" not in proposal.values else None
        if values is not None:
            proposal.values["ingress"] = values
        else:
            extra.append(ingress)
            proposal.kept.append((title(ingress), "`ingress` says one path of hosts that lead to the service's own Service"))


def _say_routes(
    ingress: Json, group: Group, gateway: tuple[str, str], proposal: Proposal, extra: list[Json], number: int
) -> None:
    parent = {"namespace": gateway[0], "name": gateway[1]}
    routes = as_routes(ingress, group.services)
    port = mapping(proposal.values, "service").get("port")
    for index, route in enumerate(routes):
        match = route.rules[0]["matches"][0]["path"] if len(route.rules) == 1 else {}
        own = match.get("type") == "PathPrefix" and route.rules[0]["backendRefs"] == [{"name": group.name, "port": port}]
        if own and "route" not in proposal.values and route.hostnames:
            proposal.values["route"] = {
                "enabled": True,
                "parentRefs": [parent],
                "hostnames": route.hostnames,
                "path": match["value"],
            }
        else:
            suffix = f"-{number + 1}-{index + 1}"
            extra.append(route_manifest(f"{group.name[: 63 - len(suffix)]}{suffix}", route, parent))
    proposal.replaced[title(ingress)] = "HTTPRoute"


def _say_autoscaler(group: Group, proposal: Proposal, extra: list[Json]) -> None:
    """The first one: with another beside it, nobody could say who counts."""
    for item in group.autoscalers[1:]:
        proposal.remarks.append(Remark(title(item), "is not carried over: one HorizontalPodAutoscaler counts the pods of a Deployment"))
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


def _say_budget(group: Group, proposal: Proposal, extra: list[Json]) -> None:
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


def _say_monitors(group: Group, service: Json | None, proposal: Proposal, extra: list[Json]) -> None:
    for item in group.monitors:
        values = _monitor_values(item, group, proposal.name) if "ports" not in mapping(proposal.values, "service") else None
        if values is not None and service is not None:
            proposal.values["serviceMonitor"] = values
        else:
            extra.append(item)
            proposal.kept.append((title(item), "`serviceMonitor` says one endpoint of the service's own Service, on its only port"))


def _monitor_values(item: Json, group: Group, name: str) -> Json | None:
    endpoints = maps(item, "spec", "endpoints")
    if name_of(item) != name or len(endpoints) != 1 or set(mapping(item, "spec")) - {"selector", "endpoints"}:
        return None
    service = next((each for each in group.services if name_of(each) == name), None)
    ports = maps(service, "spec", "ports")
    endpoint = endpoints[0]
    if len(ports) != 1 or set(endpoint) - {"port", "path", "interval"} or endpoint.get("port") != ports[0].get("name"):
        return None
    labels = {key: value for key, value in mapping(item, "metadata", "labels").items() if key not in STANDARD}
    values: Json = {"enabled": True, "path": endpoint.get("path", "/metrics"), "interval": endpoint.get("interval", "30s")}
    return {**values, "labels": labels} if labels else values


def _keep_others(group: Group, proposal: Proposal, extra: list[Json]) -> None:
    files = mapping(proposal.values, "config", "files")
    for item in group.config_maps:
        is_said = files and mapping(item, "data") == files and title(item) in {*proposal.renamed, f"ConfigMap/{group.name}"}
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


def _clean(item: Json) -> Json:
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


def _warn_of_secrets(group: Group, proposal: Proposal) -> None:
    for container in maps(pod_template(group.deployment), "spec", "containers"):
        names = [str(each.get("name")) for each in maps(container, "env") if each.get("value") and SECRET_WORD.search(str(each.get("name")))]
        if names:
            proposal.remarks.append(
                Remark(title(group.deployment), f"{', '.join(names)} of container {container.get('name')} may be a secret in plain "
                       "text: move it to the team's store (`externalSecret`), and renew it")
            )  # fmt: skip
    for item in group.config_maps:
        names = [key for key in mapping(item, "data") if SECRET_WORD.search(key)]
        if names:
            proposal.remarks.append(
                Remark(title(item), f"{', '.join(names)} may be a secret in plain text: move it to the team's store, and renew it")
            )
