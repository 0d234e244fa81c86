"""One cluster: server-side apply, get and delete of any kind. Implements the port `sdk.Cluster`."""

from collections.abc import Sequence
from typing import Any

from understage.errors import InputError, NotFoundError
from understage.integrations.kubernetes.connection import Connection
from understage.integrations.kubernetes.refusals import refusal
from understage.integrations.kubernetes.settings import ClusterSettings
from understage.model.path_segment import path_segment

FIELD_MANAGER = "understage"
Json = dict[str, Any]


class KubernetesCluster:
    """A Kubernetes API server. `timeout` is the time limit of one request, in seconds."""

    def __init__(self, settings: ClusterSettings, *, timeout: float = 30.0) -> None:
        self.name = settings.name
        self._settings = settings
        self._connection = Connection(settings, timeout)
        # Plural and scope by (apiVersion, kind), as the server's discovery told.
        self._resources: dict[tuple[str, str], tuple[str, bool]] = {}

    @property
    def server(self) -> str:
        """The API server's URL; `https://kubernetes.default.svc` for the cluster Understage runs in."""
        return self._connection.server()

    async def apply(self, manifest: Json, *, force: bool = False, dry_run: bool = False) -> Json:
        """Server-side apply with the field manager `understage`; returns the stored object.

        A manifest with `metadata.resourceVersion` is applied only to that version. Raises ConflictError naming the other
        field manager unless `force`, InputError for what the server finds invalid, NotFoundError for an unknown kind or
        namespace, NotAllowedError, ForeignError.
        """
        api_version, kind, name, namespace = _identity(manifest)
        path = await self._path(api_version, kind, name, namespace)
        query = {"fieldManager": FIELD_MANAGER, "force": "true" if force else "false", "fieldValidation": "Strict"}
        if dry_run:
            query["dryRun"] = "All"
        return await self._send(
            "PATCH",
            path,
            f"apply {_title(kind, name, namespace)}",
            query=query,
            body=manifest,
            content_type="application/apply-patch+yaml",
        )

    async def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> Json | None:
        """The object, or None. NotFoundError when the server does not know the kind."""
        path = await self._path(api_version, kind, name, namespace)
        return await self._find("GET", path, f"read {_title(kind, name, namespace)}")

    async def list(
        self, api_version: str, kind: str, *, namespace: str | None = None, labels: str | None = None
    ) -> Sequence[Json]:
        """The objects of a kind, chosen by labels. NotFoundError when the server does not know the kind."""
        root = _root(api_version)
        plural, _ = await self._resource(api_version, kind, root)
        scope = f"/namespaces/{_segment(namespace)}" if namespace else ""
        query = {"labelSelector": labels} if labels else {}
        answer = await self._send("GET", f"{root}{scope}/{plural}", f"list {plural}", query=query)
        # Lists leave out what their members have in common.
        return [{"apiVersion": api_version, "kind": kind, **each} for each in answer.get("items") or []]

    async def delete(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> bool:
        """Delete the object, its dependents in the foreground; False when it was not there."""
        path = await self._path(api_version, kind, name, namespace)
        what = f"delete {_title(kind, name, namespace)}"
        return await self._find("DELETE", path, what, query={"propagationPolicy": "Foreground"}) is not None

    async def is_namespaced(self, api_version: str, kind: str) -> bool:
        """Whether objects of the kind are in namespaces. NotFoundError when the server does not know the kind."""
        return (await self._resource(api_version, kind, _root(api_version)))[1]

    async def _path(self, api_version: str, kind: str, name: str, namespace: str | None) -> str:
        root = _root(api_version)
        plural, namespaced = await self._resource(api_version, kind, root)
        if namespaced and not namespace:
            raise InputError(f"{kind} {name} needs a namespace: set metadata.namespace")
        scope = f"/namespaces/{_segment(namespace)}" if namespaced and namespace else ""
        return f"{root}{scope}/{plural}/{_segment(name)}"

    async def _resource(self, api_version: str, kind: str, root: str) -> tuple[str, bool]:
        if (api_version, kind) not in self._resources:
            answer = await self._find("GET", root, f"list the kinds of {api_version}") or {}
            for resource in answer.get("resources", []):
                if "/" not in resource["name"]:
                    self._resources[(api_version, resource["kind"])] = (resource["name"], resource["namespaced"])
        try:
            return self._resources[(api_version, kind)]
        except KeyError:
            raise NotFoundError(
                f"Cluster {self.name!r} knows no kind {kind} in {api_version}. Install what brings it "
                "(a custom resource definition), or choose a cluster that has it"
            ) from None

    async def _send(self, method: str, path: str, what: str, **arguments: Any) -> Json:
        status, answer = await self._connection.request(method, path, **arguments)
        if status >= 300:
            raise refusal(status, answer, cluster=self.name, source=self._settings.source, what=what)
        return answer if isinstance(answer, dict) else {}

    async def _find(self, method: str, path: str, what: str, **arguments: Any) -> Json | None:
        try:
            return await self._send(method, path, what, **arguments)
        except NotFoundError:
            return None


def _identity(manifest: Json) -> tuple[str, str, str, str | None]:
    metadata = manifest.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    api_version, kind, name = manifest.get("apiVersion"), manifest.get("kind"), metadata.get("name")
    if not (isinstance(api_version, str) and isinstance(kind, str) and isinstance(name, str) and name):
        raise InputError("a manifest needs apiVersion, kind and metadata.name")
    return api_version, kind, name, metadata.get("namespace")


def _root(api_version: str) -> str:
    """The path of a group's version; the version comes from templates, and must not lead elsewhere."""
    parts = "/".join(_segment(part) for part in api_version.split("/", 1))
    return f"/apis/{parts}" if "/" in api_version else f"/api/{parts}"


def _segment(name: str) -> str:
    """`name` as one segment of a path."""
    return path_segment(name, "is no name of a Kubernetes object")


def _title(kind: str, name: str, namespace: str | None) -> str:
    return f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}"
