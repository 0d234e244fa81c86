"""Objects in one form: defaults that the API server fills in are left out, amounts are numbers, lists have keys.

Called by `comparison` on both sides, so that `0.5` and `500m`, or a port by name and by number, are no difference.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from understage.adoption.reading import Json, mapping, maps, pod_template, port_number, service_ports

NOISE = {
    "kubectl.kubernetes.io/last-applied-configuration", "deployment.kubernetes.io/revision", "meta.helm.sh/release-name",
    "meta.helm.sh/release-namespace", "autoscaling.alpha.kubernetes.io/conditions",
    "autoscaling.alpha.kubernetes.io/current-metrics", "kubectl.kubernetes.io/restartedAt",
}  # fmt: skip
SERVER_FIELDS = ("creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid", "namespace")
POD_DEFAULTS: Json = {
    "dnsPolicy": "ClusterFirst", "restartPolicy": "Always", "schedulerName": "default-scheduler", "securityContext": {},
    "terminationGracePeriodSeconds": 30, "hostNetwork": False, "hostPID": False, "hostIPC": False, "enableServiceLinks": True,
}  # fmt: skip
CONTAINER_DEFAULTS: Json = {
    "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File", "stdin": False, "tty": False,
}  # fmt: skip
PROBE_DEFAULTS: Json = {
    "periodSeconds": 10,
    "timeoutSeconds": 1,
    "successThreshold": 1,
    "failureThreshold": 3,
    "initialDelaySeconds": 0,
}
SERVICE_DEFAULTS: Json = {"type": "ClusterIP", "sessionAffinity": "None", "internalTrafficPolicy": "Cluster"}
SERVICE_SERVER = ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy")
ROLLING = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}
FACTORS = {
    "": 1.0, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15,
    "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50,
}  # fmt: skip
QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]+)?)(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?")
PROBES = ("startupProbe", "readinessProbe", "livenessProbe")


class Amount(float):
    """A quantity: compared as a number, shown as it was written."""

    text: str


def amount(value: Any) -> Any:
    """A quantity as an amount, anything else as it is."""
    found = QUANTITY.fullmatch(str(value)) if isinstance(value, str | int | float) else None
    if found is None:
        return value
    made = Amount(round(float(found[1]) * FACTORS[found[2] or ""], 6))
    made.text = str(value)
    return made


def container_ports(containers: Sequence[Json]) -> dict[str, Any]:
    """Port numbers by their names."""
    return {
        str(port["name"]): port.get("containerPort")
        for container in containers
        for port in maps(container, "ports")
        if "name" in port
    }


def normalise(item: Json, deployment: Json, services: Sequence[Json], *, is_scaled: bool) -> Json:
    """The object without defaults and what the server writes; `deployment` and `services` tell what names of ports mean.

    `is_scaled`: an autoscaler says how many pods there are, so that no number is no default.
    """
    found = {key: value for key, value in item.items() if key != "status"}
    metadata = {key: value for key, value in mapping(item, "metadata").items() if key not in SERVER_FIELDS}
    annotations = {key: value for key, value in mapping(metadata, "annotations").items() if key not in NOISE}
    metadata["annotations"] = annotations
    found["metadata"] = {key: value for key, value in metadata.items() if value not in ({}, None)}
    kind, spec = item.get("kind"), mapping(item, "spec")
    if kind == "Deployment":
        found["spec"] = _deployment(spec if is_scaled else {"replicas": 1, **spec})
    elif kind == "Service":
        found["spec"] = _service(spec, container_ports(maps(pod_template(deployment), "spec", "containers")))
    elif kind == "Ingress":
        found["spec"] = _ingress(spec, services)
    elif kind == "HorizontalPodAutoscaler":
        found["spec"] = autoscaler_spec(item)
    return found


def _deployment(spec: Json) -> Json:
    found = dict(spec)
    found.setdefault("revisionHistoryLimit", 10)
    found.setdefault("strategy", ROLLING)
    if found.get("progressDeadlineSeconds") == 600:
        del found["progressDeadlineSeconds"]
    if found.get("minReadySeconds") == 0:
        del found["minReadySeconds"]
    template = mapping(spec, "template")
    metadata = {key: value for key, value in mapping(template, "metadata").items() if key not in SERVER_FIELDS}
    annotations = {key: value for key, value in mapping(metadata, "annotations").items() if key not in NOISE}
    metadata["annotations"] = annotations
    template["metadata"] = {key: value for key, value in metadata.items() if value not in ({}, None)}
    template["spec"] = pod(mapping(template, "spec"))
    found["template"] = template
    return found


def pod(spec: Json) -> Json:
    """A pod's spec."""
    found = _without(spec, POD_DEFAULTS)
    if found.get("serviceAccount") == found.get("serviceAccountName"):
        found.pop("serviceAccount", None)
    if found.get("serviceAccountName") == "default":
        del found["serviceAccountName"]
    for key in ("containers", "initContainers"):
        if key in spec:
            found[key] = [container(each) for each in maps(spec, key)]
    if "volumes" in spec:
        found["volumes"] = [_volume(each) for each in maps(spec, "volumes")]
    return {key: value for key, value in found.items() if value not in ([], {})}


