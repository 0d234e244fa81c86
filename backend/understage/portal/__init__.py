"""Standalone mode: the stock frontend as static pages, guest sign-in, and the few foreign endpoints those pages need.

`app` composes them for the service (`create_portal`), `build` makes the pages from npm packages (`build_portal`).
"""

from understage.portal.app import PortalRoutes, create_portal
from understage.portal.build import build_portal
from understage.portal.bundle import find_built_portal
from understage.portal.toolchain import PortalBuildError

__all__ = ["PortalBuildError", "PortalRoutes", "build_portal", "create_portal", "find_built_portal"]
