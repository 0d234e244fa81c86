"""Kubernetes clusters, in memory, with the ownership rules of server-side apply."""

import copy
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from understage.errors import ConflictError, ForeignError, InputError, NotFoundError
from understage.sdk.ports import Cluster

MANAGER = "understage"
WITHOUT_NAMESPACE = frozenset(
    (
        *("Namespace", "Node", "PersistentVolume", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition"),
        *(
            "StorageClass",
            "PriorityClass",
            "IngressClass",
            "GatewayClass",
            "APIService",
            "ClusterIssuer",
            "ClusterPolicy",
        ),
        *("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration", "ValidatingAdmissionPolicy"),
        *("ValidatingAdmissionPolicyBinding", "ClusterSecretStore", "RuntimeClass", "CSIDriver", "VolumeAttachment"),
    )
)
_IDENTITY = (("apiVersion",), ("kind",), ("metadata", "name"), ("metadata", "namespace"))

Key = tuple[str, str, str | None, str]
Path = tuple[str, ...]


@dataclass
class FakeCluster:
    """One cluster. Read an object with `objects[(api_version, kind, namespace, name)]` or `await cluster.get(…)`.

    `apply` follows server-side apply: a field that another manager owns with another value is a conflict unless forced; a
    field that we applied before and leave out now is removed unless another manager owns it too. Lists count as one field.
    An object in a namespace that was not applied is refused. `namespaces` exist from the start. Every kind is known but those
    in `unknown_kinds`, (api_version, kind). `unreachable` makes every call fail with that reason.
    """

    name: str = "default"
    server: str = "https://kubernetes.test"
    namespaces: Sequence[str] = ("default", "kube-system", "argocd")
    objects: dict[Key, dict[str, Any]] = field(default_factory=dict)
    owners: dict[Key, dict[Path, set[str]]] = field(default_factory=dict)
    unknown_kinds: Collection[tuple[str, str]] = ()
    unreachable: str | None = None

    def __post_init__(self) -> None:
        for name in self.namespaces:
            self.seed({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}, manager="kube-apiserver")

    def seed(self, manifest: Mapping[str, Any], *, manager: str) -> None:
        """Put an object there as another field manager did, taking over the fields it sets."""
        self._store(manifest, manager=manager, force=True)

    async def apply(self, manifest: dict[str, Any], *, force: bool = False, dry_run: bool = False) -> dict[str, Any]:
        """Server-side apply as `understage`; returns the stored object.

        Raises ConflictError naming the other manager, NotFoundError for a namespace that is not there.
        """
        self._reach()
        if not dry_run:
            return self._store(manifest, manager=MANAGER, force=force)
        before = copy.deepcopy((self.objects, self.owners))
        try:
            return self._store(manifest, manager=MANAGER, force=force)
        finally:
            self.objects, self.owners = before

    async def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> dict[str, Any] | None:
        """A copy of the object, or None."""
        self._reach()
        return copy.deepcopy(self.objects.get((api_version, kind, namespace, name)))

    async def list(
        self, api_version: str, kind: str, *, namespace: str | None = None, labels: str | None = None
    ) -> Sequence[dict[str, Any]]:
        """Copies of the objects of a kind that are in the namespace and carry the labels (`a=b,c=d`)."""
        self._reach()
        wanted = dict(pair.split("=", 1) for pair in labels.split(",")) if labels else {}
        return [
            copy.deepcopy(each)
            for (version, its_kind, place, _), each in self.objects.items()
            if (version, its_kind) == (api_version, kind)
            and namespace in (None, place)
            and wanted.items() <= (each.get("metadata", {}).get("labels") or {}).items()
        ]

    async def delete(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> bool:
        """Delete the object; a Namespace with all that is in it. False when it was not there."""
        self._reach()
        key = (api_version, kind, namespace, name)
        if key not in self.objects:
            return False
        inside = [other for other in self.objects if kind == "Namespace" and other[2] == name]
        for gone in (key, *inside):
            del self.objects[gone], self.owners[gone]
        return True

    async def is_namespaced(self, api_version: str, kind: str) -> bool:
        """True but for the kinds that are known to have no namespace. Raises NotFoundError for one of `unknown_kinds`."""
        self._reach()
        if (api_version, kind) in self.unknown_kinds:
            raise NotFoundError(f"Cluster {self.name!r} knows no kind {kind} in {api_version}")
        return kind not in WITHOUT_NAMESPACE

    def _reach(self) -> None:
        if self.unreachable is not None:
            raise ForeignError(f"cluster {self.name} at {self.server} cannot be reached: {self.unreachable}")

    def _store(self, manifest: Mapping[str, Any], *, manager: str, force: bool) -> dict[str, Any]:
        key = _key(manifest)
        if key[2] is not None and ("v1", "Namespace", None, key[2]) not in self.objects:
            raise NotFoundError(f'namespaces "{key[2]}" not found')
        stored = copy.deepcopy(self.objects.get(key, {}))
        owners = copy.deepcopy(self.owners.get(key, {}))
        wanted = dict(_leaves(manifest))
        for path, value in wanted.items():
            others = owners.get(path, set()) - {manager}
            if others and _read(stored, path) != value:
                if not force:
                    other = ", ".join(sorted(others))
                    raise ConflictError(
                        f'Apply failed with 1 conflict: conflict with "{other}": .{".".join(path)} '
                        f"({key[1]} {key[3]} on cluster {self.name})"
                    )
                owners[path] = set()
        for path in [path for path, managers in owners.items() if manager in managers and path not in wanted]:
            owners[path].discard(manager)
            if not owners[path]:
                del owners[path]
                _remove(stored, path)
        for path, value in wanted.items():
            _write(stored, path, copy.deepcopy(value))
            owners.setdefault(path, set()).add(manager)
        self.objects[key], self.owners[key] = stored, owners
        return copy.deepcopy(stored)


@dataclass
class FakeClusters:
    """The configured clusters, in order; none by default."""

    clusters: Sequence[Cluster] = ()

    def names(self) -> list[str]:
        """Names, in order."""
        return [cluster.name for cluster in self.clusters]

    def get(self, name: str | None = None) -> Cluster | None:
        """By name, or the first; None when there is none. Raises InputError for an unknown name."""
        if name is None:
            return next(iter(self.clusters), None)
        for cluster in self.clusters:
            if cluster.name == name:
                return cluster
        known = ", ".join(self.names()) or "none"
        raise InputError(f"No cluster named {name} is configured; configured are: {known}")


def _key(manifest: Mapping[str, Any]) -> Key:
    metadata = manifest.get("metadata", {})
    for member, value in (("apiVersion", manifest.get("apiVersion")), ("kind", manifest.get("kind"))):
        if not value:
            raise InputError(f"the manifest has no {member}")
    if not metadata.get("name"):
        raise InputError(f"the {manifest['kind']} manifest has no metadata.name")
    return manifest["apiVersion"], manifest["kind"], metadata.get("namespace"), metadata["name"]


def _leaves(node: Mapping[str, Any], path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every field that is not an object; empty objects count as fields. What identifies the object is owned by nobody."""
    for name, value in node.items():
        here = (*path, name)
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, here)
        else:
            yield here, value


def _read(node: Mapping[str, Any], path: Path) -> Any:
    for name in path:
        if not isinstance(node, Mapping) or name not in node:
            return None
        node = node[name]
    return node


def _write(node: dict[str, Any], path: Path, value: Any) -> None:
    for name in path[:-1]:
        child = node.get(name)
        if not isinstance(child, dict):
            child = node[name] = {}
        node = child
    node[path[-1]] = value


def _remove(node: dict[str, Any], path: Path) -> None:
    if path in _IDENTITY:
        return
    parents = [node]
    for name in path[:-1]:
        parents.append(parents[-1][name])
    parents[-1].pop(path[-1], None)
    for parent, name in zip(reversed(parents[:-1]), reversed(path[:-1]), strict=True):
        if not parent[name]:
            del parent[name]
