"""How a service is called: the Service, the Ingress, and the Ingress said as a route of the Gateway API.

Called by `proposal`.
"""

import re
from dataclasses import dataclass
from typing import Any

from understage.adoption.normal import NOISE
from understage.adoption.reading import Json, mapping, maps, port_number, service_ports

HOST = re.compile(r"(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)+")
PLAIN = {
    "type",
    "selector",
    "ports",
    "sessionAffinity",
    "internalTrafficPolicy",
    "clusterIP",
    "clusterIPs",
    "ipFamilies",
    "ipFamilyPolicy",
}
# What annotations of Ingresses become, by how their names begin (without the controller's own prefix, where many have it).
REDIRECT = "a listener's matter: an HTTPRoute with RequestRedirect on the gateway's port 80"
NGINX = "nginx.ingress.kubernetes.io/"
UNTRANSLATED = {
    "cert-manager.io/": "the certificate is the gateway's: name the issuer on the Gateway's listener",
    "kubernetes.io/ingress.class": "replaced by parentRefs: the gateway is the one that takes the requests",
    "external-dns.alpha.kubernetes.io/": "external-dns reads it on HTTPRoutes too: set it in `annotations`",
    f"{NGINX}ssl-redirect": REDIRECT,
    f"{NGINX}force-ssl-redirect": REDIRECT,
    f"{NGINX}rewrite-target": "a URLRewrite filter in an HTTPRoute of your own (`extraManifests`)",
    f"{NGINX}proxy-body-size": "a policy of the gateway's implementation: ask the platform team",
    f"{NGINX}proxy-": "`timeouts` of an HTTPRoute of your own, or a policy of the implementation",
    f"{NGINX}auth-": "a policy of the gateway's implementation: have it before you move",
    f"{NGINX}whitelist-source-range": "a policy of the implementation: without it, moving opens the service",
    f"{NGINX}enable-cors": "CORS is a filter of newer gateways, or the service's own matter",
    f"{NGINX}configuration-snippet": "text for nginx: say what it does by filters, or keep the Ingress",
    f"{NGINX}affinity": "sticky sessions are a policy of the implementation",
}  # fmt: skip
UNKNOWN = "no counterpart in the Gateway API: ask what it does before you move"


@dataclass(frozen=True)
class Route:
    """What one HTTPRoute says: hosts that share their rules."""

    hostnames: list[str]
    rules: list[Json]


def own_annotations(item: Json) -> Json:
    """The annotations that somebody wrote."""
    return {key: value for key, value in mapping(item, "metadata", "annotations").items() if key not in NOISE}


def is_plain_service(service: Json) -> bool:
    """Whether the chart's Service can take its place."""
    spec = mapping(service, "spec")
    return (
        spec.get("type", "ClusterIP") == "ClusterIP"
        and spec.get("clusterIP") != "None"
        and spec.get("sessionAffinity", "None") == "None"
        and spec.get("internalTrafficPolicy", "Cluster") == "Cluster"
        and set(spec) <= PLAIN
        and bool(maps(spec, "ports"))
        and all(isinstance(port.get("port"), int) for port in maps(spec, "ports"))
        and all("nodePort" not in port for port in maps(spec, "ports"))
        and not own_annotations(service)
    )


def service_values(service: Json, container: Json, *, port_is_http: bool) -> Json:
    """`service` of the values. `port_is_http`: the container's only port is called http, as the chart calls it."""
    ports = maps(service, "spec", "ports")
    target = ports[0].get("targetPort", ports[0].get("port"))
    own = maps(container, "ports")[:1]
    names = [each for each in (own[0].get("containerPort"), own[0].get("name")) if each is not None] if own else []
    if (
        len(ports) == 1
        and port_is_http
        and target in names
        and not set(ports[0]) - {"name", "port", "targetPort", "protocol"}
        and ports[0].get("protocol", "TCP") == "TCP"
    ):
        return {"port": ports[0]["port"]}
    if port_is_http:
        ports = [{**port, "targetPort": "http"} if port.get("targetPort") in names else port for port in ports]
    return {"port": ports[0]["port"], "ports": ports}


