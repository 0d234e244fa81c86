"""The world of a trial: every port in memory. What a template did to it is its plan.

A forge appears for each host that a template names. Clusters and instances of Argo CD are there when the case says so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from understage.errors import InputError, NotFoundError
from understage.integrations.adoption import ServiceAdoption
from understage.integrations.helm import HelmBinary
from understage.integrations.policies import PolicyFile
from understage.integrations.templating import FileTemplating
from understage.scaffolder.authoring.effects import Effect, effects_of
from understage.scaffolder.filters import backstage_filters
from understage.sdk import Forge, HttpResponse, PackedChart, Ports, ReadFile, ReadTree
from understage.sdk.testing import (
    FakeArgoCd,
    FakeArgoCds,
    FakeCatalog,
    FakeCluster,
    FakeClusters,
    FakeForge,
    FakeForges,
    FakeGit,
    FakeGuardrails,
    FakeHelm,
    FakeHttp,
    FakeReader,
    FakeRepository,
    fake_ports,
)
from understage.sdk.yaml import parse_documents
from understage.templating import Environment, Filter

KNOWN_HOSTS = {
    "github.com": "github",
    "gitlab.com": "gitlab",
    "bitbucket.org": "bitbucketCloud",
    "dev.azure.com": "azure",
}
DEFAULT_HOST = "forge.test"


def host_type(host: str) -> str:
    """The type of the forge at any host."""
    return KNOWN_HOSTS.get(host, "gitea")


@dataclass(frozen=True)
class Surroundings:
    """What a case says about the world. Paths are absolute.

    `repositories`: files by path, by `owner/name` (on the default forge) or `host/owner/name`. `urls`: folders and files by the
    URL that they are read from. `http`: answers by (method, URL).
    """

    entities: Sequence[Mapping[str, Any]] = ()
    repositories: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    clusters: Sequence[str] = ()
    argocd: Sequence[str] = ()
    http: Mapping[tuple[str, str], HttpResponse] = field(default_factory=dict)
    urls: Mapping[str, Path] = field(default_factory=dict)


class OpenForges(FakeForges):
    """There is a forge at every host."""

    def __init__(self) -> None:
        super().__init__([FakeForge(host=DEFAULT_HOST)])

    def get(self, host: str) -> Forge:
        """The forge of a host, made when it is asked for first."""
        for forge in self.forges:
            if forge.host == host:
                return forge
        made = FakeForge(host=host, type=host_type(host))
        self.forges = [*self.forges, made]
        return made

    def contents(self) -> dict[str, bytes | str]:
        """All files of all repositories, by the URL that a browser finds them at."""
        return {
            forge.contents_url(found.repository, branch, path): content
            for forge in self.forges
            if isinstance(forge, FakeForge)
            for found in forge.repositories.values()
            for branch, files in found.branches.items()
            for path, content in files.items()
        }


class OfflineReader(FakeReader):
    """Reads the repositories of this world, and the URLs that a case names from files."""

    def __init__(self, urls: Mapping[str, Path], forges: OpenForges) -> None:
        super().__init__()
        self._given = dict(_files_of(urls))
        self._forges = forges

    async def read_url(self, url: str, *, token: str | None = None) -> ReadFile:
        """One file."""
        self._find(url)
        return await super().read_url(url, token=token)

    async def read_tree(self, url: str, destination: Path, *, token: str | None = None) -> ReadTree:
        """A folder."""
        self._find(url)
        return await super().read_tree(url, destination, token=token)

    def _find(self, url: str) -> None:
        self.files = {**self._given, **self._forges.contents()}
        if not any(known == url or known.startswith(url.rstrip("/") + "/") for known in self.files):
            raise NotFoundError(f"A trial is offline: say in the case what {url} is, under world.urls")


class OfflineCatalog(FakeCatalog):
    """Knows what a location leads to by the repositories of this world."""

    def __init__(self, entities: Sequence[Mapping[str, Any]], forges: OpenForges) -> None:
        super().__init__(entities)
        self._forges = forges

    async def add_location(self, target: str, *, dry_run: bool = False) -> dict[str, Any]:
        """Register a location; a dry run of it tells the entities of its file."""
        if dry_run and target not in self.reachable:
            content = self._forges.contents().get(target)
            if content is None:
                raise InputError(f"No repository of this trial has {target}")
            self.reachable[target] = [document.value for document in parse_documents(content, target)]
        return await super().add_location(target, dry_run=dry_run)


class HealthyArgoCd(FakeArgoCd):
    """What is applied is synced and healthy at once."""

    async def get_application(self, name: str) -> dict[str, Any] | None:
        """The Application."""
        found = await super().get_application(name)
        if found is not None and "status" not in found:
            found["status"] = {
                "sync": {"status": "Synced", "revision": "0" * 40},
                "health": {"status": "Healthy"},
                "operationState": {"phase": "Succeeded", "startedAt": f"after {len(self.syncs)} syncs"},
            }
        return found


class ReadyCluster(FakeCluster):
    """What is applied is ready at once."""

    async def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> dict[str, Any] | None:
        """The object, with the status of one that is ready."""
        found = await super().get(api_version, kind, name, namespace)
        if found is not None and "status" not in found:
            wanted = (found.get("spec") or {}).get("replicas", 1)
            counts = ("replicas", "updatedReplicas", "availableReplicas", "readyReplicas")
            conditions = [
                {"type": each, "status": "True"} for each in ("Ready", "Available", "Complete", "Established")
            ]
            phase = {"Namespace": "Active", "PersistentVolumeClaim": "Bound"}.get(kind, "Running")
            found["status"] = {
                **dict.fromkeys(counts, wanted),
                "conditions": conditions,
                "phase": phase,
                "observedGeneration": 1,
                "loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]},
            }
        return found


class OfflineHelm(HelmBinary):
    """Helm as it is installed here, for what needs no network; a registry in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.registry = FakeHelm(available=True)

    async def update_dependencies(self, chart: Path, *, root: Path, timeout: float = 120.0) -> None:
        """Refuse: nothing can be fetched."""
        raise NotFoundError(f"A trial is offline: the dependencies of the chart {chart.name} cannot be fetched")

    async def find_published(
        self, repository: str, name: str, version: str, *, timeout: float = 120.0
    ) -> PackedChart | None:
        """What this trial pushed."""
        return await self.registry.find_published(repository, name, version)

    async def push(self, package: Path, repository: str, *, timeout: float = 120.0) -> str:
        """Keep the package."""
        return await self.registry.push(package, repository)


