"""The other plugins of the installation, as work of the catalog asks them."""

from typing import Any, Protocol

from understage.errors import ForeignError


class Plugins(Protocol):
    """Asks plugins, wherever discovery places them, signed in as the catalog itself."""

    async def get(self, plugin_id: str, path: str) -> tuple[int, Any]:
        """Status and JSON body (None where it is no JSON) of `GET <plugin><path>`.

        Raises ForeignError when nobody answers.
        """


class NoPlugins:
    """Where there are none to ask."""

    async def get(self, plugin_id: str, path: str) -> tuple[int, Any]:
        """Raises ForeignError."""
        raise ForeignError(f"the plugin {plugin_id} cannot be asked from here")