def container(value: Json) -> Json:
    """A container; its probes name ports by number."""
    found = _without(value, CONTAINER_DEFAULTS)
    named = container_ports([value])
    found.setdefault("imagePullPolicy", "Always" if _moves(str(value.get("image"))) else "IfNotPresent")
    for key in PROBES:
        if key in value:
            found[key] = _probe(mapping(value, key), named)
    if "ports" in value:
        found["ports"] = [_without(port, {"protocol": "TCP"}) for port in maps(value, "ports")]
    if "resources" in value:
        found["resources"] = {
            key: {name: amount(each) for name, each in below.items() if each is not None}
            if isinstance(below, dict)
            else below
            for key, below in mapping(value, "resources").items()
        }
    if "volumeMounts" in value:
        found["volumeMounts"] = [_without(mount, {"readOnly": False}) for mount in maps(value, "volumeMounts")]
    if "env" in value:
        found["env"] = [_variable(each) for each in maps(value, "env")]
    return {key: each for key, each in found.items() if each not in ([], {}, None)}


def _variable(value: Json) -> Json:
    found = dict(value)
    if "valueFrom" not in found:
        found["value"] = str(found.get("value") if found.get("value") is not None else "")
    elif mapping(found, "valueFrom", "fieldRef").get("apiVersion") == "v1":
        field = mapping(found, "valueFrom", "fieldRef")
        del field["apiVersion"]
        found["valueFrom"] = {"fieldRef": field}
    return found


def _volume(value: Json) -> Json:
    found = dict(value)
    for key in ("configMap", "secret", "projected"):
        below = mapping(found, key)
        if below.get("defaultMode") == 0o644:
            del below["defaultMode"]
            found[key] = below
    return found


def _probe(value: Json, named: Mapping[str, Any]) -> Json:
    found = {**PROBE_DEFAULTS, **value}
    for key in ("httpGet", "tcpSocket"):
        if key in found:
            below = _without(mapping(found, key), {"scheme": "HTTP", "path": "/"} if key == "httpGet" else {})
            below["port"] = named.get(str(below.get("port")), below.get("port"))
            found[key] = below
    return _without(found, PROBE_DEFAULTS)


def _service(spec: Json, named: Mapping[str, Any]) -> Json:
    found = _without({key: value for key, value in spec.items() if key not in SERVICE_SERVER}, SERVICE_DEFAULTS)
    if spec.get("clusterIP") == "None":
        found["clusterIP"] = "None"
    ports = []
    for port in maps(spec, "ports"):
        target = port.get("targetPort", port.get("port"))
        ports.append({**_without(port, {"protocol": "TCP"}), "targetPort": named.get(str(target), target)})
    found["ports"] = ports
    return found


def _ingress(spec: Json, services: Sequence[Json]) -> Json:
    numbers = service_ports(services)

    def backend(value: Json) -> Json:
        service = mapping(value, "service")
        return {**value, "service": {**service, "port": port_number(service, numbers)}} if service else value

    found = dict(spec)
    found["rules"] = [
        {
            **rule,
            "http": {
                "paths": [
                    {**path, "backend": backend(mapping(path, "backend"))} for path in maps(rule, "http", "paths")
                ]
            },
        }
        for rule in maps(spec, "rules")
    ]
    return found


def autoscaler_spec(item: Json) -> Json:
    """The spec of a HorizontalPodAutoscaler as autoscaling/v2 says it."""
    spec = mapping(item, "spec")
    spec.setdefault("minReplicas", 1)
    if str(item.get("apiVersion")).endswith("/v1"):
        utilization = spec.pop("targetCPUUtilizationPercentage", 80)
        spec["metrics"] = [cpu_metric(utilization)]
    return spec


def cpu_metric(utilization: Any) -> Json:
    """What `targetCPUUtilization` renders."""
    return {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": utilization}},
    }


def _moves(image: str) -> bool:
    name = image.rpartition("/")[2]
    return "@" not in name and (":" not in name or name.endswith(":latest"))


def _without(value: Mapping[str, Any], defaults: Mapping[str, Any]) -> Json:
    return {key: each for key, each in value.items() if key not in defaults or each != defaults[key]}
