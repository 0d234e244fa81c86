"""What of the merged app-config the page may see. Pure; called once by `app` when the service starts.

An allow-list: the keys that the schemas of the stock frontend's packages (frontend-app-api 0.16, core-app-api 1.20,
integration 2.1, plugin-catalog-import 0.13, backstage-plugin-argo-cd 2.12 …) declare visible to the frontend, less those that
no page of this bundle reads. Everything else, known or not, stays on the server.
"""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit, urlunsplit

DEFAULT_BACKEND_URL: Final = "http://localhost:7007"

_VALUE: Final = object()  # text, number or flag
_DEEP: Final = object()  # any JSON: declared visible as a whole

_VISIBLE: Final[dict[str, Any]] = {
    "app": {
        "title": _VALUE,
        "packages": _DEEP,
        "extensions": _DEEP,
        "pluginOverrides": _DEEP,
        "routes": {"bindings": _DEEP},
        "support": {
            "url": _VALUE,
            "items": [{"title": _VALUE, "icon": _VALUE, "links": [{"url": _VALUE, "title": _VALUE}]}],
        },
    },
    "organization": {"name": _VALUE},
    "permission": {"enabled": _VALUE},
    "catalog": {
        "import": {"entityFilename": _VALUE, "pullRequestBranchName": _VALUE},
        "experimentalPagination": _DEEP,
    },
    "auth": {
        "environment": _VALUE,
        "autologout": {
            "enabled": _VALUE,
            "idleTimeoutMinutes": _VALUE,
            "promptBeforeIdleSeconds": _VALUE,
            "useWorkerTimers": _VALUE,
            "logoutIfDisconnected": _VALUE,
        },
    },
    "integrations": {
        "azure": [{"host": _VALUE}],
        "bitbucketServer": [{"host": _VALUE, "apiBaseUrl": _VALUE}],
        "gerrit": [
            {
                "host": _VALUE,
                "baseUrl": _VALUE,
                "gitilesBaseUrl": _VALUE,
                "cloneUrl": _VALUE,
                "disableEditUrl": _VALUE,
            }
        ],
        "gitea": [{"host": _VALUE, "baseUrl": _VALUE}],
        "github": [{"host": _VALUE, "apiBaseUrl": _VALUE, "rawBaseUrl": _VALUE}],
        "gitlab": [{"host": _VALUE, "apiBaseUrl": _VALUE, "baseUrl": _VALUE}],
        "harness": [{"host": _VALUE}],
    },
    "argocd": {
        "baseUrl": _VALUE,
        "namespacedApps": _VALUE,
        "revisionsToLoad": _VALUE,
        "appLocatorMethods": [{"type": _VALUE, "instances": [{"name": _VALUE, "url": _VALUE, "frontendUrl": _VALUE}]}],
    },
}

_PLUGIN_ID: Final = re.compile(r"\{\{[^{}]*\}\}")

_OF_APPLICATIONS: Final = {
    "filter": {
        "$any": [
            {"metadata.annotations.argocd/app-selector": {"$exists": True}},
            {"metadata.annotations.argocd/app-name": {"$exists": True}},
        ]
    }
}
_ARGOCD_CARD: Final = "entity-card:argocd/overviewCard"
_ARGOCD_OTHERS: Final = ("entity-card:argocd/historyCard", "entity-content:argocd/ArgoCdPage")
"""Extensions of the plugin for Argo CD. The others stay empty among packages as new as those of this frontend."""

_ROOT_REDIRECT: Final = {"app/routes": {"config": {"redirects": [{"from": "/", "to": "/catalog"}]}}}


