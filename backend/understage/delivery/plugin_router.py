"""`/api/argocd`: what the plugins for Argo CD ask of their backend, answered for those who may read the component.

The protocol is that of `@roadiehq/backstage-plugin-argo-cd` 2.12 and of `@backstage-community/plugin-argocd` 2.9 and 3.1, which
asks `/api/backstage-community-argocd/check` first, and comes here where there is none. Reading only: sync and delete are Git's.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog
from fastapi import APIRouter, Request, Response

from understage.delivery.plugin_view import (
    candidates,
    find_deployment,
    images_of,
    is_selected,
    read_selector,
    tell_application,
    with_images,
)
from understage.delivery.reading import NAME_LABEL, Service, is_own, service_of
from understage.delivery.sources import StatusSources
from understage.errors import InputError, NotFoundError, ServiceUnavailableError, UnderstageError
from understage.identity.catalog_reader import CatalogReader
from understage.identity.credentials import Credentials
from understage.model.ref import canonical_ref
from understage.platform.light_imports import OLD_MODELS, absent
from understage.platform.openapi import OBJECT, STRING, array_of, describe
from understage.platform.plugin import json_response
from understage.sdk.ports import ArgoCd

Json = dict[str, Any]
Answer = TypeVar("Answer")
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class VisibleApplications:
    """The Applications that a caller may see: those of components that the caller may read, as the status tells them."""

    sources: StatusSources
    catalog: CatalogReader

    def instance(self, name: str) -> ArgoCd:
        """NotFoundError for one that is not configured."""
        found = self.sources.argocds.get(name) if name in self.sources.argocds.names() else None
        if found is None:
            raise NotFoundError(f"There is no Argo CD {name[:100]} in argocd.appLocatorMethods")
        return found

    async def selected(
        self, instance: ArgoCd, selector: str, credentials: Credentials, *, images: bool = True
    ) -> list[Json]:
        """By `argocd/app-selector`; none for a component that the caller may not read. Who tells no images asks for none."""
        labels = read_selector(selector)
        found: list[Json] = []
        for service in await self._services([labels[NAME_LABEL]], credentials):
            listed = await self._ask(instance, instance.list_project_applications(project=service.team))
            own = [each for each in listed if is_own(each, service) and is_selected(each, labels)]
            found += await self._with_images(own, service) if images else own
        return found

    async def named(self, instance: ArgoCd, name: str, credentials: Credentials, *, images: bool = True) -> Json:
        """By `argocd/app-name`. NotFoundError, the same for one that the caller may not see."""
        application = await self._ask(instance, instance.get_application(name))
        if application is not None:
            services = await self._services(candidates(application), credentials)
            for service in services:
                if is_own(application, service):
                    [told] = await self._with_images([application], service) if images else [application]
                    return told
        raise _not_visible(name)

    async def everywhere(self, find: Callable[[ArgoCd], Awaitable[list[Json]]]) -> dict[str, list[Json]]:
        """By instance. One that does not answer is left out, unless none does."""
        names = self.sources.argocds.names()
        answers = await asyncio.gather(*(find(self.instance(name)) for name in names), return_exceptions=True)
        found: dict[str, list[Json]] = {}
        for name, answer in zip(names, answers, strict=True):
            if not isinstance(answer, BaseException):
                found[name] = answer
            elif not isinstance(answer, ServiceUnavailableError):
                raise answer
        if names and not found:
            raise ServiceUnavailableError("No Argo CD could be asked; the log of Understage says why")
        return found

    async def revision(self, instance: ArgoCd, application: Json, revision: str) -> Json:
        """Author, date and message of a commit that it deployed."""
        deployed = find_deployment(application, revision)
        name = application["metadata"]["name"]
        if deployed is None:
            raise NotFoundError(f"{name} did not deploy {revision[:100]}, or that is too long ago")
        history_id, source = deployed
        found = await self._ask(instance, instance.get_revision(name, revision, history_id=history_id, source=source))
        return {**(found or {}), "revisionID": revision}

    async def _with_images(self, applications: list[Json], service: Service) -> list[Json]:
        """Argo CD counts images now and then; until it has, the clusters tell."""
        if all(images_of(each) for each in applications):
            return applications
        running = await self.sources.images(service)
        return [each if images_of(each) else with_images(each, running) for each in applications]

    async def _services(self, names: list[str], credentials: Credentials) -> list[Service]:
        refs = []
        for name in names:
            if ":" not in name and "/" not in name:
                refs.append(canonical_ref(f"component:default/{name}"))
        services = []
        for entity in await self.catalog.readable(refs, credentials):
            try:
                services.append(service_of(entity))
            except InputError:  # no team owns it, so nothing can be deployed for it
                continue
        return services

    async def _ask(self, instance: ArgoCd, question: Awaitable[Answer]) -> Answer:
        try:
            async with asyncio.timeout(self.sources.seconds):
                return await question
        except TimeoutError as error:
            problem = f"Argo CD {instance.name} did not answer within {self.sources.seconds:g} seconds"
            raise ServiceUnavailableError(problem) from error
        except UnderstageError as error:
            # Its address and what it says of its credentials are nothing for everybody who may read an entity.
            log.warning("a plugin's question to Argo CD failed", source=instance.name, reason=error.message)
            problem = f"Argo CD {instance.name} could not be asked; the log of Understage says why"
            raise ServiceUnavailableError(problem) from error


@absent(OLD_MODELS)
def create_argocd_plugin_router(sources: StatusSources, catalog: CatalogReader) -> APIRouter:
    """The routes of the protocol that read."""
    router = APIRouter()
    visible = VisibleApplications(sources, catalog)
    _add_searches(router, visible)
    _add_applications(router, visible)
    return router


def _add_searches(router: APIRouter, visible: VisibleApplications) -> None:
    @router.get("/check", openapi_extra=describe("Whether the plugin is there", answers={200: STRING}))
    async def check() -> Response:
        return Response("OK", media_type="text/plain")

    @router.get(
        "/find/name/{name}", openapi_extra=describe("Which Argo CD has an Application", answers={200: array_of(OBJECT)})
    )
    async def find_by_name(request: Request, name: str) -> Response:
        async def find(instance: ArgoCd) -> list[Json]:
            try:
                found = await visible.named(instance, name, request.state.credentials, images=_is_expanded(request))
                return [found]
            except NotFoundError:
                return []

        return json_response(_tell_instances(visible, await visible.everywhere(find), request))

    @router.get(
        "/find/selector/{selector:path}",
        openapi_extra=describe("Which Argo CD has Applications with labels", answers={200: array_of(OBJECT)}),
    )
    async def find_by_selector(request: Request, selector: str) -> Response:
        async def find(instance: ArgoCd) -> list[Json]:
            return await visible.selected(instance, selector, request.state.credentials, images=_is_expanded(request))

        return json_response(_tell_instances(visible, await visible.everywhere(find), request))


def _add_applications(router: APIRouter, visible: VisibleApplications) -> None:
    @router.get(
        "/argoInstance/{instance_name}/applications/selector/{selector:path}",
        openapi_extra=describe("Applications with labels", answers={200: OBJECT}),
    )
    async def list_by_selector(request: Request, instance_name: str, selector: str) -> Response:
        instance = visible.instance(instance_name)
        found = await visible.selected(instance, selector, request.state.credentials)
        return json_response({"items": _tell(instance, found, request.query_params)})

    @router.get(
        "/argoInstance/{instance_name}/applications/name/{name}/revisions/{revision}/metadata",
        openapi_extra=describe("The commit of a deployment", answers={200: OBJECT}),
    )
    async def get_revision(request: Request, instance_name: str, name: str, revision: str) -> Response:
        instance = visible.instance(instance_name)
        application = await visible.named(instance, name, request.state.credentials, images=False)
        return json_response(await visible.revision(instance, application, revision))

    # The one plugin asks with `name/`, the other without.
    @router.get("/argoInstance/{instance_name}/applications/name/{name}", include_in_schema=False)
    @router.get(
        "/argoInstance/{instance_name}/applications/{name}",
        openapi_extra=describe("An Application", answers={200: OBJECT}),
    )
    async def get_application(request: Request, instance_name: str, name: str) -> Response:
        instance = visible.instance(instance_name)
        found = await visible.named(instance, name, request.state.credentials)
        told = _tell(instance, [found], request.query_params)
        if not told:
            raise _not_visible(name)
        return json_response(told[0])


def _not_visible(name: str) -> NotFoundError:
    return NotFoundError(f"There is no Application {name[:100]} of a component that you may read")


def _is_expanded(request: Request) -> bool:
    """Whether Applications are told, and not their names only."""
    return request.query_params.get("expand") == "applications"


def _tell_instances(visible: VisibleApplications, found: dict[str, list[Json]], request: Request) -> list[Json]:
    answer: list[Json] = []
    for name, applications in found.items():
        instance = visible.instance(name)
        told = _tell(instance, applications, request.query_params)
        if told:
            entry: Json = {"name": name, "url": instance.url, "appName": [each["metadata"]["name"] for each in told]}
            if _is_expanded(request):
                entry["applications"] = told
            answer.append(entry)
    return answer


def _tell(instance: ArgoCd, applications: list[Json], query: Mapping[str, str]) -> list[Json]:
    """Those of the project and the namespace that the entity's annotations name, if they do."""
    told = [tell_application(each, instance.name, instance.url) for each in applications]
    project, namespace = query.get("project"), query.get("appNamespace")
    return [
        each
        for each in told
        if (not project or each["spec"].get("project") == project)
        and (not namespace or each["metadata"].get("namespace") == namespace)
    ]
