"""Users and groups of GitHub organizations: a full round by schedule, deltas by events.

Names, namespaces and defaults as in Backstage catalog-backend-module-github-org.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import structlog

from understage.catalog.providers.discovery import integrations_of, schedule_of
from understage.catalog.providers.github.org_entities import (
    group_entities,
    group_ref,
    memberships,
    user_entity,
    user_ref,
)
from understage.catalog.providers.scheduled import ScheduledProvider
from understage.catalog.scm.event import require_text
from understage.config.provider_settings import GithubOrgProvider, read_providers
from understage.errors import InputError
from understage.integrations.github.credentials import entry_of
from understage.integrations.github.graphql import GithubGraphql
from understage.integrations.github.members import (
    GithubTeam,
    GithubUser,
    MemberPages,
    find_team,
    find_user,
    list_members,
    list_teams,
)
from understage.model.entity import Entity
from understage.model.members import member_at
from understage.sdk.provider import EntityProvider, ProvidedEntity, ProviderConnection, ProviderSetup
from understage.sdk.schedule import Scheduler

log = structlog.get_logger(__name__)


def create_providers(setup: ProviderSetup) -> list[EntityProvider]:
    """Two for each entry of `catalog.providers.githubOrg`: the provider, and one that ends what older versions gave.

    Raises InputError for a host that no integration knows, and for an entry that no organization follows from.
    """
    entries = integrations_of(setup.config).github
    definitions = read_providers(setup.config).github_org
    # One organization alone has no need of a namespace.
    is_alone = len(definitions) == 1 and len(definitions[0].orgs) == 1
    providers: list[EntityProvider] = []
    for definition in definitions:
        entry = entry_of(entries, urlsplit(definition.github_url).netloc)
        if not definition.orgs and not entry.apps:
            raise InputError(
                f"catalog.providers.githubOrg: {definition.id} must name its orgs, because no app under integrations.github "
                f"says where it is installed on {entry.host}"
            )
        providers.append(GithubOrgCleaner(definition.id))
        github = GithubGraphql(setup.http, entry)
        providers.append(
            GithubMultiOrgEntityProvider(definition, github, setup.scheduler, with_namespaces=not is_alone)
        )
    return providers


class GithubOrgCleaner:
    """Takes away what the provider of this name gave before there was one for several organizations."""

    def __init__(self, id: str) -> None:
        self.name = f"GithubOrgEntityProvider:{id}"

    async def connect(self, connection: ProviderConnection) -> None:
        """Give nothing."""
        await connection.replace_all([])


class GithubMultiOrgEntityProvider(ScheduledProvider):
    """One entry of `catalog.providers.githubOrg`. Implements `EntityProvider` and `EventSubscriber`."""

    topics = ("github.installation", "github.membership", "github.organization", "github.team")

    def __init__(
        self, settings: GithubOrgProvider, github: GithubGraphql, scheduler: Scheduler, *, with_namespaces: bool
    ) -> None:
        super().__init__(f"GithubMultiOrgEntityProvider:{settings.id}", schedule_of(settings.schedule), scheduler)
        self._key = f"github-multi-org-provider:{settings.id}"
        self._settings = settings
        self._github = github
        self._with_namespaces = with_namespaces
        sizes = settings.page_sizes
        self._pages = MemberPages(sizes.teams, sizes.team_members, sizes.organization_members)

    async def refresh(self) -> None:
        """Read all members and teams and make them all that there is. A failure leaves what was there."""
        users: dict[str, GithubUser] = {}
        teams: dict[str, list[GithubTeam]] = {}
        for org in await self._orgs():
            for user in await self._members(org):
                users.setdefault(user.login.lower(), user)
            teams[org] = await list_teams(self._github, org, self._pages)
        entities = [*self._users(users.values(), teams), *self._groups(teams)]
        await self._connected().replace_all(self._provided(entities))
        log.info("organizations were read", provider=self.name, users=len(users), entities=len(entities))

    async def on_event(self, topic: str, payload: Mapping[str, Any], metadata: Mapping[str, str]) -> None:
        """Act on new installations, and on members and teams that come, change and go."""
        org = member_at(payload, "organization", "login") or member_at(payload, "installation", "account", "login")
        orgs = await self._orgs()
        if not isinstance(org, str) or org.lower() not in {known.lower() for known in orgs}:
            return
        action = payload.get("action")
        if topic == "github.installation" and action == "created":
            await self._on_installation(org, orgs)
        elif topic == "github.organization" and action in ("member_added", "member_removed"):
            await self._on_member(org, orgs, require_text(payload, "membership", "user", "login"))
        elif topic == "github.team" and action in ("created", "deleted", "edited"):
            await self._on_team(org, orgs, payload, is_gone=action == "deleted")
        elif topic == "github.membership" and member_at(payload, "team", "slug"):
            slug, login = require_text(payload, "team", "slug"), require_text(payload, "member", "login")
            team = await find_team(self._github, org, slug, self._pages)
            await self._change({org: [team]} if team else {}, [])
            await self._on_member(org, orgs, login)

    async def _on_installation(self, org: str, orgs: Sequence[str]) -> None:
        users = await self._members(org)
        teams = {org: await list_teams(self._github, org, self._pages)}
        logins = [user.login for user in users]
        everywhere = {**await self._teams_of(logins, [other for other in orgs if other != org]), **teams}
        await self._change(teams, self._users(users, everywhere))

    async def _on_member(self, org: str, orgs: Sequence[str], login: str) -> None:
        """Give a user anew, or take it away when it is in none of our organizations any more."""
        user = await find_user(self._github, org, login)
        known = {name.lower() for name in (user.organizations if user else ())}
        own = [name for name in orgs if name.lower() in known]
        if user is None or not own:
            await self._connected().apply_delta([], [user_ref(login)])
            return
        await self._change({}, self._users([user], await self._teams_of([user.login], own)))

    async def _on_team(self, org: str, orgs: Sequence[str], payload: Mapping[str, Any], *, is_gone: bool) -> None:
        slug = require_text(payload, "team", "slug")
        namespace = self._namespace(org)
        team = None if is_gone else await find_team(self._github, org, slug, self._pages)
        if team is None:
            await self._connected().apply_delta([], [group_ref(namespace, slug)])
            return
        old_name = member_at(payload, "changes", "name", "from")
        old = _slug(old_name) if isinstance(old_name, str) else slug
        removed = [group_ref(namespace, old)] if old != slug else []
        users: list[Entity] = []
        if removed and team.members:
            members = {login.lower() for login in team.members}
            changed = [user for user in await self._members(org) if user.login.lower() in members]
            users = self._users(changed, await self._teams_of([user.login for user in changed], orgs))
        await self._change({org: [team]}, users, removed)

    async def _change(
        self, teams: Mapping[str, Sequence[GithubTeam]], users: Sequence[Entity], removed: Sequence[str] = ()
    ) -> None:
        entities = [*users, *self._groups(teams)]
        if entities or removed:
            await self._connected().apply_delta(self._provided(entities), removed)

    async def _teams_of(self, logins: Sequence[str], orgs: Sequence[str]) -> dict[str, list[GithubTeam]]:
        return {org: await list_teams(self._github, org, self._pages, of_users=logins) for org in orgs}

    async def _members(self, org: str) -> list[GithubUser]:
        without = self._settings.exclude_suspended_users
        return await list_members(self._github, org, self._pages, without_suspended=without)

    async def _orgs(self) -> list[str]:
        """The configured organizations, or those that have installed an app."""
        if self._settings.orgs:
            return list(self._settings.orgs)
        installations = await self._github.credentials.list_installations()
        return [found.owner for found in installations if found.owner_type == "Organization" and not found.is_suspended]

    def _users(self, users: Iterable[GithubUser], teams: Mapping[str, Sequence[GithubTeam]]) -> list[Entity]:
        groups = memberships((self._namespace(org), found) for org, found in teams.items())
        verified = self._settings.default_user_transformer.use_verified_emails
        return [
            user_entity(user, self._github.host, member_of=groups.get(user.login.lower(), ()), verified_email=verified)
            for user in users
        ]

    def _groups(self, teams: Mapping[str, Sequence[GithubTeam]]) -> list[Entity]:
        return [
            entity
            for org, found in teams.items()
            for entity in group_entities(org, found, self._github.host, self._namespace(org))
        ]

    def _namespace(self, org: str) -> str | None:
        return org.lower() if self._with_namespaces else None

    def _provided(self, entities: Sequence[Entity]) -> list[ProvidedEntity]:
        return [ProvidedEntity(entity, self._key) for entity in entities]


def _slug(name: str) -> str:
    """What GitHub makes of a team's name."""
    return re.sub(r"[^\w.-]+", "-", name.strip().lower()).strip("-")
