"""The plugin `events` as a Backstage backend has it, as far as forges need it: its HTTP ingress, open to all."""

from starlette.requests import Request
from starlette.types import ASGIApp

from understage.config.settings import Settings
from understage.errors import AuthenticationError
from understage.events.ingress import PATH, create_ingress_router
from understage.platform.event_bus import EventBus
from understage.platform.plugin import IsReady, create_plugin, relative_path


def create_events_plugin(settings: Settings, bus: EventBus, is_ready: IsReady) -> ASGIApp:
    """The application, to be mounted at `/api/events`."""
    return create_plugin("events", [create_ingress_router(settings, bus)], authenticate=_admit, is_ready=is_ready)


async def _admit(request: Request) -> None:
    """Forges bring signatures, no credentials; below the ingress there is nothing that anybody may see."""
    if not relative_path(request.scope).startswith(PATH):
        raise AuthenticationError("Missing credentials")
