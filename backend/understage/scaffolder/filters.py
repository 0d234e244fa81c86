"""The filters that Backstage adds to the template language, for `steps` and for `fetch:template`.

`assembly` puts them together with those of plugins and lists them. Rules of Backstage scaffolder-backend 4.2.0.
"""

from collections.abc import Callable, Mapping
from typing import Any

from understage.errors import InputError
from understage.model.ref import EntityRef
from understage.sdk import parse_repo_url
from understage.templating import Filter
from understage.templating.picking import pick

HostType = Callable[[str], str | None]
"""The type of the forge at a host (`github`, `gitlab`, `azure` …); None where no integration is configured."""

_REQUIRED: Mapping[str, tuple[str, ...]] = {
    "bitbucketCloud": ("workspace", "project", "repo"),
    "bitbucketServer": ("project", "repo"),
    "azure": ("project", "repo"),
    "gitea": ("repo",),
    "gerrit": ("repo",),
}
_PARTS = ("owner", "repo", "organization", "workspace", "project")


def backstage_filters(host_type: HostType) -> dict[str, Filter]:
    """`parseRepoUrl`, `parseEntityRef`, `pick` and `projectSlug`."""

    def parse_url(value: Any, *_: Any) -> dict[str, str]:
        return _parse_repo_url(value, host_type)

    def project_slug(value: Any, *_: Any) -> str:
        parsed = parse_url(value)
        return f"{parsed['owner']}/{parsed['repo']}"

    return {"parseRepoUrl": parse_url, "parseEntityRef": _parse_entity_ref, "pick": pick, "projectSlug": project_slug}


def _parse_repo_url(value: Any, host_type: HostType) -> dict[str, str]:
    if not isinstance(value, str):
        raise InputError("parseRepoUrl needs a text such as host?owner=…&repo=…")
    parsed = parse_repo_url(value)
    kind = host_type(parsed.host)
    if kind is None:
        raise InputError(
            f"No matching integration configuration for host {parsed.host}, please check your integrations config"
        )
    found = {"host": parsed.host}
    found |= {name: part for name in _PARTS if (part := getattr(parsed, name)) is not None}
    required = _REQUIRED.get(kind, ("repo", "owner"))
    if kind == "gitlab" and "project" in found:
        required = ()
    for name in required:
        if name not in found:
            raise InputError(f"Invalid repo URL passed to publisher: {value}, missing {name}")
    return found


def _parse_entity_ref(value: Any, options: Any = None, *_: Any) -> dict[str, str]:
    if not isinstance(value, str):
        raise InputError("parseEntityRef needs a text such as component:default/name")
    given = options if isinstance(options, dict) else {}
    ref = EntityRef.parse(
        value,
        default_kind=given.get("defaultKind"),
        default_namespace=given.get("defaultNamespace") or "default",
    )
    return {"kind": ref.kind, "namespace": ref.namespace, "name": ref.name}


_REPO_URL = {"type": "string", "description": "Repo URL as the RepoUrlPicker gives it"}

DESCRIPTIONS: Mapping[str, dict[str, Any]] = {
    "parseRepoUrl": {
        "description": "Parses a repository URL into its parts",
        "schema": {
            "input": _REPO_URL,
            "output": {
                "type": "object",
                "properties": {name: {"type": "string"} for name in ("host", *_PARTS)},
                "required": ["repo", "host"],
            },
        },
        "examples": [
            {
                "description": "The parts of the URL that the form gave",
                "example": "- action: debug:log\n  input:\n    message: ${{ parameters.repoUrl | parseRepoUrl }}\n",
                "notes": "`github.com?owner=acme&repo=shop` gives `{host: github.com, owner: acme, repo: shop}`",
            }
        ],
    },
    "parseEntityRef": {
        "description": "Splits an entity reference into kind, namespace and name",
        "schema": {
            "input": {"type": "string", "description": "Entity reference, such as component:default/name"},
            "arguments": [
                {
                    "type": "object",
                    "properties": {"defaultKind": {"type": "string"}, "defaultNamespace": {"type": "string"}},
                }
            ],
            "output": {
                "type": "object",
                "properties": {name: {"type": "string"} for name in ("kind", "namespace", "name")},
                "required": ["kind", "namespace", "name"],
            },
        },
        "examples": [
            {
                "description": "The parts of an owner",
                "example": "- action: debug:log\n  input:\n    owner: ${{ parameters.owner | parseEntityRef }}\n",
                "notes": "`group:default/team-a` gives `{kind: group, namespace: default, name: team-a}`",
            }
        ],
    },
    "pick": {
        "description": "Takes one member of an object, by its path",
        "schema": {
            "input": {"type": "object", "description": "The object"},
            "arguments": [{"type": "string", "description": "The path, parts joined by dots"}],
        },
        "examples": [
            {
                "description": "The kind of an owner",
                "example": "- action: debug:log\n  input:\n    kind: ${{ parameters.owner | parseEntityRef | pick('kind') }}\n",
            }
        ],
    },
    "projectSlug": {
        "description": "Makes `owner/repo` of a repository URL",
        "schema": {"input": _REPO_URL, "output": {"type": "string"}},
        "examples": [
            {
                "description": "The slug of the new repository",
                "example": "- action: debug:log\n  input:\n    slug: ${{ parameters.repoUrl | projectSlug }}\n",
                "notes": "`github.com?owner=acme&repo=shop` gives `acme/shop`",
            }
        ],
    },
}
"""As `GET /v2/templating-extensions` lists them."""
