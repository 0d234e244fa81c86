"""The filters that Backstage adds to the language: parseRepoUrl, parseEntityRef, pick, projectSlug.

Called by the scaffolder, which knows the configured forges: `backstage_filters(find_host)` gives the mapping for `Environment`.
Rules from Backstage scaffolder-backend 4.2.0 and scaffolder-node 0.13.7.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from understage.errors import InputError
from understage.templating.members import own_member
from understage.templating.values import MISSING, UNDEFINED, Value, admit, to_string

FindHost = Callable[[str], str | None]
"""host (with port, if any) -> type of its integration: github, gitlab, bitbucketCloud, azure …; None when none is configured."""

_PARAMETERS = ("owner", "repo", "organization", "workspace", "project")
_REQUIRED = {
    "bitbucketCloud": ("workspace", "project", "repo"),
    "bitbucketServer": ("project", "repo"),
    "azure": ("project", "repo"),
    "gitea": ("repo",),
    "gerrit": ("repo",),
}
_PATH_KEY = re.compile(r"[^.\[\]]+|\[(?:(-?\d+)|([\"'])(.*?)\2)\]")


def backstage_filters(find_host: FindHost) -> Mapping[str, Callable[..., Any]]:
    """The four filters by name."""
    return {
        "parseRepoUrl": lambda url: parse_repo_url(url, find_host),
        "parseEntityRef": parse_entity_ref,
        "pick": pick,
        "projectSlug": lambda url: project_slug(url, find_host),
    }


def parse_repo_url(url: Any, find_host: FindHost) -> dict[str, str]:
    """{host, owner?, repo, organization?, workspace?, project?} of a repository picker's value, as `host?owner=o&repo=r`.

    Raises InputError for a host without integration or a missing parameter.
    """
    try:
        parts = urlsplit(f"https://{url}")
        host = parts.netloc.rpartition("@")[2].lower()
    except ValueError:
        host = ""
    if not isinstance(url, str) or not host:
        raise InputError(f"Invalid repo URL passed to publisher, got {url}")
    query = parse_qs(parts.query, keep_blank_values=True)
    found: dict[str, str] = {name: query[name][0].strip("/") for name in _PARAMETERS if name in query}
    integration = find_host(host)
    if integration is None:
        raise InputError(
            f"No matching integration configuration for host {host}, please check your integrations config"
        )
    if integration == "gitlab":
        required: tuple[str, ...] = ("repo",) if found.get("project") else ("owner", "repo")
    else:
        required = _REQUIRED.get(integration, ("repo", "owner"))
    for name in required:
        if not found.get(name):
            raise InputError(f"Invalid repo URL passed to publisher: {url}, missing {name}")
    return {"host": host, **{name: value for name, value in found.items() if value}}


def parse_entity_ref(ref: Any, defaults: Any = UNDEFINED) -> dict[str, str]:
    """{kind, namespace, name} of `[kind:][namespace/]name`; `defaults` may hold defaultKind and defaultNamespace.

    Raises InputError when it is no reference, or has no kind and none is given.
    """
    given = defaults if isinstance(defaults, dict) else {}
    kind, namespace = given.get("defaultKind"), given.get("defaultNamespace") or "default"
    if isinstance(ref, dict):
        parts = (ref.get("kind"), ref.get("namespace"), ref.get("name"))
    else:
        match = re.fullmatch(r"(?:([^:/]+):)?(?:([^:/]+)/)?([^:/]+)", ref) if isinstance(ref, str) else None
        if match is None:
            raise InputError(f'Entity reference "{ref}" was not on the form [<kind>:][<namespace>/]<name>')
        parts = (match[1], match[2], match[3])
    if not (parts[0] or kind):
        raise InputError(
            f'Entity reference "{ref}" had missing or empty kind (e.g. did not start with "component:" or similar)'
        )
    if not parts[2]:
        raise InputError(f'Entity reference "{ref}" had missing or empty name')
    return {"kind": parts[0] or kind, "namespace": parts[1] or namespace, "name": parts[2]}


def pick(value: Value, path: Value = UNDEFINED) -> Value:
    """What stands at `path` (`a.b[0]`, or a list of keys) in `value`; UNDEFINED when nothing does."""
    keys = [to_string(key) for key in path] if isinstance(path, list) else _keys(value, to_string(path))
    for key in keys:
        value = own_member(value, key)
        if value is MISSING:
            return UNDEFINED
    return admit(value)


def project_slug(url: Any, find_host: FindHost) -> str:
    """`owner/repo` of a repository picker's value."""
    parsed = parse_repo_url(url, find_host)
    return f"{parsed.get('owner', 'undefined')}/{parsed['repo']}"


def _keys(value: Value, path: str) -> list[str]:
    if isinstance(value, dict) and path in value:
        return [path]
    return [match[1] or match[3] or match[0] for match in _PATH_KEY.finditer(path)]
