"""Argo CD instances, in memory."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from understage.errors import ForeignError, InputError, NotFoundError
from understage.sdk.ports import ArgoCd


@dataclass
class FakeArgoCd:
    """One Argo CD. `projects` and `applications` are what was applied, by name.

    `statuses[name]` are the application's `status` objects for the next reads, in order; the last one stays. Without one
    an application has no status, as before Argo CD saw it.
    `syncs` are those begun: (name, revision, prune). `unreachable` makes every call fail with that
    reason. `dates` are those of revisions' commits.
    """

    name: str = "default"
    url: str = "https://argocd.test"
    projects: dict[str, dict[str, Any]] = field(default_factory=dict)
    applications: dict[str, dict[str, Any]] = field(default_factory=dict)
    statuses: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    unreachable: str | None = None
    syncs: list[tuple[str, str | None, bool]] = field(default_factory=list)
    dates: dict[str, str] = field(default_factory=dict)

    async def get_project(self, name: str) -> dict[str, Any] | None:
        """A copy of the AppProject, or None."""
        self._reach()
        return copy.deepcopy(self.projects.get(name))

    async def apply_project(self, project: dict[str, Any]) -> None:
        """Keep the AppProject."""
        self._reach()
        self.projects[project["metadata"]["name"]] = copy.deepcopy(project)

    async def apply_application(self, application: dict[str, Any]) -> None:
        """Keep the Application. Raises InputError when its project does not exist."""
        self._reach()
        project = application["spec"].get("project", "default")
        if project != "default" and project not in self.projects:
            raise InputError(f"application references project {project} which does not exist")
        self.applications[application["metadata"]["name"]] = copy.deepcopy(application)

    async def get_application(self, name: str) -> dict[str, Any] | None:
        """The Application with its next status, or None."""
        self._reach()
        if name not in self.applications:
            return None
        found = copy.deepcopy(self.applications[name])
        waiting = self.statuses.get(name, [])
        if waiting:
            found["status"] = copy.deepcopy(waiting.pop(0) if len(waiting) > 1 else waiting[0])
        return found

    async def list_applications(self) -> list[dict[str, Any]]:
        """All in short, each with the status that the next read of it has."""
        self._reach()
        found = []
        for name, application in sorted(self.applications.items()):
            status = (self.statuses.get(name) or [{}])[0]
            short = {member: status[member] for member in ("health", "operationState") if member in status}
            found.append({"metadata": copy.deepcopy(application["metadata"]), "status": copy.deepcopy(short)})
        return found

    async def get_revision_date(self, name: str, revision: str, *, history_id: int, source: int = 0) -> str | None:
        """The revision's date, or None."""
        self._reach()
        return self.dates.get(revision)

    async def get_revision(
        self, name: str, revision: str, *, history_id: int, source: int = 0
    ) -> dict[str, Any] | None:
        """Of a revision that has a date: author and message of a test."""
        date = await self.get_revision_date(name, revision, history_id=history_id, source=source)
        return (
            None if date is None else {"author": "Ada <ada@example.com>", "date": date, "message": f"Commit {revision}"}
        )

    async def list_project_applications(self, *, project: str) -> list[dict[str, Any]]:
        """The Applications of a project, each with its next status."""
        self._reach()
        names = [name for name, each in self.applications.items() if each["spec"].get("project") == project]
        return [found for name in names if (found := await self.get_application(name)) is not None]

    async def sync_application(self, name: str, *, revision: str | None = None, prune: bool = False) -> None:
        """Note the sync. Raises NotFoundError for an Application that is not there."""
        self._reach()
        if name not in self.applications:
            raise NotFoundError(f"Argo CD {self.name} has no application {name}")
        self.syncs.append((name, revision, prune))

    async def delete_application(self, name: str, *, cascade: bool = True) -> None:
        """Forget the Application."""
        self._reach()
        if self.applications.pop(name, None) is None:
            raise NotFoundError(f"Argo CD {self.name} has no application {name}")

    def _reach(self) -> None:
        if self.unreachable is not None:
            raise ForeignError(f"Argo CD {self.name} at {self.url} cannot be reached: {self.unreachable}")


@dataclass
class FakeArgoCds:
    """The configured instances, in order; none by default."""

    instances: Sequence[ArgoCd] = ()

    def names(self) -> list[str]:
        """Names, in order."""
        return list(self._by_name())

    def get(self, name: str | None = None) -> ArgoCd | None:
        """By name, or the first; None when there is none. Raises InputError for an unknown name."""
        instances = self._by_name()
        if name is None:
            return next(iter(instances.values()), None)
        if name not in instances:
            known = ", ".join(instances) or "none"
            raise InputError(f"No Argo CD instance named {name} is configured; configured are: {known}")
        return instances[name]

    def _by_name(self) -> Mapping[str, ArgoCd]:
        return {instance.name: instance for instance in self.instances}
