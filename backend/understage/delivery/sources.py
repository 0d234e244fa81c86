"""Asks every Argo CD and every cluster at once, each within a time limit. Called by the route of the status.

One that does not answer costs its part of the answer, which says so, and never the rest. Why it does not goes to the log:
addresses of the installation are nothing for everybody who may read an entity.
"""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any

import structlog

from understage.delivery.reading import (
    Service,
    environment_of,
    is_own,
    read_application,
    read_workload,
)
from understage.errors import NotFoundError, UnderstageError
from understage.sdk.ports import ArgoCd, ArgoCds, Cluster, Clusters

Json = dict[str, Any]
log = structlog.get_logger(__name__)

SECONDS = 8.0
WORKLOADS = ("Deployment", "StatefulSet")


@dataclass
class Findings:
    """What was found, by environment; `sources` is who was asked, and whether they answered."""

    applications: dict[str, Json] = field(default_factory=dict)
    workloads: dict[str, list[Json]] = field(default_factory=dict)
    namespaces: dict[str, str] = field(default_factory=dict)
    sources: list[Json] = field(default_factory=list)


@dataclass(frozen=True)
class StatusSources:
    """Who is asked. `seconds` is the time limit of each; they are asked at the same time."""

    argocds: ArgoCds
    clusters: Clusters
    argocd_namespace: str = "argocd"
    seconds: float = SECONDS

    async def ask(self, service: Service) -> Findings:
        """All of them."""
        found = Findings()
        instances = [instance for name in self.argocds.names() if (instance := self.argocds.get(name)) is not None]
        clusters = self._known_clusters()
        answers = await asyncio.gather(
            *(self._within(f"Argo CD {each.name}", found, self._argocd(each, service, found)) for each in instances),
            *(self._within(f"cluster {each.name}", found, self._cluster(each, service, found)) for each in clusters),
        )
        if not any(answers[: len(instances)]):
            # What Argo CD wrote into its objects last is there without it.
            await asyncio.gather(*(self._within(None, found, self._objects(each, service, found)) for each in clusters))
        return found

    async def images(self, service: Service) -> dict[str, list[str]]:
        """What runs of a service, by namespace; nothing of a cluster that does not answer."""
        found = Findings()
        await asyncio.gather(
            *(self._within(None, found, self._cluster(each, service, found)) for each in self._known_clusters())
        )
        return {
            namespace: sorted({image for workload in found.workloads[name] for image in workload["images"]})
            for name, namespace in found.namespaces.items()
        }

    def _known_clusters(self) -> list[Cluster]:
        return [cluster for name in self.clusters.names() if (cluster := self.clusters.get(name)) is not None]

    async def _within(self, name: str | None, found: Findings, work: Awaitable[None]) -> bool:
        try:
            async with asyncio.timeout(self.seconds):
                await work
            problem = None
        except TimeoutError:
            problem = f"did not answer within {self.seconds:g} seconds"
        except UnderstageError as error:
            log.warning("status of a service is incomplete", source=name, reason=error.message)
            problem = "could not be asked; the log of Understage says why"
        if name is not None:
            found.sources.append({"name": name, "answers": problem is None, "message": problem})
        return problem is None

    async def _argocd(self, instance: ArgoCd, service: Service, found: Findings) -> None:
        for application in await instance.list_project_applications(project=service.team):
            if is_own(application, service):
                name = application["metadata"]["name"]
                namespace = application["metadata"].get("namespace") or self.argocd_namespace
                url = f"{instance.url}/applications/{namespace}/{name}"
                self._note(application, service, found, {"argocd": instance.name, "url": url})

    async def _objects(self, cluster: Cluster, service: Service, found: Findings) -> None:
        try:
            listed = await cluster.list(
                "argoproj.io/v1alpha1", "Application", namespace=self.argocd_namespace, labels=service.selector
            )
        except NotFoundError:  # a cluster without Argo CD
            return
        for application in listed:
            if is_own(application, service):
                self._note(application, service, found, {"argocd": None, "url": None})

    def _note(self, application: Json, service: Service, found: Findings, where: Json) -> None:
        told = {**read_application(application), **where}
        environment = environment_of(application["metadata"].get("labels"), told["name"], service)
        found.applications[environment] = told

    async def _cluster(self, cluster: Cluster, service: Service, found: Findings) -> None:
        spaces = await cluster.list("v1", "Namespace", labels=f"team={service.team}")
        own = [
            (space["metadata"]["name"], space["metadata"].get("labels"))
            for space in spaces
            if space["metadata"]["name"].startswith(f"{service.name}-")
        ]
        # `ledger-api-staging` is not of `ledger`: its environment is another.
        names = {
            name: environment
            for name, labels in own
            if name == f"{service.name}-{(environment := environment_of(labels, name, service))}"
        }
        asked = [(kind, name) for name in names for kind in WORKLOADS]
        lists = await asyncio.gather(*(cluster.list("apps/v1", kind, namespace=name) for kind, name in asked))
        for (kind, name), listed in zip(asked, lists, strict=True):
            found.namespaces[names[name]] = name
            told = [read_workload({"kind": kind, **workload}, cluster.name) for workload in listed]
            found.workloads.setdefault(names[name], []).extend(told)
