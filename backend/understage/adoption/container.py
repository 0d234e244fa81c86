"""What the values can say of the service's own container, and why they cannot when they cannot.

Called by `proposal`. The chart's container has one port called http, plain variables, three HTTP probes and the security
context of Pod Security *restricted*; anything else is said by `podOverrides`.
"""

import re
from typing import Any

from understage.adoption.normal import PROBE_DEFAULTS, PROBES
from understage.adoption.reading import Json, mapping, maps

SECURITY: Json = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
RESOURCES: Json = {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"cpu": "500m", "memory": "512Mi"}}
SAID = {
    "name", "image", "imagePullPolicy", "ports", "env", "envFrom", "resources", "volumeMounts", "securityContext", *PROBES,
    "terminationMessagePath", "terminationMessagePolicy",
}  # fmt: skip
IMAGE = re.compile(r"(?P<repository>[a-z0-9]([a-z0-9._/:-]*[a-z0-9])?):(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
QUANTITY = re.compile(r"[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?")
STARTUP_SECONDS = 60


def main_container(spec: Json, name: str, wanted: list[Any]) -> Json:
    """The one of the service: called like it, else the first with a port that the Service wants, else the first."""
    containers = maps(spec, "containers")
    for container in containers:
        if container.get("name") == name:
            return container
    for container in containers:
        ports = maps(container, "ports")
        if any(port.get("containerPort") in wanted or port.get("name") in wanted for port in ports):
            return container
    return containers[0]


def image_values(container: Json) -> Json:
    """`image` of the values; a stand-in for a tag where the image has none that the chart takes."""
    image = str(container.get("image"))
    found = IMAGE.fullmatch(image)
    if found is not None and found["tag"] != "latest":
        values: Json = {"repository": found["repository"], "tag": found["tag"]}
    else:
        values = {"repository": image.partition("@")[0].removesuffix(":latest").lower(), "tag": "unversioned"}
    if container.get("imagePullPolicy") in ("Always", "Never"):
        values["pullPolicy"] = container["imagePullPolicy"]
    return values


def hindrances(container: Json, mounts_taken: bool) -> list[str]:
    """Why values cannot say this container; empty when they can."""
    reasons = [f"it has `{key}`" for key in container if key not in SAID]
    image = IMAGE.fullmatch(str(container.get("image")))
    if image is None or image["tag"] == "latest":
        reasons.append("its image is named by no tag that is a version")
    if not _one_port(container):
        reasons.append("it has not exactly one TCP port from 1024 on")
    reasons += _hindering_variables(container)
    security = mapping(container, "securityContext")
    if any(value != SECURITY.get(key) for key, value in security.items() if key != "privileged" or value):
        reasons.append("its securityContext is another one than the chart's")
    reasons += _hindering_probes(container)
    for kind in ("requests", "limits"):
        amounts = mapping(container, "resources", kind)
        if not all(key in ("cpu", "memory", "ephemeral-storage") for key in amounts) or not all(
            QUANTITY.fullmatch(str(value)) for value in amounts.values()
        ):
            reasons.append("its resources name others than cpu, memory and ephemeral-storage")
            break
    if mounts_taken:
        reasons.append("it has a volume of its own at /tmp, or called tmp or config")
    return reasons


def _one_port(container: Json) -> bool:
    ports = maps(container, "ports")
    return (
        len(ports) == 1
        and isinstance(ports[0].get("containerPort"), int)
        and ports[0]["containerPort"] >= 1024
        and ports[0].get("protocol", "TCP") == "TCP"
        and not {"hostPort", "hostIP"} & ports[0].keys()
    )


def _hindering_variables(container: Json) -> list[str]:
    reasons: list[str] = []
    port = maps(container, "ports")[:1]
    variables = maps(container, "env")
    if any("valueFrom" in each for each in variables):
        reasons.append("a variable comes from a secret, a config map or a field (`valueFrom`)")
    if not all(VARIABLE.fullmatch(_name(each)) for each in variables):
        reasons.append("a variable has a name that the chart refuses")
    if any("$(" in str(each.get("value")) for each in variables):
        reasons.append("a variable is made of others (`$(…)`), so that their order counts")
    if any(
        each.get("name") == "PORT" and port and str(each.get("value")) != str(port[0].get("containerPort"))
        for each in variables
    ):
        reasons.append("its variable PORT is not its port")
    if len({str(each.get("name")) for each in variables}) < len(variables):
        reasons.append("a variable is there twice")
    return reasons


def _hindering_probes(container: Json) -> list[str]:
    reasons = []
    for key in ("readinessProbe", "livenessProbe"):
        if key not in container:
            reasons.append(f"it has no {key}, and the chart's might ask what the service does not answer")
    for key in PROBES:
        if key in container and not _is_plain_probe(key, mapping(container, key), container):
            reasons.append(f"its {key} is more than a GET of a path on its port")
    return reasons


def _is_plain_probe(key: str, probe: Json, container: Json) -> bool:
    get = mapping(probe, "httpGet")
    ports = maps(container, "ports")[:1]
    own = [ports[0].get("containerPort"), ports[0].get("name")] if ports else []
    if not get or get.get("port") is None or get["port"] not in own or get.get("scheme", "HTTP") != "HTTP":
        return False
    if not str(get.get("path", "/")).startswith("/") or not set(get) <= {"path", "port", "scheme"}:
        return False
    if not set(probe) <= {"httpGet", *PROBE_DEFAULTS} or not all(
        isinstance(probe.get(name, 1), int) for name in PROBE_DEFAULTS
    ):
        return False
    delay = 0 if key == "startupProbe" else STARTUP_SECONDS
    plain = probe.get("timeoutSeconds", 1) == 1 and probe.get("successThreshold", 1) == 1
    return plain and int(probe.get("initialDelaySeconds", 0)) <= delay


def container_values(container: Json) -> Json:
    """The values of a container that has no hindrance."""
    port = maps(container, "ports")[0]["containerPort"]
    values: Json = {"port": port}
    variables = {each["name"]: _text(each.get("value")) for each in maps(container, "env") if each["name"] != "PORT"}
    if variables:
        values["env"] = variables
    if source := maps(container, "envFrom"):
        values["envFrom"] = source
    path = str(mapping(container, "readinessProbe", "httpGet").get("path", "/"))
    values["health"] = {"path": path}
    values["probes"] = {
        key.removesuffix("Probe"): _probe_values(mapping(container, key), path) for key in PROBES if key in container
    }
    values["resources"] = complete_resources(container)
    return values


def _probe_values(probe: Json, path: str) -> Json:
    own = str(mapping(probe, "httpGet").get("path", "/"))
    values: Json = {"path": own} if own != path else {}
    return {
        **values,
        "periodSeconds": probe.get("periodSeconds", 10),
        "failureThreshold": probe.get("failureThreshold", 3),
    }


def complete_resources(container: Json) -> Json:
    """Its resources, and the chart's where it says nothing; a limit is never below what is requested."""
    found: Json = {}
    given = mapping(container, "resources")
    for kind in ("requests", "limits"):
        found[kind] = dict(mapping(given, kind))
    if "memory" not in found["limits"]:
        found["limits"]["memory"] = found["requests"].get("memory", RESOURCES["limits"]["memory"])
    if "memory" not in found["requests"]:
        # As the API server does: a request that is missing is the limit.
        found["requests"]["memory"] = found["limits"]["memory"] if given else RESOURCES["requests"]["memory"]
    if "cpu" not in found["requests"]:
        found["requests"]["cpu"] = found["limits"].get("cpu", RESOURCES["requests"]["cpu"])
    if "cpu" not in found["limits"]:
        found["limits"]["cpu"] = None if given else RESOURCES["limits"]["cpu"]
    return found


def hardened(container: Json) -> Json:
    """The container with what the guardrails ask for wherever it says nothing itself."""
    found = dict(container)
    found["securityContext"] = {**SECURITY, **mapping(container, "securityContext")}
    resources = complete_resources(container)
    if resources["limits"].get("cpu") is None:
        del resources["limits"]["cpu"]
    found["resources"] = {**mapping(container, "resources"), **resources}
    mounts = maps(container, "volumeMounts")
    if not any(mount.get("mountPath") == "/tmp" for mount in mounts):
        found["volumeMounts"] = [{"name": "tmp", "mountPath": "/tmp"}, *mounts]
    return found


def _text(value: Any) -> Any:
    return value if isinstance(value, str | bool | int | float) else ""


def _name(value: Json) -> str:
    name = value.get("name")
    return name if isinstance(name, str) else ""
