"""The security headers of the portal's pages. Pure; used by `static`."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from understage.portal.page_config import called_origins

# 'unsafe-eval': the form library compiles JSON schemas; without it a template form does not open (plugin-scaffolder 1.39.0).
# Inline styles are how Material UI and the code editor work. Pictures and fonts come from anywhere over TLS.
_POLICY: Final[Mapping[str, Sequence[str]]] = {
    "default-src": ["'self'"],
    "base-uri": ["'self'"],
    "connect-src": ["'self'"],
    "font-src": ["'self'", "https:", "data:"],
    "frame-ancestors": ["'self'"],
    "img-src": ["'self'", "data:", "https:"],
    "object-src": ["'none'"],
    "script-src": ["'self'", "'unsafe-eval'"],
    "script-src-attr": ["'none'"],
    "style-src": ["'self'", "https:", "'unsafe-inline'"],
    "worker-src": ["'self'", "blob:"],
}


_TOKEN: Final = re.compile(r"[!-+\--:<-~]+")  # visible, without ";" and ",", which would end a directive or a policy


def security_headers(config: Mapping[str, Any], page: Mapping[str, Any]) -> dict[str, str]:
    """The headers of every answer of the portal.

    `config` is the merged app-config, whose `backend.csp` replaces directives (a list) or removes them (false) as it does
    in the stock backend; `page` is the page's configuration: what it calls, it may connect to.
    """
    policy: dict[str, list[str]] = {name: list(sources) for name, sources in _POLICY.items()}
    policy["connect-src"] += called_origins(page)
    for name, sources in _overrides(config).items():
        if sources is False:
            policy.pop(name, None)
        elif isinstance(sources, list) and _TOKEN.fullmatch(name):
            policy[name] = [source for source in map(str, sources) if _TOKEN.fullmatch(source)]
    return {
        "Content-Security-Policy": "; ".join(" ".join((name, *sources)) for name, sources in policy.items()),
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "SAMEORIGIN",
    }


def _overrides(config: Mapping[str, Any]) -> Mapping[str, Any]:
    backend = config.get("backend")
    overrides = backend.get("csp") if isinstance(backend, Mapping) else None
    return overrides if isinstance(overrides, Mapping) else {}
