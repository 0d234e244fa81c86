"""The answer of the status: environments in the order of their way to production. Pure; the route calls it."""

from typing import Any

from understage.delivery.reading import Service
from understage.delivery.sources import Findings

Json = dict[str, Any]

ORDER = ("development", "staging", "production")


def tell_status(ref: str, service: Service, found: Findings) -> Json:
    """`healthy`: every Application that was found is Synced and Healthy. `complete`: everybody who was asked answered."""
    names = found.applications.keys() | found.workloads.keys()
    environments = [_environment(name, found) for name in sorted(names, key=_place)]
    applications = [each["application"] for each in environments if each["application"] is not None]
    return {
        "entityRef": ref,
        "team": service.team,
        "healthy": bool(applications) and all(map(_is_well, applications)),
        "complete": all(source["answers"] for source in found.sources),
        "environments": environments,
        "sources": sorted(found.sources, key=lambda source: str(source["name"])),
    }


def _environment(name: str, found: Findings) -> Json:
    application, workloads = found.applications.get(name), found.workloads.get(name, [])
    running = sorted({image for workload in workloads for image in workload["images"]})
    return {
        "environment": name,
        "namespace": found.namespaces.get(name) or (application or {}).get("namespace"),
        "application": application,
        # What the cluster runs; where it was not asked, what Argo CD counted last.
        "images": running or (application or {}).get("images", []),
        "workloads": workloads,
    }


def _is_well(application: Json) -> bool:
    return (application["sync"], application["health"]) == ("Synced", "Healthy")


def _place(name: str) -> tuple[int, str]:
    return (ORDER.index(name) if name in ORDER else len(ORDER), name)
