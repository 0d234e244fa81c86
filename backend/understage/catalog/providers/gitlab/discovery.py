"""Catalog files in the projects of a GitLab: a full round by schedule, deltas by pushes.

Names, filters and defaults as in Backstage catalog-backend-module-gitlab.
"""

import posixpath
import re
from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from understage.catalog.providers.discovery import changed_files, location_of, location_refs, schedule_of
from understage.catalog.providers.scheduled import ScheduledProvider
from understage.config.provider_settings import GitlabProvider
from understage.errors import InputError
from understage.integrations.forge_api import ForgeApi
from understage.integrations.gitlab.projects import (
    GitlabProject,
    find_project,
    list_group_paths,
    list_projects,
    search_files,
    with_file,
)
from understage.model.members import member_at
from understage.sdk.schedule import Scheduler

log = structlog.get_logger(__name__)


class GitlabDiscoveryEntityProvider(ScheduledProvider):
    """One entry of `catalog.providers.gitlab`. Implements `EntityProvider` and `EventSubscriber`."""

    topics = ("gitlab.push",)

    def __init__(self, id: str, settings: GitlabProvider, api: ForgeApi, scheduler: Scheduler) -> None:
        super().__init__(f"GitlabDiscoveryEntityProvider:{id}", schedule_of(settings.schedule), scheduler)
        self._settings = settings
        self._api = api
        self._file = settings.entity_filename.removeprefix("/")

    async def refresh(self) -> None:
        """Find all files and make their locations all that there is. A failure leaves what was there."""
        targets = await (self._search() if self._settings.use_search else self._list())
        unique = list(dict.fromkeys(targets))
        await self._connected().replace_all([location_of(target, self.name) for target in unique])
        log.info("projects were read", provider=self.name, locations=len(unique))

    async def on_event(self, topic: str, payload: Mapping[str, Any], metadata: Mapping[str, str]) -> None:
        """Act on a push to a project that counts."""
        changed = changed_files(payload.get("commits"), self._file)
        project_id = payload.get("project_id")
        if not isinstance(project_id, int):
            raise InputError("the event has no project_id")
        if not changed:
            return
        project = await find_project(self._api, project_id)
        if project is None or not self._accepts(project) or not self._is_in_groups(project.path):
            return
        branch = self._branch(project)
        if member_at(payload, "ref") != f"refs/heads/{branch}":
            return
        target = self._target(project, branch, self._file)
        change = changed[self._file]
        if change == "modified":
            await self._connected().refresh([f"url:{target.replace('/-/blob/', '/-/tree/')}", f"url:{target}"])
        elif change == "removed":
            await self._connected().apply_delta([], location_refs([target]))
        else:
            await self._connected().apply_delta([location_of(target, self.name)])

    async def _list(self) -> list[str]:
        """The file at its place in every project that counts and holds it."""
        settings = self._settings
        projects: dict[int, GitlabProject] = {}
        for group in await self._groups():
            found = await list_projects(
                self._api,
                group,
                with_archived=settings.include_archived_repos,
                is_member=settings.membership,
                topics=settings.topics,
                with_forks=not settings.skip_forked_repos,
            )
            projects |= {project.id: project for project in found if self._accepts(project)}
        known = list(projects.values())
        holding = await with_file(self._api, known, [self._branch(project) for project in known], self._file)
        return [self._target(project, self._branch(project), self._file) for project in holding]

    async def _search(self) -> list[str]:
        """Wherever GitLab's search finds a file of this name."""
        targets = []
        projects: dict[int, GitlabProject | None] = {}
        name = posixpath.basename(self._file)
        for project_id, ref, path in await search_files(self._api, self._settings.group, self._file):
            if project_id not in projects:
                projects[project_id] = await find_project(self._api, project_id)
            project = projects[project_id]
            is_wanted = project is not None and self._accepts(project) and self._is_in_groups(project.path)
            if project is not None and is_wanted and posixpath.basename(path) == name:
                targets.append(self._target(project, ref, path))
        return targets

    async def _groups(self) -> Sequence[str]:
        """Below which groups projects are listed; an empty one means all that our account may see."""
        if not self._settings.group_pattern:
            return [self._settings.group]
        return [path for path in await list_group_paths(self._api) if self._matches_group(path)]

    def _matches_group(self, path: str) -> bool:
        return any(re.search(pattern, path) for pattern in self._settings.group_pattern)

    def _is_in_groups(self, path: str) -> bool:
        """Whether one of the groups above a project matches the patterns."""
        parts = path.split("/")[:-1]
        above = ["/".join(parts[: length + 1]) for length in range(len(parts))]
        return not self._settings.group_pattern or any(self._matches_group(group) for group in above)

    def _accepts(self, project: GitlabProject) -> bool:
        settings = self._settings
        if settings.project_pattern and not re.search(settings.project_pattern, project.path):
            return False
        if settings.group and not project.path.startswith(f"{settings.group}/"):
            return False
        if project.is_archived and not settings.include_archived_repos:
            return False
        if project.is_fork and settings.skip_forked_repos:
            return False
        return project.path not in settings.exclude_repos

    def _branch(self, project: GitlabProject) -> str:
        return self._settings.branch or project.default_branch or self._settings.fallback_branch

    def _target(self, project: GitlabProject, branch: str, path: str) -> str:
        return f"{project.url}/-/blob/{branch}/{path}"
