"""The component that is proposed for a repository without catalog file, as the import page puts it into a pull request."""

from collections.abc import Mapping
from typing import Any

from understage.catalog.repository import repository_of
from understage.errors import InputError
from understage.model.entity import Entity

_PREFIXES = {"github": "github.com", "gitlab": "gitlab.com", "azure": "dev.azure.com", "bitbucket": "bitbucket.org"}


def propose(target: str, integrations: Mapping[str, Any]) -> Entity:
    """A Component named after the repository; `integrations` is that section of app-config.

    Raises InputError for a URL that names nothing.
    """
    repository = repository_of(target, integrations)
    if repository is None:
        raise InputError(f"The URL {target} names no repository; give one such as https://github.com/owner/repository")
    metadata: dict[str, Any] = {"name": repository.name}
    prefix = _PREFIXES.get(repository.type or "")
    if prefix:
        metadata["annotations"] = {f"{prefix}/project-slug": repository.slug}
    return {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Component",
        "metadata": metadata,
        "spec": {"type": "other", "lifecycle": "unknown"},
    }
