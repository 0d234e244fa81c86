"""The routes of costs: `app` mounts them in the plugin `understage`."""

from typing import Any, Protocol

from fastapi import APIRouter, Request, Response

from understage.errors import InputError, NotFoundError, NotImplementedError_
from understage.identity.catalog_reader import CatalogReader, read_entity
from understage.identity.credentials import Credentials
from understage.integrations.opencost import Cost, OpenCostSource, Spending, service_of
from understage.model.ref import canonical_ref
from understage.platform.light_imports import OLD_MODELS, absent
from understage.platform.openapi import OBJECT, describe
from understage.platform.plugin import json_response
from understage.platform.requests import Parameter, parse_query

SERVICE_PARAMETERS = {"kind": Parameter(), "namespace": Parameter()}


class CostReader(CatalogReader, Protocol):
    """The catalog, as somebody may see it."""

    async def reads_everything(self, credentials: Credentials) -> bool:
        """Whether the caller may read every entity."""


@absent(OLD_MODELS)
def create_cost_router(source: OpenCostSource | None, catalog: CostReader) -> APIRouter:
    """The routes; without a source they say what to configure."""
    router = APIRouter()

    @router.get(
        "/services/{name}/cost",
        openapi_extra=describe("What a service cost", query=SERVICE_PARAMETERS, answers={200: OBJECT}),
    )
    async def get_service_cost(request: Request, name: str) -> Response:
        query = parse_query(request, SERVICE_PARAMETERS)
        ref = _ref(query.get("kind", "component"), query.get("namespace", "default"), name)
        entity = await read_entity(catalog, ref, request.state.credentials)
        spending = await _configured(source).current()
        service, namespaces = service_of(entity)
        costs = spending.of_service(service, namespaces)
        if not costs:
            raise NotFoundError(
                f"OpenCost knows no pods of {service}: they need the label that understage.costs.openCost.label names, in a "
                f"namespace {service}-… or one of the annotation backstage.io/kubernetes-namespace"
            )
        whole = sum(costs.values(), Cost())
        parts = [{"namespace": place, **_amounts(spending, cost)} for place, cost in costs.items()]
        told = {"entityRef": ref, "service": service, **_window(spending), **_amounts(spending, whole)}
        return json_response({**told, "namespaces": parts})

    @router.get(
        "/namespaces/{namespace}/cost",
        openapi_extra=describe("What a namespace of the cluster cost", answers={200: OBJECT}),
    )
    async def get_namespace_cost(request: Request, namespace: str) -> Response:
        spending = await _configured(source).current()
        services = spending.services_in(namespace)
        cost = spending.namespaces.get(namespace)
        # The same answer to those who may not know that it is there.
        if cost is None or not await _may_see(catalog, namespace, services, request.state.credentials):
            raise NotFoundError(f"There are no costs of a namespace {namespace[:63]}, or you may read no service in it")
        parts = [
            {"service": service, **_amounts(spending, spending.services[(namespace, service)])} for service in services
        ]
        told = {"namespace": namespace, **_window(spending), **_amounts(spending, cost)}
        return json_response({**told, "services": parts})

    return router


async def _may_see(catalog: CostReader, namespace: str, services: list[str], credentials: Credentials) -> bool:
    """Whoever may read a service whose namespace it is, or all that there is."""
    if await catalog.reads_everything(credentials):
        return True
    refs = [canonical_ref(f"component:default/{service}") for service in services]
    for entity in await catalog.readable(refs, credentials):
        service, namespaces = service_of(entity)
        if namespace in namespaces or namespace == service or namespace.startswith(f"{service}-"):
            return True
    return False


def _ref(kind: str, namespace: str, name: str) -> str:
    if not (kind and namespace and name) or any(part in text for text in (kind, namespace, name) for part in ":/"):
        raise InputError("kind, namespace and name are names of an entity, without : and /")
    return canonical_ref(f"{kind}:{namespace}/{name}")


def _configured(source: OpenCostSource | None) -> OpenCostSource:
    if source is None:
        raise NotImplementedError_("Nobody tells here what services cost: set understage.costs.openCost.url")
    return source


def _window(spending: Spending) -> dict[str, Any]:
    return {
        "currency": spending.currency,
        "window": {"start": spending.start.isoformat(), "end": spending.end.isoformat(), "hours": spending.hours},
    }


def _amounts(spending: Spending, cost: Cost) -> dict[str, Any]:
    return {
        "monthly": round(spending.monthly(cost), 2),
        "total": round(cost.total, 4),
        "parts": {name: round(amount, 4) for name, amount in cost.parts.items()},
    }
