"""Careful looks into objects from outside, whose members may be anything. Used by all of `adoption`."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from understage.errors import InputError
from understage.model.members import list_at, map_at

Json = dict[str, Any]


def title(item: Mapping[str, Any]) -> str:
    """For messages: `Deployment/web`."""
    return f"{item.get('kind')}/{name_of(item)}"


def name_of(item: Mapping[str, Any]) -> str:
    """The object's name; InputError when it has none."""
    name = mapping(item, "metadata").get("name")
    if not isinstance(name, str) or not name:
        raise InputError(f"A {item.get('kind')} has no metadata.name: name it")
    return name


def mapping(value: Any, *path: str) -> Json:
    """The map at a path, or an empty one."""
    return dict(map_at(value, *path))


def maps(value: Any, *path: str) -> list[Json]:
    """The maps of the list at a path, or none."""
    return [dict(entry) for entry in list_at(value, *path) if isinstance(entry, Mapping)]


def pod_template(workload: Mapping[str, Any]) -> Json:
    """The template of the pods, wherever the kind has it."""
    spec = mapping(workload, "spec")
    return mapping(spec, "jobTemplate", "spec", "template") or mapping(spec, "template")


def selects(selector: Mapping[str, Any], labels: Mapping[str, Any]) -> bool:
    """Whether a plain selector (labels) that is not empty selects these labels."""
    return bool(selector) and all(labels.get(key) == value for key, value in selector.items())


def service_ports(services: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], Any]:
    """Port numbers of Services, by the names of Service and port."""
    return {
        (name_of(service), str(port["name"])): port.get("port")
        for service in services
        for port in maps(service, "spec", "ports")
        if "name" in port
    }


def port_number(backend: Mapping[str, Any], numbers: Mapping[tuple[str, str], Any]) -> Any:
    """The port that the backend of an Ingress names, by number where it is known."""
    port = mapping(backend, "port")
    return port.get("number", numbers.get((str(backend.get("name")), str(port.get("name"))), port.get("name")))


def references(value: Any, kind: str) -> Iterator[str]:
    """Names of the config maps (`configMap`) or secrets (`secret`) that a pod's spec leads to."""
    keys = {
        "configMap": ("configMapRef", "configMapKeyRef", "configMap"),
        "secret": ("secretRef", "secretKeyRef", "secret"),
    }
    if isinstance(value, Mapping):
        for key, below in value.items():
            if key in keys[kind] and isinstance(below, Mapping):
                name = below.get("name") or below.get("secretName")
                if isinstance(name, str):
                    yield name
            yield from references(below, kind)
    elif isinstance(value, list):
        for entry in value:
            yield from references(entry, kind)
