"""Secrets in plain text are held back: no value goes on from here, to no file, report or log. Called by `inventory`.

A variable, or a key of a ConfigMap that is read as one, is read from a Secret in its place, which an ExternalSecret of the chart
makes of what the team puts into its store. What cannot be read so is not adopted, until somebody moves it or calls it plain.
"""

import copy
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from understage.adoption.normal import NOISE
from understage.adoption.reading import Json, maps, name_of, references, title
from understage.adoption.suspicion import argument_of, form_of, looks_secret, names_secret
from understage.model.members import list_at, map_at

if TYPE_CHECKING:
    from understage.adoption.inventory import Group

HIDDEN = "(a secret)"
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
CONTAINERS = ("containers", "initContainers", "ephemeralContainers")


@dataclass(frozen=True)
class Issued:
    """A value that was held back. `property` is what it is called in the store; `variables` are those that read it."""

    about: str
    name: str
    property: str
    reason: str
    variables: frozenset[str]


@dataclass
class Withheld:
    """What was held back of a service. `shown` are its objects for comparing, without values of secrets.

    `hindrances` are objects and reasons why it cannot be adopted; `plain` what looked like a secret and is none, as was said.
    """

    issued: list[Issued] = field(default_factory=list)
    shown: list[Json] = field(default_factory=list)
    hindrances: list[tuple[str, str]] = field(default_factory=list)
    plain: list[tuple[str, str]] = field(default_factory=list)


def secret_name(service: str) -> str:
    """The Secret that the chart's ExternalSecret makes for a service."""
    return f"{service[:55].removesuffix('-')}-secrets"


def withhold(group: "Group", others: Sequence["Group"], plain: Collection[str]) -> Withheld:
    """Take the secrets out of `group`, whose objects become copies without them."""
    return _Search(group, others, plain).run()


class _Search:
    def __init__(self, group: "Group", others: Sequence["Group"], plain: Collection[str]) -> None:
        group.copy_objects()
        self._group, self._others, self._plain = group, others, plain
        self._found = Withheld()
        self._values: dict[str, str] = {}
        self._secret = secret_name(group.name)

    def run(self) -> Withheld:
        made = self._group.objects()
        for item in made:
            annotations = map_at(item, "metadata", "annotations")
            for name in NOISE & set(annotations):
                del annotations[name]  # kubectl keeps the whole object in one of them
        shown = copy.deepcopy(made)
        pods = [map_at(item, "spec", "template", "spec") for item in (made[0], shown[0])]
        for kind in CONTAINERS:
            for container, other in zip(*(list_at(pod, kind) for pod in pods), strict=True):
                if isinstance(container, dict):
                    self._container(container, other)
        for item, other in zip(made, shown, strict=True):
            if item["kind"] == "ConfigMap":
                self._config_map(item, map_at(other, "data"), pods[0])
        for item in made:
            self._rest(item)
        self._found.shown = shown
        return self._found

    def _container(self, container: Json, shown: Json) -> None:
        about = f"{title(self._group.deployment)}, container {container.get('name')}"
        for entry, other in zip(list_at(container, "env"), list_at(shown, "env"), strict=True):
            if not isinstance(entry, dict) or not _is_text(entry.get("value")):
                continue
            name, value = str(entry.get("name")), str(entry["value"])
            reason = looks_secret(name, value)
            if reason is None or self._is_plain(about, name):
                continue
            other["value"] = HIDDEN
            del entry["value"]
            if not VARIABLE.fullmatch(name):
                self._hinder(about, name, reason)
                continue
            entry["valueFrom"] = self._issue(about, name, value, reason, str(container.get("name")), {name})

    def _config_map(self, item: Json, shown: Json, pod: Json) -> None:
        about, data = title(item), map_at(item, "data")
        for name in [*map_at(item, "binaryData")]:
            if names_secret(name) and not self._is_plain(about, name):
                self._hinder(about, name, "is called like a secret")
        for name, value in [*data.items()]:
            reason = looks_secret(str(name), str(value)) if _is_text(value) else None
            if reason is None or self._is_plain(about, str(name)):
                continue
            shown[name] = HIDDEN
            del data[name]
            if not VARIABLE.fullmatch(str(name)) or not self._is_read_as_variable(item, pod):
                self._hinder(about, str(name), reason)
                continue
            variables: set[str] = set()
            source = self._issue(about, str(name), str(value), reason, name_of(item), variables)
            for kind in CONTAINERS:
                for container in list_at(pod, kind):
                    if isinstance(container, dict):
                        variables |= _read_from_secret(container, name_of(item), str(name), source)
            self._found.issued[-1] = _with_variables(self._found.issued[-1], variables)

    def _is_read_as_variable(self, item: Json, pod: Json) -> bool:
        """Whether only this service reads it, and only by variables."""
        volumes = {"volumes": pod.get("volumes")}
        name = name_of(item)
        shared = any(name in references(map_at(other.deployment, "spec"), "configMap") for other in self._others)
        return not shared and name not in [*references(volumes, "configMap"), *_projected(pod)]

    def _rest(self, item: Json) -> None:
        """Texts at all other places, which nothing can be put in place of."""
        asks_names = item["kind"] not in _WRITTEN
        for place, name, value, is_pair in _texts(item):
            if isinstance(value, list):
                reason = argument_of(value)
            else:
                is_called = (asks_names or is_pair) and names_secret(name) and value.strip()
                reason = form_of(value) or ("is called like a secret" if is_called else None)
            if reason is not None and not self._is_plain(title(item), name):
                self._hinder(title(item), name, f"{reason} ({place})")

    def _issue(self, about: str, name: str, value: str, reason: str, owner: str, variables: Collection[str]) -> Json:
        property = name
        if self._values.get(name, value) != value:
            property = f"{name}_{re.sub('[^A-Za-z0-9]', '_', owner).upper()}"
        self._values[property] = value
        self._found.issued.append(Issued(about, name, property, reason, frozenset(variables)))
        return {"secretKeyRef": {"name": self._secret, "key": property}}

    def _is_plain(self, about: str, name: str) -> bool:
        if name in self._plain and name not in {known for _, known in self._found.plain}:
            self._found.plain.append((about, name))
        return name in self._plain

    def _hinder(self, about: str, name: str, reason: str) -> None:
        self._found.hindrances.append(
            (
                about,
                f"`{name}` {reason}, and is at a place that no ExternalSecret can fill: move it to a variable or a Secret, or, "
                "if it is none, name it as plain",
            )
        )


