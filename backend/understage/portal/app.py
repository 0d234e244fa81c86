"""Composes the portal for the service: called once by the composition root in standalone mode."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp

from understage.platform.plugin import Authenticate, create_plugin
from understage.portal.bundle import find_built_portal
from understage.portal.guest import Guest, OwnershipOf, SignIn, UserTokenIssuer, create_auth_router
from understage.portal.page_config import backend_url, base_path, make_page_config
from understage.portal.permission import Authorize, create_permission_router
from understage.portal.security import security_headers
from understage.portal.static import PortalPages, PortalSite


@dataclass(frozen=True)
class PortalRoutes:
    """What standalone mode adds to the service."""

    auth: APIRouter
    """For `/api/auth`; needs no credentials."""
    permission: APIRouter
    """For `/api/permission`; takes the caller's `Credentials` from `request.state.credentials`."""
    pages: ASGIApp
    """For everything else below `base_path`."""
    base_path: str
    """"" or the path of `app.baseUrl`, without a slash at the end."""

    def mount(self, app: Starlette, *, authenticate: Authenticate) -> None:
        """Add all of it to `app`, which must have its own routes already: the pages answer whatever is left.

        `authenticate` makes the `Credentials` of a question about permissions, or raises.
        """
        app.mount("/api/auth", create_plugin("auth", [self.auth], authenticate=_ask_nothing))
        app.mount("/api/permission", create_plugin("permission", [self.permission], authenticate=authenticate))
        if self.base_path:
            app.add_route("/", lambda _: RedirectResponse(self.base_path), include_in_schema=False)
        app.mount(self.base_path, self.pages)


async def _ask_nothing(_request: Request) -> None:
    """Whoever signs in has no credentials yet."""


def create_portal(
    config: Mapping[str, Any],
    *,
    issuer: UserTokenIssuer,
    ownership_of: OwnershipOf,
    authorize: Authorize | None = None,
    development: bool,
) -> PortalRoutes:
    """Make the portal out of the merged app-config.

    `development` means what NODE_ENV=development means to the stock guest provider: guests come in without
    `dangerouslyAllowOutsideDevelopment`, and without any `auth.providers` at all. It is for a service bound to loopback.
    A page that has not been built yet is no error: `pages` says so until `build_portal` has made it, by any process.
    """
    page = make_page_config(config)
    path = base_path(config)
    headers = security_headers(config, page)

    def open_site() -> PortalSite | None:
        bundle = find_built_portal()
        return PortalSite(bundle, page, base_path=path, headers=headers) if bundle else None

    guest = Guest.from_config(config, development=development)
    auth_url = f"{backend_url(config)}/api/auth"
    return PortalRoutes(
        auth=create_auth_router(SignIn(guest, issuer, ownership_of), auth_url=auth_url),
        permission=create_permission_router(config, authorize),
        pages=PortalPages(open_site),
        base_path=path,
    )
