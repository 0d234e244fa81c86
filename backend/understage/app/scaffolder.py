"""Wires the scaffolder: ports that act for a task's creator, defaults of actions, the key of secrets."""

import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import APIRouter

from understage.app.http import ServiceFetch
from understage.app.identity import Identity
from understage.app.integrations import Integrations
from understage.app.plugins import ScaffolderNotifications, TaskPlugins
from understage.config.settings import Settings
from understage.errors import InputError
from understage.identity.actions import ActionsRegistry
from understage.identity.audit import Auditor
from understage.identity.credentials import Credentials
from understage.identity.remote_actions import RemoteActions
from understage.integrations.catalog import HttpCatalog
from understage.integrations.suggestions import create_suggestions
from understage.integrations.templating import FileTemplating
from understage.model.entity import Entity
from understage.platform.actions_router import create_actions_router
from understage.platform.database import Database
from understage.scaffolder.actions import ActionRegistry
from understage.scaffolder.api.actions import create_scaffolder_actions
from understage.scaffolder.api.routers import create_scaffolder_routers
from understage.scaffolder.assembly import Assembly, assemble
from understage.scaffolder.filters import backstage_filters
from understage.scaffolder.object_snapshots import open_snapshots
from understage.scaffolder.service import ScaffolderService
from understage.scaffolder.tasks.database_engine import DatabaseEngine
from understage.scaffolder.tasks.engine import EngineFactory, EngineTimes
from understage.scaffolder.workspace import SnapshotStore
from understage.sdk import Ports, parse_repo_url
from understage.templating import Environment

KEY_FILE = "encryption-key"
ACTION_SECONDS = 300.0
SCAFFOLDER = "scaffolder"


class ScaffolderCatalog:
    """The catalog as a plugin that runs actions asks it, with the credentials of whoever it works for."""

    def __init__(self, identity: Identity, fetch: ServiceFetch, plugin_id: str = SCAFFOLDER) -> None:
        self._issuer = identity.plugins[plugin_id].issuer
        self._url = identity.discovery.internal("catalog")
        self._fetch = fetch

    async def token(self, credentials: Credentials) -> str | None:
        """A token for calling the catalog; None for nobody."""
        return await self._issuer.issue("catalog", credentials) or None

    def port(self, credentials: Credentials) -> HttpCatalog:
        """The port of actions."""

        async def token_of() -> str | None:
            return await self.token(credentials)

        return HttpCatalog(self._fetch, self._url, token_of)

    async def get_entities(self, refs: Sequence[str], credentials: Credentials) -> Sequence[Entity | None]:
        """Entities, in the order of their references."""
        return await self.port(credentials).get_entities(refs)


def create_scaffolder(
    settings: Settings,
    database: Database,
    identity: Identity,
    integrations: Integrations,
    fetch: ServiceFetch,
    *,
    root: Path,
    data_directory: Path,
) -> tuple[ScaffolderService, Assembly, list[APIRouter]]:
    """The service that runs tasks, what it interprets them by, and all routes below `/api/scaffolder`."""
    plugin = identity.plugins["scaffolder"]
    auditor = Auditor("scaffolder", settings.backend.auditor.severity_log_level_mappings)
    assembly = assemble_interpreter(settings, identity, integrations, fetch, root, data_directory)
    service = ScaffolderService(
        database,
        settings.scaffolder,
        key=read_key(settings, data_directory),
        data_directory=data_directory,
        run_steps=assembly.interpreter.run,
        task_factory=assembly.factory,
        auditor=auditor,
        snapshots=_snapshots(settings, data_directory),
        engine=_engine(settings),
        times=_engine_times(settings),
    )
    offered = ActionsRegistry("scaffolder", settings.backend.actions, plugin.authorizer)
    offered.register(*create_scaffolder_actions(service, assembly, plugin.authorizer, auditor))
    routers = create_scaffolder_routers(service, assembly, plugin.authorizer, auditor)
    return service, assembly, [*routers, create_actions_router(offered)]


def assemble_interpreter(
    settings: Settings,
    identity: Identity,
    integrations: Integrations,
    fetch: ServiceFetch,
    root: Path,
    data_directory: Path,
    plugin_id: str = SCAFFOLDER,
) -> Assembly:
    """What runs actions as a plugin: with its tokens the permission backend, the catalog and others are asked.

    Those who check them find its keys where discovery places it: the scaffolder's are another's where that stays in place.
    """
    catalog = ScaffolderCatalog(identity, fetch, plugin_id)
    notifications = ScaffolderNotifications(identity, fetch, plugin_id)

    def host_type(host: str) -> str | None:
        if integrations.local is not None and host == integrations.local.repositories.host:
            return "local"
        return settings.integrations.type_of(host)

    templating = FileTemplating(Environment(filters=backstage_filters(host_type)))

    def ports(credentials: Credentials) -> Ports:
        return Ports(
            catalog=catalog.port(credentials),
            reader=integrations.reader,
            git=integrations.git,
            forges=integrations.forges,
            apis=integrations.apis,
            notifications=notifications,
            clusters=integrations.clusters,
            helm=integrations.helm,
            guardrails=integrations.guardrails,
            adoption=integrations.adoption,
            argocd=integrations.argocd,
            templating=templating,
            http=integrations.http,
            backstage=TaskPlugins(identity, fetch, credentials, plugin_id),
        )

    return assemble(
        ActionRegistry.when_asked(),
        settings.scaffolder,
        catalog=catalog,
        authorizer=identity.plugins[plugin_id].authorizer,
        ports=ports,
        host_type=host_type,
        catalog_token=catalog.token,
        data_directory=data_directory,
        remote=_remote_actions(settings, identity, fetch) if plugin_id == SCAFFOLDER else None,
        autocomplete=create_suggestions(integrations.apis),
        defaults=_action_defaults(settings, root),
        log_level=os.environ.get("LOG_LEVEL", "info"),
    )