# Kinds whose fields the API server knows: a field called `token` or `secret` is no value there.
_WRITTEN = {
    "Deployment", "Service", "Ingress", "HorizontalPodAutoscaler", "PodDisruptionBudget", "ServiceMonitor", "ServiceAccount",
    "ConfigMap", "NetworkPolicy", "RoleBinding", "Role", "HTTPRoute", "PersistentVolumeClaim", "ExternalSecret", "SealedSecret",
    "PrometheusRule", "Certificate",
}  # fmt: skip


def _is_text(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _with_variables(issued: Issued, variables: Collection[str]) -> Issued:
    return Issued(issued.about, issued.name, issued.property, issued.reason, frozenset(variables))


def _read_from_secret(container: Json, config_map: str, key: str, source: Json) -> set[str]:
    """Have the container read from the Secret what it read from the ConfigMap; the names of the variables."""
    found = set()
    for entry in list_at(container, "env"):
        reference = map_at(entry, "valueFrom", "configMapKeyRef") if isinstance(entry, dict) else {}
        if (reference.get("name"), reference.get("key")) == (config_map, key):
            entry["valueFrom"] = copy.deepcopy(source)
            found.add(str(entry.get("name")))
    given = {entry.get("name") for entry in maps(container, "env")}
    for entry in maps(container, "envFrom"):
        variable = f"{entry.get('prefix') or ''}{key}"
        if map_at(entry, "configMapRef").get("name") == config_map and variable not in given:
            container.setdefault("env", []).append({"name": variable, "valueFrom": copy.deepcopy(source)})
            given.add(variable)
            found.add(variable)
    return found


def _projected(pod: Json) -> Iterator[str]:
    for volume in maps(pod, "volumes"):
        for source in maps(volume, "projected", "sources"):
            yield str(map_at(source, "configMap").get("name"))


def _texts(
    node: Any, place: str = "", name: str = "", *, is_pair: bool = False
) -> Iterator[tuple[str, str, Any, bool]]:
    """Place, name and text of all that is written in an object, and whether it is a pair such as `{name: A, value: text}`.

    Arguments come as lists.
    """
    if isinstance(node, str):
        yield place, name, node, is_pair
    elif isinstance(node, dict):
        called = node.get("name")
        for key, value in node.items():
            below = f"{place}.{key}" if place else str(key)
            if key in ("args", "command") and isinstance(value, list):
                yield below, str(key), [str(each) for each in value], False
            elif key == "value" and isinstance(called, str):
                yield from _texts(value, below, called, is_pair=True)
            else:
                yield from _texts(value, below, str(key))
    elif isinstance(node, list):
        for value in node:
            yield from _texts(value, place, name)