class World:
    """The ports of one trial, and what happened to them."""

    def __init__(self, surroundings: Surroundings, rules: Path | None = None) -> None:
        """`rules` is the platform's file of rules; without one there is nothing to ask."""
        self.forges = OpenForges()
        for name, files in surroundings.repositories.items():
            self._seed(name, files)
        self.git = FakeGit(self.forges)
        self.clusters = [ReadyCluster(name) for name in surroundings.clusters]
        self.argocd = [HealthyArgoCd(name) for name in surroundings.argocd]
        self.helm = OfflineHelm()
        self.http = FakeHttp(surroundings.http)
        self.backstage = FakeHttp(surroundings.http)
        self.catalog = OfflineCatalog(surroundings.entities, self.forges)
        self.filters: dict[str, Filter] = backstage_filters(host_type)
        self.ports: Ports = fake_ports(
            catalog=self.catalog,
            reader=OfflineReader(surroundings.urls, self.forges),
            git=self.git,
            forges=self.forges,
            clusters=FakeClusters(self.clusters),
            helm=self.helm,
            adoption=ServiceAdoption(self.helm, FakeGuardrails()),
            argocd=FakeArgoCds(self.argocd),
            guardrails=PolicyFile(rules),
            templating=FileTemplating(Environment(filters=self.filters)),
            http=self.http,
            backstage=self.backstage,
        )
        self.begin()

    def begin(self) -> None:
        """What is there now was there before: effects are counted from here."""
        self._before = self._state()
        self._located = list(self.catalog.locations)

    def effects(self) -> list[Effect]:
        """What changed since the world was made, in the order: repositories, clusters, Argo CD, requests, catalog."""
        messages = [(commit.remote_url, commit.branch, commit.message) for commit in self.git.commits]
        requests = [(sent.method, sent.url, sent.content) for sent in (*self.http.sent, *self.backstage.sent)]
        now = self.catalog.locations
        found = effects_of(
            self._before, self._state(), messages, requests, [each for each in now if each not in self._located]
        )
        syncs = ((instance.name, name) for instance in self.argocd for name, _, _ in instance.syncs)
        gone = (Effect(f"unregister {target} in the catalog") for target in self._located if target not in now)
        return [*found, *gone, *(Effect(f"sync Application {name} of Argo CD {place}") for place, name in syncs)]

    def _seed(self, name: str, files: Mapping[str, str]) -> None:
        *host, owner, repository = name.split("/")
        forge = self.forges.get(host[0] if host else DEFAULT_HOST)
        assert isinstance(forge, FakeForge)
        made = FakeRepository(forge.plan_repository(owner, repository))
        forge.repositories[f"{owner}/{repository}"] = made
        made.branches["main"] = {path: text.encode() for path, text in files.items()}

    def _state(self) -> dict[tuple[str, ...], Any]:
        """Everything in it, by what it is."""
        state: dict[tuple[str, ...], Any] = {}
        for forge in self.forges.forges:
            if isinstance(forge, FakeForge):
                for name, found in forge.repositories.items():
                    state["repository", forge.host, name, found.repository.clone_url] = {
                        branch: dict(files) for branch, files in found.branches.items()
                    }
                    for source, target, opened in found.pull_requests:
                        state["pull request", forge.host, name, str(opened.number)] = f"{source} into {target}"
        for cluster in self.clusters:
            for (_version, kind, namespace, name), manifest in cluster.objects.items():
                place = f"{namespace}/{name}" if namespace else name
                state["object", cluster.name, kind, place] = dict(manifest)
        for reference, package in self.helm.registry.published.items():
            state["chart", "", reference, ""] = package
        for instance in self.argocd:
            for name, project in instance.projects.items():
                state["argocd", instance.name, "AppProject", name] = project
            for name, application in instance.applications.items():
                state["argocd", instance.name, "Application", name] = application
        return state


def _files_of(urls: Mapping[str, Path]) -> list[tuple[str, bytes | str]]:
    found: list[tuple[str, bytes | str]] = []
    for url, path in urls.items():
        if path.is_dir():
            names = [file for file in sorted(path.rglob("*")) if file.is_file()]
            found += [(f"{url.rstrip('/')}/{file.relative_to(path).as_posix()}", file.read_bytes()) for file in names]
        else:
            found.append((url, path.read_bytes()))
    return found