def make_page_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration of the page, ready for its `backstage.io/config` tag.

    `config` is the merged app-config. The service serves page and API from one origin, so `app.baseUrl` gets the origin
    of `backend.baseUrl` (and keeps its path): the page then follows whatever host name it is opened under. Without
    `app.title` no page would show, without `app.packages` no plugin would load, and `/` would be a page not found:
    these have defaults. Values of a wrong type are left out; userinfo is cut out of URLs.
    """
    page: dict[str, Any] = _visible_part(config, _VISIBLE) or {}
    app = page.setdefault("app", {})
    app.setdefault("title", "Understage")
    app.setdefault("packages", "all")
    app["baseUrl"] = _origin(backend_url(config)) + base_path(config)
    _bind_root(app)
    _show_argocd(page)
    page["backend"] = {"baseUrl": _without_userinfo(backend_url(config))}
    if endpoints := _external_endpoints(config):
        page["discovery"] = {"endpoints": endpoints}
    if "guest" in (_at(config, "auth", "providers") or {}):
        page.setdefault("auth", {})["providers"] = {"guest": {}}
    return page


def backend_url(config: Mapping[str, Any]) -> str:
    """`backend.baseUrl`, as browsers reach the service; without a slash at the end."""
    url = _at(config, "backend", "baseUrl")
    return url.rstrip("/") if isinstance(url, str) and url else DEFAULT_BACKEND_URL


def base_path(config: Mapping[str, Any]) -> str:
    """The path of `app.baseUrl`, under which the page lives: "" or "/portal"."""
    url = _at(config, "app", "baseUrl")
    return urlsplit(url).path.rstrip("/") if isinstance(url, str) else ""


def called_origins(page: Mapping[str, Any]) -> list[str]:
    """The origins that a page with this configuration calls besides its own, sorted."""
    urls = [page["backend"]["baseUrl"]]
    urls += [endpoint["target"]["external"] for endpoint in page.get("discovery", {}).get("endpoints", [])]
    for kind, entries in page.get("integrations", {}).items():
        urls += [entry["apiBaseUrl"] for entry in entries if "apiBaseUrl" in entry]
        if kind == "github":  # the import page reads and proposes files from the browser
            urls += ["https://api.github.com" for entry in entries if entry.get("host") == "github.com"]
    return sorted({origin for url in urls if (origin := _origin(_PLUGIN_ID.sub("*", url)))})


def _visible_part(value: Any, shape: Any) -> Any:
    """The part of `value` that `shape` allows, None if there is none."""
    if shape is _DEEP:
        return value
    if shape is _VALUE:
        return _without_userinfo(value) if isinstance(value, str) else value if isinstance(value, int | float) else None
    if isinstance(shape, list):
        if not isinstance(value, list):
            return None
        return [part for item in value if (part := _visible_part(item, shape[0])) is not None] or None
    if not isinstance(value, Mapping):
        return None
    parts = {key: _visible_part(value[key], inner) for key, inner in shape.items() if key in value}
    return {key: part for key, part in parts.items() if part is not None} or None


def _external_endpoints(config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """`discovery.endpoints` without the internal targets, which may name hosts that are nobody's business outside."""
    endpoints = _at(config, "discovery", "endpoints")
    visible = []
    for endpoint in endpoints if isinstance(endpoints, list) else []:
        if not isinstance(endpoint, Mapping) or not isinstance(endpoint.get("plugins"), list):
            continue
        target = endpoint.get("target")
        external = target.get("external") if isinstance(target, Mapping) else target
        if isinstance(external, str) and external:
            plugins = [plugin for plugin in endpoint["plugins"] if isinstance(plugin, str)]
            visible.append({"target": {"external": _without_userinfo(external)}, "plugins": plugins})
    return visible


def _bind_root(app: dict[str, Any]) -> None:
    """Send `/` to the catalog, unless the configuration has plans of its own for the root or for redirects."""
    extensions = app.get("extensions")
    extensions = list(extensions) if isinstance(extensions, list) else []
    app["extensions"] = extensions
    for extension in extensions:
        for name, settings in extension.items() if isinstance(extension, Mapping) else ():
            if name == "app/routes" or _at(settings, "config", "path") == "/":
                return
    extensions.insert(0, _ROOT_REDIRECT)


def _show_argocd(page: dict[str, Any]) -> None:
    """Show Argo CD's status on the pages of what it deploys, unless the configuration says how to show it.

    By itself the plugin would ask every component for an annotation, and a proxy where no instance is configured.
    """
    extensions = page["app"]["extensions"]
    named = {name for each in extensions for name in (each if isinstance(each, Mapping) else [str(each)])}
    is_configured = bool(page.get("argocd", {}).get("appLocatorMethods"))
    if _ARGOCD_CARD not in named:
        extensions.append({_ARGOCD_CARD: {"config": _OF_APPLICATIONS} if is_configured else False})
    extensions += [{name: False} for name in _ARGOCD_OTHERS if name not in named]
    for method in page.get("argocd", {}).get("appLocatorMethods", []):
        for instance in method.get("instances", []):
            # People follow its links, so where there is an address for them the other one is nobody's business.
            instance["url"] = instance.get("frontendUrl") or instance.get("url")


def _at(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return parts if parts.scheme in ("http", "https") and parts.netloc else None


def _origin(url: str) -> str:
    """`scheme://host[:port]`, "" for what is not an absolute HTTP URL."""
    parts = _split(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if parts else ""


def _without_userinfo(text: str) -> str:
    parts = _split(text)
    if parts is None or "@" not in parts.netloc:
        return text
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
