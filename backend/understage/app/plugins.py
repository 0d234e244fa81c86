"""Asking the plugins of the installation on behalf of the catalog; implements `sdk.plugins.Plugins`."""

from dataclasses import dataclass
from typing import Any

from understage.app.http import ServiceFetch
from understage.app.identity import Identity


@dataclass(frozen=True)
class CatalogPlugins:
    """By internal discovery, each request with a token for its plugin."""

    identity: Identity
    fetch: ServiceFetch

    async def get(self, plugin_id: str, path: str) -> tuple[int, Any]:
        """See `Plugins`."""
        issuer = self.identity.plugins["catalog"].issuer
        headers = await issuer.headers(plugin_id, issuer.own_credentials)
        answer = await self.fetch(f"{self.identity.discovery.internal(plugin_id)}{path}", headers=headers)
        return answer.status, answer.body
