"""One OpenAPI document of those of several plugins. Pure; called by `backstage_openapi`."""

from collections.abc import Mapping, Sequence
from typing import Any

from understage.errors import ForeignError

VERBS = ("get", "post", "put", "delete", "patch", "trace", "options", "head")
REFERENCE = "#/components/"


def merge_documents(base_url: str, documents: Sequence[tuple[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """The documents of plugins, by plugin id, as one: each operation is tagged with its plugin.

    Components of one name and different content get a number after the name. Raises ForeignError for a document that is none
    and for a path that two plugins claim.
    """
    paths: dict[str, Any] = {}
    components: dict[str, dict[str, Any]] = {}
    for plugin_id, document in documents:
        if not isinstance(document.get("paths"), Mapping):
            raise ForeignError(f"the plugin {plugin_id} answered with something that is no OpenAPI document")
        names = _add_components(components, document.get("components") or {})
        for path, item in document["paths"].items():
            if path in paths:
                raise ForeignError(f"the plugins claim the path {path} twice, at last {plugin_id}")
            paths[path] = _tagged(_renamed(item, names), plugin_id, document.get("security"))
    return {
        "openapi": "3.0.3",
        "info": {"title": "Backstage API", "version": "1"},
        "servers": [{"url": base_url}],
        "paths": paths,
        **({"components": components} if components else {}),
    }


def _add_components(known: dict[str, dict[str, Any]], own: Mapping[str, Any]) -> dict[str, str]:
    """Add the components of one document; returns which references are called otherwise now."""
    names: dict[str, str] = {}
    for section, members in own.items():
        for name, value in members.items() if isinstance(members, Mapping) else ():
            taken = known.get(section, {})
            if taken.get(name, value) != value:
                number = next(number for number in range(1, len(taken) + 2) if f"{name}{number}" not in taken)
                names[f"{REFERENCE}{section}/{name}"] = f"{REFERENCE}{section}/{name}{number}"
    for section, members in own.items():
        for name, value in members.items() if isinstance(members, Mapping) else ():
            new = names.get(f"{REFERENCE}{section}/{name}", f"/{name}").rpartition("/")[2]
            known.setdefault(section, {})[new] = _renamed(value, names)
    return names


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    """The value with its references to components brought up to date."""
    if not names:
        return value
    if isinstance(value, Mapping):
        return {
            key: names.get(member, member) if key == "$ref" and isinstance(member, str) else _renamed(member, names)
            for key, member in value.items()
        }
    return [_renamed(item, names) for item in value] if isinstance(value, list) else value


def _tagged(item: Any, plugin_id: str, security: Any) -> Any:
    """A path whose operations have the plugin as a tag, and say for themselves what their document said for all."""
    if not isinstance(item, Mapping):
        return item
    tagged = dict(item)
    for verb in VERBS:
        if isinstance(item.get(verb), Mapping):
            operation = dict(item[verb])
            tags = operation.get("tags") or []
            operation["tags"] = tags if plugin_id in tags else [*tags, plugin_id]
            if security is not None and "security" not in operation:
                operation["security"] = security
            tagged[verb] = operation
    return tagged
