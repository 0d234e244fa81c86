"""Templates as the catalog has them, cut down to what the caller may see.

Called for the form (`api.templates`) and for creating and retrying tasks. The catalog is asked with the caller's credentials.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from understage.errors import InputError, NotFoundError
from understage.identity.credentials import Credentials
from understage.model.entity import Entity
from understage.model.ref import EntityRef
from understage.model.template import API_VERSION, Template, TemplateStep, permission_tags, read_template
from understage.scaffolder.access import Access

DEFAULT_PAGE_TITLE = "Please enter the following information"


class CatalogClient(Protocol):
    """The catalog by its HTTP-shaped port; the composition root wires one of this process or of another."""

    async def get_entities(self, refs: Sequence[str], credentials: Credentials) -> Sequence[Entity | None]:
        """The entities that `kind:namespace/name` names, in order; None where there is none that the caller may read."""


@dataclass(frozen=True)
class VisibleTemplate:
    """A template with the pages and steps its caller may see."""

    template: Template
    pages: list[dict[str, Any]]
    steps: list[TemplateStep]

    def parameter_schema(self) -> dict[str, Any]:
        """The answer of `GET …/parameter-schema`."""
        metadata, spec = self.template.entity["metadata"], self.template.spec
        optional = {
            "presentation": spec.get("presentation"),
            "description": metadata.get("description"),
            "ui:options": metadata.get("ui:options"),
        }
        answer = {"title": self.template.title, **{key: value for key, value in optional.items() if value is not None}}
        answer["steps"] = [_describe_page(page) for page in self.pages]
        if self.template.form_decorators:
            answer["formDecorators"] = self.template.form_decorators
        return answer


class Templates:
    """Finds templates for callers."""

    def __init__(self, catalog: CatalogClient, access: Access) -> None:
        self._catalog = catalog
        self._access = access

    async def get(self, ref: EntityRef, credentials: Credentials) -> VisibleTemplate:
        """The template. Raises InputError for another kind or apiVersion, NotFoundError where there is none."""
        return (await self.get_with_user(ref, credentials, wants_user=False))[0]

    async def get_with_user(
        self, ref: EntityRef, credentials: Credentials, *, wants_user: bool = True
    ) -> tuple[VisibleTemplate, Entity | None]:
        """The template, as `get`, and the caller's User entity, as `get_user`: one question to the catalog."""
        if ref.kind.lower() != "template":
            raise InputError("Invalid kind, only 'Template' kind is supported")
        refs = [str(ref), *([credentials.user_ref] if wants_user and credentials.user_ref is not None else [])]
        entity, *users = await self._catalog.get_entities(refs, credentials)
        if entity is None:
            raise NotFoundError(f"Template {ref} not found")
        if entity.get("apiVersion") != API_VERSION:
            raise InputError(f"Unsupported apiVersion field in schema entity, {entity.get('apiVersion')}")
        return await self.cut_down(read_template(entity), credentials), users[0] if users else None

    async def cut_down(self, template: Template, credentials: Credentials) -> VisibleTemplate:
        """Remove what the caller may not see."""
        may_see_page, may_see_step = await self._access.template_filters(credentials)
        pages = [page for page in template.pages if may_see_page(permission_tags(page))]
        return VisibleTemplate(template, pages, [step for step in template.steps if may_see_step(step.tags)])

    async def get_user(self, credentials: Credentials) -> Entity | None:
        """The caller's User entity; None for services, and for people who are not in the catalog."""
        if credentials.user_ref is None:
            return None
        return await self.get_entity(credentials.user_ref, credentials)

    async def get_entity(self, ref: str, credentials: Credentials) -> Entity | None:
        """Any entity that the caller may read."""
        return (await self._catalog.get_entities([ref], credentials))[0]


def _describe_page(page: dict[str, Any]) -> dict[str, Any]:
    described = {"title": page.get("title") or DEFAULT_PAGE_TITLE}
    if page.get("description") is not None:
        described["description"] = page["description"]
    return {**described, "schema": page}
