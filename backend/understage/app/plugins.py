"""Asking the plugins of the installation.

On behalf of the catalog (implements `sdk.plugins.Plugins`), of a task (implements `sdk.ports.Backstage`),
and of the scaffolder itself for notifications.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from understage.app.http import ServiceFetch
from understage.app.identity import Identity
from understage.errors import ForeignError, InputError
from understage.identity.credentials import Credentials
from understage.sdk.ports import HttpResponse

PLUGIN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


@dataclass(frozen=True)
class CatalogPlugins:
    """Implements `sdk.plugins.Plugins`: by internal discovery, each request with a token for its plugin."""

    identity: Identity
    fetch: ServiceFetch

    async def get(self, plugin_id: str, path: str) -> tuple[int, Any]:
        """See `Plugins`."""
        issuer = self.identity.plugins["catalog"].issuer
        headers = await issuer.headers(plugin_id, issuer.own_credentials)
        answer = await self.fetch(f"{self.identity.discovery.internal(plugin_id)}{path}", headers=headers)
        return answer.status, answer.body


@dataclass(frozen=True)
class TaskPlugins:
    """By internal discovery, each request with a token for its plugin on behalf of `credentials`, or as `plugin_id`."""

    identity: Identity
    fetch: ServiceFetch
    credentials: Credentials
    plugin_id: str = "scaffolder"

    async def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        timeout: float = 60.0,
        as_service: bool = False,
    ) -> HttpResponse:
        """See `Backstage`."""
        plugin_id, _, rest = path.lstrip("/").partition("/")
        where = unquote(unquote(rest.partition("?")[0])).replace("\\", "/")
        if not PLUGIN_ID.fullmatch(plugin_id) or any(part in (".", "..") for part in where.split("/")):
            raise InputError(
                f"path {path.partition('?')[0][:200]!r} must begin with the id of a plugin, and must not climb"
            )
        own = {name: value for name, value in (headers or {}).items() if name.lower() != "authorization"}
        issuer = self.identity.plugins[self.plugin_id].issuer
        own |= await issuer.headers(plugin_id, issuer.own_credentials if as_service else self.credentials)
        url = self.identity.discovery.internal(plugin_id) + (f"/{rest}" if rest else "")
        return await self.fetch.exchange(method, url, headers=own, content=content, timeout=timeout)


@dataclass(frozen=True)
class ScaffolderNotifications:
    """Implements `sdk.Notifications`: the notifications plugin, asked by the plugin's own credentials.

    As the stock notification service: `POST /api/notifications`.
    """

    identity: Identity
    fetch: ServiceFetch
    plugin_id: str = "scaffolder"

    async def send(self, recipients: dict[str, Any], payload: dict[str, Any]) -> None:
        """See `Notifications`."""
        issuer = self.identity.plugins[self.plugin_id].issuer
        headers = await issuer.headers("notifications", issuer.own_credentials)
        url = self.identity.discovery.internal("notifications")
        answer = await self.fetch(
            url, method="POST", headers=headers, json={"recipients": recipients, "payload": payload}
        )
        if answer.status >= 300:
            raise ForeignError(
                f"Failed to send notifications: {url} answered {answer.status}. Check that the notifications plugin is "
                "installed, and that discovery.endpoints names where it is"
            )
