"""The ways to reach Argo CD's objects: through its REST API, or as objects of the cluster it runs in.

`argocd:register-app` writes through one of them and waits by reading from it.
"""

from dataclasses import dataclass
from typing import Any, Protocol

from understage.sdk import ActionContext, ArgoCd, Cluster, ConflictError, InputError, NotFoundError
from understage.sdk.argocd import sources_of
from understage_actions._argocd_manifests import API_VERSION

Json = dict[str, Any]


class Way(Protocol):
    """Where AppProjects and Applications are read and written."""

    @property
    def place(self) -> str:
        """For messages."""

    async def get(self, kind: str, name: str) -> Json | None:
        """The object of this kind (AppProject, Application), or None."""

    async def apply(self, manifest: Json) -> None:
        """Create or update the object."""

    async def delete_application(self, name: str, *, cascade: bool) -> None:
        """Begin to delete an Application that is there."""


@dataclass(frozen=True)
class ApiWay:
    """By the REST API of an Argo CD."""

    argocd: ArgoCd

    @property
    def place(self) -> str:
        """For messages."""
        return f"Argo CD {self.argocd.name}"

    async def get(self, kind: str, name: str) -> Json | None:
        """The object, or None."""
        return await (self.argocd.get_project(name) if kind == "AppProject" else self.argocd.get_application(name))

    async def apply(self, manifest: Json) -> None:
        """Create or update the object."""
        if manifest["kind"] == "AppProject":
            await self.argocd.apply_project(manifest)
        else:
            await self.argocd.apply_application(manifest)

    async def delete_application(self, name: str, *, cascade: bool) -> None:
        """Begin to delete an Application."""
        await self.argocd.delete_application(name, cascade=cascade)


@dataclass(frozen=True)
class KubernetesWay:
    """As objects in Argo CD's namespace of a cluster."""

    cluster: Cluster
    namespace: str

    @property
    def place(self) -> str:
        """For messages."""
        return f"cluster {self.cluster.name}"

    async def get(self, kind: str, name: str) -> Json | None:
        """The object, or None. InputError when the cluster has no Argo CD."""
        try:
            return await self.cluster.get(API_VERSION, kind, name, self.namespace)
        except NotFoundError as error:
            raise InputError(
                f"Cluster {self.cluster.name} has no Argo CD (no {kind} in {API_VERSION}): install it, name an instance in "
                "argocd.appLocatorMethods, or use `via: files`"
            ) from error

    async def apply(self, manifest: Json) -> None:
        """Create or update the object."""
        await self.cluster.apply(manifest)

    async def delete_application(self, name: str, *, cascade: bool) -> None:
        """Begin to delete an Application; its finalizer takes what it deployed along."""
        if not cascade:
            raise InputError("`cascade: false` needs Argo CD's REST API: name an instance in argocd.appLocatorMethods")
        await self.cluster.delete(API_VERSION, "Application", name, self.namespace)


def choose_way(
    ctx: ActionContext, via: str, *, instance: str | None, cluster: str | None, namespace: str
) -> Way | None:
    """The way that `via` names; for `auto` the REST API, else the cluster, else None: files.

    Raises InputError when what `via` needs is not configured, or a name is unknown.
    """
    if via == "files":
        return None
    if via in ("auto", "api"):
        argocd = ctx.ports.argocd.get(instance)
        if argocd is not None:
            return ApiWay(argocd)
        if via == "api":
            raise InputError("No Argo CD is configured for `via: api`: name one in argocd.appLocatorMethods")
    found = ctx.ports.clusters.get(cluster)
    if found is not None:
        return KubernetesWay(found, namespace)
    if via == "kubernetes":
        raise InputError(
            "No cluster is configured for `via: kubernetes`: name one in kubernetes.clusterLocatorMethods or "
            "understage.kubernetes.clusters"
        )
    return None


def need_way(ctx: ActionContext, *, instance: str | None, cluster: str | None) -> Way:
    """The way to Argo CD's objects, the REST API first. InputError when neither it nor a cluster is configured."""
    namespace = str(ctx.defaults.get("argocdNamespace") or "argocd")
    way = choose_way(ctx, "auto", instance=instance, cluster=cluster, namespace=namespace)
    if way is None:
        raise InputError(
            "Neither an Argo CD nor a cluster is configured: name one in argocd.appLocatorMethods or "
            "kubernetes.clusterLocatorMethods"
        )
    return way


def application_page(ctx: ActionContext, name: str, *, instance: str | None) -> str | None:
    """Where people look at an Application, whether it is there yet or not; None where no instance is configured."""
    argocd = ctx.ports.argocd.get(instance)
    namespace = str(ctx.defaults.get("argocdNamespace") or "argocd")
    return f"{argocd.url}/applications/{namespace}/{name}" if argocd is not None else None


async def find_own_application(way: Way, name: str, team: str) -> Json | None:
    """The Application, or None. ConflictError for one of another team's project."""
    found = await way.get("Application", name)
    if found is not None and found["spec"].get("project") != team:
        raise ConflictError(f"Application {name} in {way.place} belongs to project {found['spec'].get('project')}")
    return found


async def check_application(way: Way, name: str, team: str, repo_url: str) -> None:
    """ConflictError when the Application's name belongs to another project or another repository."""
    found = await way.get("Application", name)
    if found is None:
        return
    owner = found["spec"].get("project")
    if owner != team:
        raise ConflictError(f"Application {name} in {way.place} belongs to project {owner}: choose another name")
    repositories = {str(source.get("repoURL")) for source in sources_of(found["spec"])}
    if repo_url not in repositories:
        raise ConflictError(
            f"Application {name} in {way.place} deploys {', '.join(sorted(repositories))}: choose another name, or delete "
            "that Application first"
        )
