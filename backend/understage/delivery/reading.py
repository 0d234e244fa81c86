"""What of Argo CD and of a cluster is a service's own, and what is told of it. Pure; `sources` and `status` call it.

Entities are written by those who own them, so what an entity says of itself shows nothing of others: an Application is a
service's when it is in the project of the owning team and either carries the service's name as a label, or is named by the
entity and deploys the repository that the catalog read the entity from (`backstage.io/managed-by-location`, which the catalog
writes itself).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from understage.errors import InputError
from understage.model.argocd import sources_of
from understage.model.entity import Entity

Json = dict[str, Any]

NAME_LABEL = "app.kubernetes.io/name"
TEAM_LABEL = "team"
ENVIRONMENT_LABEL = "environment"
LOCATION = "backstage.io/managed-by-location"
LONGEST_MESSAGE = 500
TEAM = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True)
class Service:
    """A component of the catalog as its deployments know it. `location` is the URL that the catalog read it from."""

    name: str
    team: str
    location: str = ""
    application: str | None = None

    @property
    def selector(self) -> str:
        """The labels of what is deployed for it."""
        return f"{NAME_LABEL}={self.name},{TEAM_LABEL}={self.team}"


def service_of(entity: Entity) -> Service:
    """Raises InputError for a component that no group of the namespace `default` owns: nothing can be deployed for it."""
    metadata, spec = entity["metadata"], entity.get("spec") or {}
    owner = str(spec.get("owner") or "")
    kind, separator, rest = owner.rpartition(":")
    namespace, slash, team = rest.lower().rpartition("/")
    if (separator and kind.lower() != "group") or (slash and namespace != "default") or not TEAM.fullmatch(team):
        raise InputError(
            f"{metadata['name']} is owned by {owner[:100] or 'nobody'}: a group of the namespace default must own it"
        )
    annotations = metadata.get("annotations") or {}
    location = str(annotations.get(LOCATION) or "")
    return Service(
        name=str(metadata["name"]).lower(),
        team=team,
        location=location.removeprefix("url:") if location.startswith("url:") else "",
        application=annotations.get("argocd/app-name"),
    )


def is_own(application: Json, service: Service) -> bool:
    """Whether the Application is the service's, by what it cannot have made up."""
    metadata, spec = application.get("metadata") or {}, application.get("spec") or {}
    if spec.get("project") != service.team:
        return False
    if (metadata.get("labels") or {}).get(NAME_LABEL) == service.name:
        return True
    if metadata.get("name") != service.application:
        return False
    repositories = (str(source.get("repoURL") or "").removesuffix(".git") for source in sources_of(spec))
    return any(url and service.location.startswith(f"{url}/") for url in repositories)


def read_application(application: Json) -> Json:
    """What is told of an Application."""
    status = application.get("status") or {}
    sync, history = status.get("sync") or {}, status.get("history") or []
    last = history[-1] if history else {}
    revisions = sync.get("revisions") or []
    return {
        "name": application["metadata"]["name"],
        "sync": sync.get("status") or "Unknown",
        "health": (status.get("health") or {}).get("status") or "Unknown",
        "message": "; ".join(dict.fromkeys(_reasons(status)))[:LONGEST_MESSAGE] or None,
        "revision": sync.get("revision") or (revisions[-1] if revisions else None),
        "images": sorted((status.get("summary") or {}).get("images") or []),
        "deployedAt": last.get("deployedAt"),
        "namespace": ((application.get("spec") or {}).get("destination") or {}).get("namespace"),
    }


def environment_of(labels: Json | None, name: str, service: Service) -> str:
    """The environment by its label, else by the name `<service>-<environment>`."""
    return str((labels or {}).get(ENVIRONMENT_LABEL) or name.removeprefix(f"{service.name}-"))


def read_workload(workload: Json, cluster: str) -> Json:
    """What is told of a Deployment or StatefulSet."""
    spec, status = workload.get("spec") or {}, workload.get("status") or {}
    pod = ((spec.get("template") or {}).get("spec")) or {}
    return {
        "cluster": cluster,
        "kind": workload.get("kind"),
        "name": workload["metadata"]["name"],
        "desired": spec.get("replicas", 1),
        "ready": status.get("readyReplicas") or 0,
        "images": [str(container.get("image")) for container in pod.get("containers") or []],
    }


def _reasons(status: Json) -> Iterator[str]:
    for condition in status.get("conditions") or []:
        if str(condition.get("type")).endswith(("Error", "Warning")):
            yield str(condition.get("message"))
    operation = status.get("operationState") or {}
    if operation.get("phase") in ("Failed", "Error"):
        yield str(operation.get("message") or "the last sync failed")
    for resource in status.get("resources") or []:
        health = resource.get("health") or {}
        if health.get("status") in ("Degraded", "Missing", "Unknown") and health.get("message"):
            yield f"{resource.get('kind')} {resource.get('name')}: {health['message']}"
