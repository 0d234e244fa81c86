"""What must not be in a clone: secrets and data of another environment, and ways to them. Called by `environment:clone`. Pure.

It looks at the objects as Argo CD would make them, whatever chart or value they come from. Each finding says what to do.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from understage_actions._argocd_manifests import NAMESPACED_KINDS

Json = Mapping[str, Any]

PRODUCTION = frozenset(("production", "prod", "prd", "live"))
SECRET_NAME = re.compile(r"PASSW(OR)?D|SECRET|TOKEN|API_?KEY|PRIVATE_?KEY|CREDENTIAL|DSN", re.IGNORECASE)
HARMLESS_NAME = re.compile(r"_(FILE|PATH|NAME|HEADER|TTL|SECONDS|ISSUER|AUDIENCE)$", re.IGNORECASE)
CREDENTIALS = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/@:]*:[^\s/@]+@", re.IGNORECASE)
PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")
VAULT_PATH = re.compile(r"(?<![A-Za-z0-9_-])(teams/[a-z0-9-]+/[a-z0-9-]+)(/[a-z0-9-]+)?")
URL = re.compile(r"[a-z][a-z0-9+.-]*://[^\s\"'<>,;]+", re.IGNORECASE)
HOST = re.compile(
    r"(?<![A-Za-z0-9_./@-])([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)+)(?=[:/\s,;]|$)"
)
ROUTES = ("Ingress", "HTTPRoute")
SECRET_OBJECTS = ("Secret", "SealedSecret", "PushSecret", "ClusterExternalSecret")


@dataclass(frozen=True)
class Boundary:
    """What a clone may refer to: its namespace, its Vault path, the secrets that are issued in it, hosts that it may share.

    `sources` are the namespaces it is a clone of. `is_strict`: any address that leads out of it must be among `hosts`.
    """

    namespace: str
    vault_path: str
    secrets: Collection[str]
    sources: Collection[str]
    hosts: Collection[str] = ()
    is_strict: bool = False


def find_leaks(service: str, objects: Sequence[Json], boundary: Boundary) -> list[str]:
    """What is wrong, as sentences; empty when the objects may be made."""
    found: list[str] = []
    for item in objects:
        title = f"{service}: {item.get('kind')} {(item.get('metadata') or {}).get('name')}"
        found += [f"{title} {problem}" for problem in dict.fromkeys(_object(item, boundary))]
    return found


def _object(item: Json, boundary: Boundary) -> Iterator[str]:
    kind = str(item.get("kind"))
    group = str(item.get("apiVersion")).rpartition("/")[0]
    if kind in SECRET_OBJECTS:
        yield "holds secrets of the environment that is cloned: move them to `externalSecret` of the values"
        return
    if (group, kind) not in NAMESPACED_KINDS:
        yield "is of a kind that no clone may have"
        return
    namespace = (item.get("metadata") or {}).get("namespace")
    if namespace not in (None, boundary.namespace):
        yield f"would be made in namespace {namespace}, outside of the clone"
    if kind in ROUTES:
        yield "would take the host names of the environment that is cloned: switch it off in `values`"
    if kind == "ExternalSecret":
        yield from _external_secret(item.get("spec") or {}, boundary)
    yield from _volumes(item)
    yield from _references(item, boundary)
    yield from _variables(item)
    labels = {**item, "metadata": {**(item.get("metadata") or {}), "labels": None}}
    for place, text in _texts(labels):
        yield from _text(place, text, boundary)


def _external_secret(spec: Json, boundary: Boundary) -> Iterator[str]:
    if (spec.get("secretStoreRef") or {}).get("kind", "SecretStore") != "SecretStore":
        yield "reads from a store of the whole cluster"
    keys = [(entry.get("remoteRef") or {}).get("key") for entry in spec.get("data") or []]
    for entry in spec.get("dataFrom") or []:
        if "find" in entry:
            yield "searches the store: name the secrets"
        if "extract" in entry:
            keys.append(entry["extract"].get("key"))
    for key in keys:
        if not str(key).startswith(f"{boundary.vault_path}/") or ".." in str(key):
            yield f"reads {key}, which is not the clone's own {boundary.vault_path}/…"


def _volumes(node: Any) -> Iterator[str]:
    for member in _maps(node):
        if any(member.get(key) for key in ("dataSource", "dataSourceRef", "volumeName")):
            yield "begins a volume with the data of another one"


def _references(node: Any, boundary: Boundary) -> Iterator[str]:
    for member in _maps(node):
        names = [
            reference.get("name")
            for key in ("secretKeyRef", "secretRef")
            if isinstance(reference := member.get(key), Mapping) and not reference.get("optional")
        ]
        volume = member.get("secret")
        if isinstance(volume, Mapping) and not volume.get("optional"):
            names.append(volume.get("secretName") or volume.get("name"))
        for name in names:
            if name is not None and name not in boundary.secrets:
                yield f"needs the secret {name}, which is not issued in the clone: move it to `externalSecret` of the values"


def _variables(node: Any) -> Iterator[str]:
    for member in _maps(node):
        name, value = member.get("name"), member.get("value")
        if not isinstance(name, str) or not isinstance(value, str) or not value:
            continue
        if SECRET_NAME.search(name) and not HARMLESS_NAME.search(name):
            yield f'has {name} in clear, which looks like a secret: move it to `externalSecret`, or set it to "" in `values`'


def _text(place: str, text: str, boundary: Boundary) -> Iterator[str]:
    if CREDENTIALS.search(text) or PRIVATE_KEY.search(text):
        yield f"has credentials in {place}"
        return
    for environment, below in VAULT_PATH.findall(text):
        if f"{environment}{below}" != boundary.vault_path:
            yield f"names the secrets of {environment} in {place}"
    for source in boundary.sources:
        if re.search(rf"(?<![A-Za-z0-9-]){re.escape(source)}(?![A-Za-z0-9-])", text):
            yield f"leads to namespace {source} in {place}: set it in `values`"
    is_image = place.rpartition(".")[2] == "image"
    hosts = [urlsplit(url).hostname or "" for url in URL.findall(text)]
    hosts += [match[0] for match in HOST.findall(text)]
    for host in dict.fromkeys(host.lower() for host in hosts if host):
        if _is_shared(host, boundary) or is_image:
            continue
        if any(part in PRODUCTION for label in host.split(".") for part in label.split("-")):
            yield f"leads to {host} in {place}, which is production: set it in `values`"
        elif boundary.is_strict and _is_setting(place) and not _is_inside(host, boundary.namespace):
            yield f"leads to {host} in {place}: set it in `values`, or name it in `sharedHosts` if a clone may use it"


def _is_shared(host: str, boundary: Boundary) -> bool:
    return host in boundary.hosts


def _is_setting(place: str) -> bool:
    """Whether somebody's value stands there: environment variables and configuration files."""
    return place.rpartition(".")[2] == "value" or place.startswith("data.")


def _is_inside(host: str, namespace: str) -> bool:
    labels = host.split(".")
    is_address = bool(re.fullmatch(r"[0-9.]+", host))
    if host == "localhost" or (is_address and (host.startswith("127.") or host == "0.0.0.0" or host.count(".") != 3)):
        return True
    # A host of one label is a Service of the same namespace.
    return not is_address and (len(labels) == 1 or labels[1] == namespace)


def _maps(node: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(node, Mapping):
        yield node
        for value in node.values():
            yield from _maps(value)
    elif isinstance(node, list):
        for value in node:
            yield from _maps(value)


def _texts(node: Any, place: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(node, str):
        yield place, node
    elif isinstance(node, Mapping):
        for key, value in node.items():
            yield from _texts(value, f"{place}.{key}" if place else str(key))
    elif isinstance(node, list):
        for value in node:
            yield from _texts(value, place)
