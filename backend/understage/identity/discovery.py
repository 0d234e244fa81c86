"""Where the plugins of the installation are, for other backends (`internal`) and for browsers (`external`).

Rules of Backstage's HostDiscovery: `discovery.endpoints` first (later entries win, a plugin's own entry beats `*`), else
this backend's own address.
"""

import re
from urllib.parse import quote

from understage.config.settings import Settings
from understage.errors import InputError

_PLUGIN_ID = re.compile(r"\{\{\s*pluginId\s*\}\}")


class Discovery:
    """Base URLs of plugins, without a slash at the end."""

    def __init__(self, settings: Settings) -> None:
        backend = settings.backend
        self._own_internal = _internal_address(backend.listen.host, backend.listen.port, secure=bool(backend.https))
        self._own_external = backend.base_url.rstrip("/") + "/api/{{pluginId}}"
        self._internal: dict[str, str] = {}
        self._external: dict[str, str] = {}
        for endpoint in settings.discovery.endpoints:
            target = endpoint.target
            if target.internal and "+srv://" in target.internal:
                raise InputError(f"discovery.endpoints: SRV addresses are not supported: {target.internal}")
            for plugin in endpoint.plugins:
                if target.internal:
                    self._internal[plugin] = target.internal
                if target.external:
                    self._external[plugin] = target.external

    def internal(self, plugin_id: str) -> str:
        """The address at which backends reach a plugin, such as `http://localhost:7007/api/auth`."""
        return _resolve(self._internal, self._own_internal, plugin_id)

    def own(self, plugin_id: str) -> str:
        """The address of a plugin of this very process, whatever `discovery.endpoints` say."""
        return _resolve({}, self._own_internal, plugin_id)

    def is_elsewhere(self, plugin_id: str) -> bool:
        """Whether `discovery.endpoints` place a plugin out of this process."""
        return self.internal(plugin_id) != self.own(plugin_id)

    def external(self, plugin_id: str) -> str:
        """The address at which browsers reach a plugin."""
        return _resolve(self._external, self._own_external, plugin_id)


def _resolve(endpoints: dict[str, str], own: str, plugin_id: str) -> str:
    pattern = endpoints.get(plugin_id) or endpoints.get("*") or own
    return _PLUGIN_ID.sub(lambda _: quote(plugin_id, safe=""), pattern).rstrip("/")


def _internal_address(host: str, port: int, *, secure: bool) -> str:
    reachable = {"": "localhost", "::": "localhost", "0.0.0.0": "127.0.0.1"}.get(host, host)
    name = f"[{reachable}]" if ":" in reachable else reachable
    return f"{'https' if secure else 'http'}://{name}:{port}/api/{{{{pluginId}}}}"