def ingress_values(ingress: Json, name: str, service: Json | None) -> Json | None:
    """`ingress` of the values; None when they cannot say it."""
    spec = mapping(ingress, "spec")
    hosts, paths = _hosts_and_paths(spec)
    if mapping(ingress, "metadata").get("name") != name or service is None or not hosts or len(paths) != 1:
        return None
    if not set(spec) <= {"ingressClassName", "rules", "tls"} or not all(HOST.fullmatch(host) for host in hosts):
        return None
    path = paths[0]
    if path.get("pathType") != "Prefix" or not _leads_to(path, service):
        return None
    tls = maps(spec, "tls")
    if len(tls) > 1 or (tls and not _is_of(tls[0], hosts)):
        return None
    annotations = own_annotations(ingress)
    if not all(isinstance(value, str) for value in annotations.values()):
        return None
    values: Json = {"enabled": True, "hostnames": hosts, "path": str(path.get("path", "/"))}
    if spec.get("ingressClassName"):
        values["className"] = spec["ingressClassName"]
    if tls:
        values["tlsSecretName"] = tls[0]["secretName"]
    return {**values, "annotations": annotations} if annotations else values


def _is_of(tls: Json, hosts: list[str]) -> bool:
    """Whether one certificate is for just these hosts."""
    named = tls.get("hosts")
    if not isinstance(named, list) or not isinstance(tls.get("secretName"), str):
        return False
    return sorted(map(str, named)) == sorted(hosts)


def _hosts_and_paths(spec: Json) -> tuple[list[str], list[Json]]:
    """The hosts, and the paths that all of them have; no hosts when they differ."""
    rules = maps(spec, "rules")
    every = [maps(rule, "http", "paths") for rule in rules]
    if not rules or any(paths != every[0] for paths in every) or any("host" not in rule for rule in rules):
        return [], []
    return [str(rule["host"]) for rule in rules], every[0]


def _leads_to(path: Json, service: Json) -> bool:
    backend = mapping(path, "backend", "service")
    first = maps(service, "spec", "ports")[0]
    port = mapping(backend, "port")
    is_first = port.get("number") == first.get("port") or (
        port.get("name") is not None and port.get("name") == first.get("name")
    )
    return backend.get("name") == mapping(service, "metadata").get("name") and is_first


def as_routes(ingress: Json, services: list[Json]) -> list[Route]:
    """The Ingress as the Gateway API says it, hosts with the same paths together."""
    numbers = service_ports(services)
    found: list[Route] = []
    for rule in maps(ingress, "spec", "rules"):
        rules = [_rule(path, numbers) for path in maps(rule, "http", "paths")]
        hosts = [str(rule["host"])] if rule.get("host") else []
        same = next((route for route in found if route.rules == rules and bool(route.hostnames) == bool(hosts)), None)
        if same is not None:
            same.hostnames.extend(host for host in hosts if host not in same.hostnames)
        else:
            found.append(Route(hosts, rules))
    return found


def _rule(path: Json, numbers: dict[tuple[str, str], Any]) -> Json:
    backend = mapping(path, "backend", "service")
    kind = "Exact" if path.get("pathType") == "Exact" else "PathPrefix"
    return {
        "matches": [{"path": {"type": kind, "value": str(path.get("path") or "/")}}],
        "backendRefs": [{"name": backend.get("name"), "port": port_number(backend, numbers)}],
    }


def untranslated(ingress: Json) -> list[tuple[str, str]]:
    """What of the Ingress no HTTPRoute says, as pairs of what and advice."""
    lost = [(key, _advice(key)) for key in sorted(own_annotations(ingress))]
    if maps(ingress, "spec", "tls"):
        lost.append(("spec.tls", "TLS is the gateway's: its listener names the certificate"))
    if mapping(ingress, "spec", "defaultBackend"):
        lost.append(("spec.defaultBackend", "a rule without matches in an HTTPRoute of your own"))
    return lost


def _advice(annotation: str) -> str:
    for beginning, advice in UNTRANSLATED.items():
        if annotation.startswith(beginning):
            return advice
    return UNKNOWN


def route_manifest(name: str, route: Route, parent: Json) -> Json:
    """An HTTPRoute of its own, for what `route` of the values cannot say."""
    spec: Json = {"parentRefs": [parent]}
    if route.hostnames:
        spec["hostnames"] = route.hostnames
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": name},
        "spec": {**spec, "rules": route.rules},
    }
