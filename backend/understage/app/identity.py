"""Wires identity: who may call which plugin of ours, and how ours call others."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, Response

from understage.config.settings import Settings
from understage.identity.authenticator import Authenticator
from understage.identity.authorizer import PermissionAuthorizer
from understage.identity.credentials import Credentials
from understage.identity.discovery import Discovery
from understage.identity.external import ExternalTokens
from understage.identity.issuing import PluginTokenIssuer, UserTokenIssuer
from understage.identity.jwks import JwksClient, KeyResolver, LocalKeys, PluginKeys
from understage.identity.key_store import DatabaseKeyStore
from understage.identity.keys import KeyFile, RotatingKeys, SigningKeys, StaticKeys
from understage.identity.outgoing import Fetch
from understage.platform.database import Database
from understage.platform.openapi import OBJECT, array_of, describe, object_of
from understage.platform.plugin import json_response

PLUGINS = ("catalog", "scaffolder", "understage", "argocd")
STANDALONE_PLUGINS = (*PLUGINS, "permission")
JWKS_PATH = "/.backstage/auth/v1/jwks.json"


@dataclass(frozen=True)
class PluginIdentity:
    """Identity of one of our plugins."""

    authenticator: Authenticator
    issuer: PluginTokenIssuer
    authorizer: PermissionAuthorizer
    keys: SigningKeys

    async def authenticate(self, request: Request) -> Credentials:
        """Credentials of a request; the barrier of the plugin's edge."""
        return await self.authenticator.authenticate(request.headers.get("authorization"))

    def create_router(self) -> APIRouter:
        """`GET /.backstage/auth/v1/jwks.json`, which needs no credentials."""
        router = APIRouter()

        @router.get(
            JWKS_PATH,
            openapi_extra=describe("Public keys of the plugin", answers={200: object_of({"keys": array_of(OBJECT)})}),
        )
        async def get_jwks(_request: Request) -> Response:
            return json_response(await self.keys.public_jwks())

        return router


@dataclass(frozen=True)
class Identity:
    """All of it. `users` issues guests' tokens in standalone mode, None where another backend signs people in."""

    discovery: Discovery
    plugins: dict[str, PluginIdentity]
    users: UserTokenIssuer | None


def create_identity(
    settings: Settings,
    database: Database,
    fetch: Fetch,
    *,
    root: Path,
    data_directory: Path,
    signs_in_users: bool,
    token_elsewhere: str | None = None,
) -> Identity:
    """Wire it from the settings. `token_elsewhere` is for the plugins that discovery places elsewhere."""
    discovery = Discovery(settings)
    auth = settings.backend.auth
    users = _create_user_issuer(settings, discovery, data_directory) if signs_in_users else None
    ours = STANDALONE_PLUGINS if signs_in_users else PLUGINS
    keys = {plugin: _create_keys(settings, database, plugin, root) for plugin in ours}
    # A plugin of this name that discovery places elsewhere signs with keys of its own.
    here = [plugin for plugin in ours if not discovery.is_elsewhere(plugin)]
    local = {plugin: LocalKeys(keys[plugin].public_jwks) for plugin in here}
    plugin_keys = PluginKeys(discovery, fetch, local)
    user_keys = _create_user_keys(users, discovery, fetch)
    off = auth.dangerously_disable_default_auth_policy

    def given(plugin: str) -> str | None:
        return token_elsewhere if discovery.is_elsewhere(plugin) else None

    plugins = {}
    for plugin in ours:
        issuer = PluginTokenIssuer(plugin, keys[plugin], auth_policy_disabled=off, given=given)
        plugins[plugin] = PluginIdentity(
            authenticator=Authenticator(
                plugin,
                user_keys=user_keys,
                plugin_keys=plugin_keys,
                external=ExternalTokens(plugin, auth, fetch),
                auth_policy_disabled=off,
            ),
            issuer=issuer,
            authorizer=PermissionAuthorizer(
                enabled=settings.permission.enabled, issuer=issuer, discovery=discovery, fetch=fetch
            ),
            keys=keys[plugin],
        )
    return Identity(discovery, plugins, users)


def _create_user_issuer(settings: Settings, discovery: Discovery, data_directory: Path) -> UserTokenIssuer:
    return UserTokenIssuer(
        KeyFile(data_directory / "user-keys.json"),
        issuer_url=discovery.external("auth"),
        lifetime=int(settings.auth.token_lifetime.total_seconds()),
        omit_ownership=settings.auth.omit_identity_token_ownership_claim,
    )


def _create_user_keys(users: UserTokenIssuer | None, discovery: Discovery, fetch: Fetch) -> KeyResolver:
    if users is None:
        return JwksClient(f"{discovery.internal('auth')}/.well-known/jwks.json", fetch)

    async def own_jwks() -> dict[str, Any]:
        return dict(users.public_jwks())

    return LocalKeys(own_jwks)


def _create_keys(settings: Settings, database: Database, plugin: str, root: Path) -> SigningKeys:
    store = settings.backend.auth.plugin_key_store
    if store.type == "static":
        return StaticKeys.from_settings(store, root)
    return RotatingKeys(DatabaseKeyStore(database, plugin))
