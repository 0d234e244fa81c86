"""What the plugins for Argo CD are told of an Application, and how their questions are read. Pure; `plugin_router` calls it.

A plugin shows what Argo CD's API answers. It gets the members that it shows and no others: parameters and values of charts are
nobody's business who may merely read the component.
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from understage.delivery.reading import NAME_LABEL
from understage.errors import InputError

Json = dict[str, Any]

_VALUE: Final = object()
_DEEP: Final = object()
_SOURCE: Final = {"repoURL": _VALUE, "path": _VALUE, "chart": _VALUE, "targetRevision": _VALUE, "ref": _VALUE}
_TOLD: Final[Json] = {
    "metadata": {"name": _VALUE, "namespace": _VALUE, "uid": _VALUE, "creationTimestamp": _VALUE, "labels": _DEEP},
    "spec": {
        "project": _VALUE,
        "source": _SOURCE,
        "sources": [_SOURCE],
        "destination": {"server": _VALUE, "name": _VALUE, "namespace": _VALUE},
    },
    "status": {
        "sync": {"status": _VALUE, "revision": _VALUE, "revisions": _DEEP},
        "health": {"status": _VALUE, "message": _VALUE},
        "operationState": {"phase": _VALUE, "message": _VALUE, "startedAt": _VALUE, "finishedAt": _VALUE},
        "history": [
            {
                "id": _VALUE,
                "revision": _VALUE,
                "revisions": _DEEP,
                "deployedAt": _VALUE,
                "deployStartedAt": _VALUE,
                "source": _SOURCE,
                "sources": [_SOURCE],
            }
        ],
        "conditions": [{"type": _VALUE, "message": _VALUE, "lastTransitionTime": _VALUE}],
        "summary": {"images": _DEEP, "externalURLs": _DEEP},
        "resources": [
            {
                "group": _VALUE,
                "version": _VALUE,
                "kind": _VALUE,
                "namespace": _VALUE,
                "name": _VALUE,
                "status": _VALUE,
                "health": {"status": _VALUE, "message": _VALUE},
            }
        ],
    },
}
MOST_CANDIDATES = 12


def tell_application(application: Json, instance: str, url: str) -> Json:
    """The Application as a plugin shows it; `url` is the address of its Argo CD for people."""
    told: Json = _part(application, _TOLD)
    told["metadata"]["instance"] = {"name": instance, "url": url}
    status: Json = told.setdefault("status", {})
    # Argo CD has not looked at it yet; the plugins take neither for missing.
    for member in ("sync", "health"):
        status[member] = {"status": "Unknown", **(status.get(member) or {})}
    if not (status.get("operationState") or {}).get("startedAt"):
        status.pop("operationState", None)
    return told


def read_selector(text: str) -> dict[str, str]:
    """The labels of `argocd/app-selector`. InputError for what is no list of equalities, or does not name the service."""
    labels: dict[str, str] = {}
    for part in text.split(","):
        key, separator, value = part.replace("==", "=").partition("=")
        if not separator or key.endswith("!") or not key.strip() or not value.strip():
            raise InputError(f"argocd/app-selector {text[:200]!r} must be a list of label=value")
        labels[key.strip()] = value.strip()
    if NAME_LABEL not in labels:
        raise InputError(
            f"argocd/app-selector {text[:200]!r} must name the component by {NAME_LABEL}=NAME: that is how Understage knows "
            "whose Applications they are, and who may see them"
        )
    return labels


def is_selected(application: Json, labels: Mapping[str, str]) -> bool:
    """Whether it has all of the labels."""
    own = application["metadata"].get("labels") or {}
    return all(own.get(key) == value for key, value in labels.items())


def candidates(application: Json) -> list[str]:
    """Names of the components that an Application may be of: by its label, or by its own name, `<component>-<environment>`."""
    name = str(application["metadata"]["name"])
    label = (application["metadata"].get("labels") or {}).get(NAME_LABEL)
    parts = name.split("-")
    names = ["-".join(parts[:length]) for length in range(len(parts), 0, -1)]
    return list(dict.fromkeys([*([str(label)] if label else []), *names]))[:MOST_CANDIDATES]


def find_deployment(application: Json, revision: str) -> tuple[int, int] | None:
    """The last entry of its history that deployed `revision`: its id, and the position of the revision among its sources."""
    for entry in reversed((application.get("status") or {}).get("history") or []):
        revisions = entry.get("revisions") or [entry.get("revision")]
        if revision in revisions:
            return int(entry.get("id") or 0), revisions.index(revision)
    return None


def _part(value: Any, shape: Any) -> Any:
    if shape is _DEEP:
        return value
    if shape is _VALUE:
        return _without_userinfo(value) if isinstance(value, str) else value
    if isinstance(shape, list):
        return [_part(each, shape[0]) for each in value or [] if isinstance(each, Mapping)]
    found = value if isinstance(value, Mapping) else {}
    return {key: _part(found[key], inner) for key, inner in shape.items() if found.get(key) is not None}


def _without_userinfo(text: str) -> str:
    if "@" not in text or "://" not in text:
        return text
    parts = urlsplit(text)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def images_of(application: Json) -> list[str]:
    """The images that Argo CD counted."""
    return list(((application.get("status") or {}).get("summary") or {}).get("images") or [])


def with_images(application: Json, running: Mapping[str, list[str]]) -> Json:
    """The Application with what runs in its namespace for what Argo CD has not counted."""
    destination = (application.get("spec") or {}).get("destination") or {}
    status = application.get("status") or {}
    images = running.get(str(destination.get("namespace")))
    if not images:
        return application
    return {**application, "status": {**status, "summary": {**(status.get("summary") or {}), "images": images}}}
