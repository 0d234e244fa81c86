"""What an Application of Argo CD says about deployments and health. Pure; called by `collection`.

Argo CD keeps the last syncs in `status.history`. The health in `status.health` is of the last of them, and `lastTransitionTime`
says since when; a health that is older than the last sync is that sync's from its end on.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from understage.errors import InputError
from understage.measures.events import Health, Service, parse_time
from understage.model.members import list_at, map_at

COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
NAMESPACE = "default"
Json = Mapping[str, Any]


@dataclass(frozen=True)
class Sync:
    """One entry of an Application's history; `commits` are the revisions that are commits, by their source's position."""

    application: str
    id: int
    revision: str
    at: int
    commits: tuple[tuple[int, str], ...]


def read_syncs(application: Json) -> list[Sync]:
    """The history, as far as it can be read; of several sources the revisions together are one."""
    name = name_of(application)
    found = []
    for entry in list_at(map_at(application.get("status")).get("history")):
        entry = map_at(entry)
        revisions = [text for text in list_at(entry.get("revisions")) if isinstance(text, str) and text]
        if not revisions and isinstance(entry.get("revision"), str) and entry["revision"]:
            revisions = [entry["revision"]]
        try:
            at = parse_time(entry.get("deployedAt"), "deployedAt")
        except InputError:
            continue
        if revisions:
            number = entry.get("id")
            commits = {text: index for index, text in reversed(list(enumerate(revisions))) if COMMIT.fullmatch(text)}
            found.append(
                Sync(
                    name,
                    number if isinstance(number, int) else 0,
                    "+".join(dict.fromkeys(revisions)),
                    at,
                    tuple((index, text) for text, index in commits.items()),
                )
            )
    return found


def read_health(application: Json, last_sync: int | None, now: int) -> Health | None:
    """Since when the application is healthy or degraded with what was synced last; None when it is neither, or not synced."""
    health = map_at(map_at(application.get("status")).get("health"))
    status = health.get("status")
    if status not in ("Healthy", "Degraded") or last_sync is None:
        return None
    try:
        since = parse_time(health.get("lastTransitionTime"), "lastTransitionTime")
    except InputError:
        since = now
        # Some do not say: then the look that saw it first dates it.
    if status == "Healthy":
        # What stays healthy through a sync is healthy with it; what stays degraded was so before it.
        since = max(since, last_sync)
    return Health(name_of(application), since, status)


def place_of(application: Json, services: Mapping[str, Service]) -> tuple[Service, str] | None:
    """Component and environment of an Application: by the catalog (`services`, by Application), else by its labels and name."""
    metadata = map_at(application.get("metadata"))
    labels = map_at(metadata.get("labels"))
    name = name_of(application)
    environment = labels.get("environment")
    if not isinstance(environment, str) or not environment:
        return None
    service = services.get(name)
    if service is None:
        label = labels.get("app.kubernetes.io/name")
        plain = label if isinstance(label, str) and label else name.removesuffix(f"-{environment}")
        service = f"component:{NAMESPACE}/{plain}".lower()
    return service, environment


def finished_at(application: Json) -> str | None:
    """When the last sync ended, as Argo CD writes it."""
    found = map_at(map_at(application.get("status")).get("operationState")).get("finishedAt")
    return found if isinstance(found, str) else None


def name_of(application: Json) -> str:
    """Its name."""
    return str(map_at(application.get("metadata")).get("name", ""))
