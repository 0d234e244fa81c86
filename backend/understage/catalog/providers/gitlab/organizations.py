"""Users and groups of a GitLab: a full round by schedule, deltas by its system hooks.

Names, filters and defaults as in Backstage catalog-backend-module-gitlab-org: only groups that somebody is a member of.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from understage.catalog.providers.discovery import schedule_of
from understage.catalog.providers.gitlab.org_entities import Naming, user_ref, with_groups
from understage.catalog.providers.scheduled import ScheduledProvider
from understage.catalog.scm.event import require_text
from understage.config.provider_settings import GitlabProvider
from understage.errors import InputError
from understage.integrations.gitlab.members import GitlabGroup, GitlabMembers, GitlabUser
from understage.model.entity import Entity
from understage.model.members import member_at
from understage.sdk.provider import ProvidedEntity
from understage.sdk.schedule import Scheduler

log = structlog.get_logger(__name__)


class GitlabOrgDiscoveryEntityProvider(ScheduledProvider):
    """One entry of `catalog.providers.gitlab` with `orgEnabled`. Implements `EntityProvider` and `EventSubscriber`."""

    topics = (
        "gitlab.group_create",
        "gitlab.group_destroy",
        "gitlab.group_rename",
        "gitlab.user_create",
        "gitlab.user_destroy",
        "gitlab.user_add_to_group",
        "gitlab.user_remove_from_group",
    )

    def __init__(self, id: str, settings: GitlabProvider, gitlab: GitlabMembers, scheduler: Scheduler) -> None:
        super().__init__(f"GitlabOrgDiscoveryEntityProvider:{id}", schedule_of(settings.schedule), scheduler)
        self._settings = settings
        self._gitlab = gitlab
        self._naming = Naming(gitlab.host, gitlab.base_url, settings.group)

    async def refresh(self) -> None:
        """Read all people and groups and make them all that there is. A failure leaves what was there."""
        users = {user.id: user for user in await self._list_users() if self._accepts_user(user)}
        groups = [group for group in await self._list_groups() if self._accepts_group(group.path)]
        groups_of: dict[int, list[str]] = {user_id: [] for user_id in users}
        peopled = []
        for group in groups:
            ids = users.keys() & (await self._gitlab.list_member_ids(group.path, self._relations())).keys()
            for user_id in ids:
                groups_of[user_id].append(group.path)
            if ids:
                peopled.append(group)
        paths = {group.id: group.path for group in peopled}
        entities = [self._naming.user_entity(user, groups_of[user.id]) for user in users.values()]
        entities += [self._naming.group_entity(group, parent=paths.get(group.parent_id or 0)) for group in peopled]
        await self._connected().replace_all(self._provided(entities))
        log.info("an organization was read", provider=self.name, users=len(users), groups=len(peopled))

    async def on_event(self, topic: str, payload: Mapping[str, Any], metadata: Mapping[str, str]) -> None:
        """Act on people, groups and memberships that come and go, and on groups that have another name."""
        event = topic.removeprefix("gitlab.")
        if event == "user_create":
            user = await self._gitlab.find_user(_id(payload, "user_id"))
            if user is not None and self._accepts_user(user):
                await self._change([self._naming.user_entity(user, [])])
        elif event == "user_destroy":
            await self._change([], [user_ref(require_text(payload, "username"))])
        elif event == "group_create":
            await self._on_group(_id(payload, "group_id"), None)
        elif event == "group_rename":
            await self._on_group(_id(payload, "group_id"), require_text(payload, "old_full_path"))
        elif event == "group_destroy":
            await self._remove_group(require_text(payload, "full_path"))
        else:
            await self._on_membership(payload, is_new=event == "user_add_to_group")

    async def _on_group(self, group_id: int, old_path: str | None) -> None:
        """Give a group anew; people of its old name become people of the new one."""
        group = await self._gitlab.find_group(group_id)
        if group is None or not self._accepts_group(group.path):
            if old_path is not None:
                await self._remove_group(old_path)
            return
        users: list[Entity] = []
        removed: list[str] = []
        old_name, name = self._naming.group_name(old_path or group.path), self._naming.group_name(group.path)
        if old_path is not None and old_name != name:
            removed = [self._naming.group_ref(old_path)]
            users = [
                changed
                for user in await self._given_users()
                if old_name in (user["spec"].get("memberOf") or [])
                and (changed := with_groups(user, added=name, removed=old_name)) is not None
            ]
        await self._change([*users, await self._group_entity(group)], removed)

    async def _remove_group(self, path: str) -> None:
        if not self._accepts_group(path):
            return
        name = self._naming.group_name(path)
        users = [with_groups(user, removed=name) for user in await self._given_users()]
        await self._change([user for user in users if user is not None], [self._naming.group_ref(path)])

    async def _on_membership(self, payload: Mapping[str, Any], *, is_new: bool) -> None:
        """Give the group with its members as they are now, and the user with the group or without it."""
        group = await self._gitlab.find_group(_id(payload, "group_id"))
        if group is None or not self._accepts_group(group.path):
            return
        username = require_text(payload, "user_username")
        members = await self._gitlab.list_member_ids(group.path, self._relations())
        entities = [await self._group_entity(group, members=list(members.values()))]
        name = self._naming.group_name(group.path)
        known = next((user for user in await self._given_users() if user["metadata"]["name"] == username), None)
        if known is None and is_new:
            user = await self._gitlab.find_user(_id(payload, "user_id"))
            if user is not None and self._accepts_user(user):
                entities.append(self._naming.user_entity(user, [group.path]))
        elif known is not None:
            changed = with_groups(known, **({"added": name} if is_new else {"removed": name}))
            entities += [] if changed is None else [changed]
        await self._change(entities)

    async def _group_entity(self, group: GitlabGroup, *, members: Sequence[str] | None = None) -> Entity:
        parent = await self._gitlab.find_group(group.parent_id) if group.parent_id else None
        return self._naming.group_entity(group, parent=parent.path if parent else None, members=members)

    async def _list_users(self) -> list[GitlabUser]:
        settings = self._settings
        if not self._gitlab.is_self_managed:
            group = settings.group if settings.restrict_users_to_group else settings.group.partition("/")[0]
            return await self._gitlab.list_seats(group, without_seat=settings.include_users_without_seat)
        if settings.restrict_users_to_group:
            return await self._gitlab.list_group_users(settings.group)
        return await self._gitlab.list_users()

    async def _list_groups(self) -> list[GitlabGroup]:
        if self._gitlab.is_self_managed and not self._settings.restrict_users_to_group:
            return await self._gitlab.list_groups()
        return await self._gitlab.list_groups_below(self._settings.group)

    async def _given_users(self) -> list[Entity]:
        given = [provided.entity for provided in await self._connected().list_given()]
        return [entity for entity in given if entity["kind"] == "User"]

    async def _change(self, entities: Sequence[Entity], removed: Sequence[str] = ()) -> None:
        await self._connected().apply_delta(self._provided(entities), removed)

    def _relations(self) -> list[str]:
        """By which relations somebody is a member."""
        settings = self._settings
        if settings.relations:
            return list(dict.fromkeys(("DIRECT", *settings.relations)))
        return ["DIRECT", "INHERITED"] if settings.allow_inherited else ["DIRECT"]

    def _accepts_user(self, user: GitlabUser) -> bool:
        pattern = self._settings.user_pattern
        return user.is_active and (pattern is None or bool(re.search(pattern, user.email or user.username)))

    def _accepts_group(self, path: str) -> bool:
        settings = self._settings
        if settings.group_pattern and not any(re.search(pattern, path) for pattern in settings.group_pattern):
            return False
        return not settings.group or path == settings.group or path.startswith(f"{settings.group}/")

    def _provided(self, entities: Sequence[Entity]) -> list[ProvidedEntity]:
        return [ProvidedEntity(entity, self.name) for entity in entities]


def _id(payload: Mapping[str, Any], name: str) -> int:
    found = member_at(payload, name)
    if not isinstance(found, int):
        raise InputError(f"the event has no {name}")
    return found
