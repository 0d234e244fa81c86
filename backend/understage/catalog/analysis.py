"""What could be registered at a URL, as the import page asks before it makes a pull request."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from understage.errors import InputError
from understage.model.url import is_absolute_url

_PREFIXES = {"github": "github.com", "gitlab": "gitlab.com", "azure": "dev.azure.com", "bitbucket": "bitbucket.org"}
_IMPLICIT_HOSTS = {"github.com": "github", "gitlab.com": "gitlab", "dev.azure.com": "azure"}
_NOT_REPOSITORY = frozenset(("-", "blob", "tree", "raw", "src"))


def analyze(target: str, integrations: Mapping[str, Any]) -> dict[str, Any]:
    """A Component to start from, named after the repository; `integrations` is that section of app-config.

    Raises InputError for what is no URL.
    """
    if not is_absolute_url(target):
        raise InputError("The given location.target is not a URL")
    owner, name = _repository(target)
    metadata: dict[str, Any] = {"name": name}
    prefix = _PREFIXES.get(_integration_type(urlsplit(target).netloc.lower(), integrations) or "")
    if prefix:
        metadata["annotations"] = {f"{prefix}/project-slug": f"{owner}/{name}"}
    entity = {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Component",
        "metadata": metadata,
        "spec": {"type": "other", "lifecycle": "unknown"},
    }
    return {"existingEntityFiles": [], "generateEntities": [{"entity": entity, "fields": []}]}


def _repository(target: str) -> tuple[str, str]:
    """Owner (with subgroups) and name, from the part of the path before what only pages of a repository have."""
    parts = [part for part in urlsplit(target).path.split("/") if part]
    end = next((index for index, part in enumerate(parts) if part in _NOT_REPOSITORY and index >= 2), len(parts))
    parts = parts[:end]
    if not parts:
        raise InputError(f"The URL {target} names no repository; give one such as https://github.com/owner/repository")
    return "/".join(parts[:-1]), parts[-1].removesuffix(".git")


def _integration_type(host: str, integrations: Mapping[str, Any]) -> str | None:
    for type_, entries in integrations.items():
        if not isinstance(entries, list):
            continue
        if any(isinstance(entry, dict) and str(entry.get("host", "")).lower() == host for entry in entries):
            return type_
    return _IMPLICIT_HOSTS.get(host)