def _remote_actions(settings: Settings, identity: Identity, fetch: ServiceFetch) -> RemoteActions:
    """What other plugins offer. An action may take its time, as long as Node waits for the first byte of an answer."""
    return RemoteActions(
        settings.backend.actions,
        issuer=identity.plugins["scaffolder"].issuer,
        discovery=identity.discovery,
        fetch=partial(fetch, timeout=ACTION_SECONDS),
    )


def _snapshots(settings: Settings, data_directory: Path) -> SnapshotStore:
    configured = settings.understage.tasks.workspaces
    return open_snapshots(configured.url, configured.options, folder=data_directory / "scaffolder" / "snapshots")


def _engine(settings: Settings) -> EngineFactory:
    """The engine that the configuration names; Temporal's client is an extra, and loaded only where it is wanted."""
    if settings.understage.tasks.engine == "database":
        return DatabaseEngine
    try:
        from understage.scaffolder.tasks.temporal_engine import TemporalEngine
    except ModuleNotFoundError as error:
        raise InputError(
            "understage.tasks.engine is 'temporal', whose client is missing: pip install 'understage[temporal]'"
        ) from error
    return partial(TemporalEngine, temporal=settings.understage.tasks.temporal)


def _engine_times(settings: Settings) -> EngineTimes:
    configured = settings.understage.tasks
    given = {"lease": configured.lease, "heartbeat": configured.heartbeat}
    return EngineTimes(**{name: value.total_seconds() for name, value in given.items() if value is not None})


def _action_defaults(settings: Settings, root: Path) -> dict[str, Any]:
    """What the configuration says to every action, by the keys of `ActionContext.defaults`."""
    scaffolder, own = settings.scaffolder, settings.understage
    author = {"name": scaffolder.default_author.name, "email": scaffolder.default_author.email}
    found = {
        "defaultAuthor": {name: value for name, value in author.items() if value is not None} or None,
        "defaultCommitMessage": scaffolder.default_commit_message,
        "userCredentialsHosts": _hosts_of_users(settings) if scaffolder.require_scm_user_credentials else None,
        "templateRoots": [str((root / folder).resolve()) for folder in own.template_roots],
        "chartsDirectory": None if own.helm.charts is None else str((root / own.helm.charts).resolve()),
        "gitopsRepository": _gitops_repository(own.gitops.repo_url),
        "argocdNamespace": own.argocd.namespace,
        "argocdDestinationServers": own.argocd.destination_servers,
        "vault": own.vault.model_dump(by_alias=True) if own.vault.server else None,
        "grafanaUrl": settings.grafana.domain,
        "costs": own.costs.model_dump(mode="json", by_alias=True, exclude={"open_cost"}, exclude_none=True),
    }
    return {name: value for name, value in found.items() if value is not None}


def _hosts_of_users(settings: Settings) -> list[str]:
    """The hosts `scaffolder.requireScmUserCredentials` is about: those of GitHub and GitLab."""
    github = {entry.host.lower() for entry in settings.integrations.github}
    gitlab = {entry.host.lower() for entry in settings.integrations.gitlab}
    return sorted({"github.com", "gitlab.com"} | github | gitlab)


def _gitops_repository(repo_url: str | None) -> dict[str, str | None]:
    """Where files for Argo CD go: the configured repository, else `platform/gitops` on the default forge."""
    if repo_url is None:
        return {"host": None, "owner": "platform", "name": "gitops"}
    parsed = parse_repo_url(repo_url)
    if parsed.owner is None:
        raise InputError(f"understage.gitops.repoUrl {repo_url} lacks an owner: write host?owner=…&repo=…")
    return {"host": parsed.host, "owner": parsed.owner, "name": parsed.repo}


def read_key(settings: Settings, data_directory: Path) -> bytes:
    """What secrets are encrypted under: the configured key, else a file of mode 0600 that is made on first use."""
    configured = settings.understage.encryption_key
    if configured is not None:
        return configured.encode()
    file = data_directory / KEY_FILE
    if not file.exists():
        data_directory.mkdir(parents=True, exist_ok=True)
        draft = file.with_name(f".{KEY_FILE}.{os.getpid()}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as new:
            new.write(secrets.token_bytes(32))
        # Whoever links first wins; nobody ever reads half a key.
        with suppress(FileExistsError):
            os.link(draft, file)
        draft.unlink()
    return file.read_bytes()
