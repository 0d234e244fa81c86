"""A Template entity as the scaffolder sees it: checked, and readable by name instead of by key.

Called where a template is fetched from the catalog, for the form, for creating a task and for dry-run. The catalog checks
templates too; here they are checked again, because a dry-run brings one that no catalog has seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from understage.errors import InputError
from understage.model.entity import Entity, check_envelope
from understage.model.kinds import KindError, builtin_kinds, find_kind
from understage.model.ref import DEFAULT_NAMESPACE, EntityRef

API_VERSION = "scaffolder.backstage.io/v1beta3"
PERMISSIONS_KEY = "backstage:permissions"


@dataclass(frozen=True)
class TemplateStep:
    """A step as written; `data` is the whole JSON object."""

    data: dict[str, Any]

    @property
    def id(self) -> str | None:
        """The id, if the author gave one."""
        return self.data.get("id")

    @property
    def name(self) -> str | None:
        """The name shown while it runs, if the author gave one."""
        return self.data.get("name")

    @property
    def action(self) -> str:
        """The id of the action."""
        action: str = self.data["action"]
        return action

    @property
    def tags(self) -> list[str]:
        """Tags that permission rules look at."""
        return permission_tags(self.data)


@dataclass(frozen=True)
class Template:
    """A checked template; `entity` is the JSON it was made from and is not changed."""

    entity: Entity

    @property
    def ref(self) -> EntityRef:
        """Its entity reference."""
        return EntityRef.of(self.entity)

    @property
    def title(self) -> str:
        """Title, or name where there is none."""
        metadata = self.entity["metadata"]
        return str(metadata.get("title") or metadata["name"])

    @property
    def spec(self) -> dict[str, Any]:
        """The spec as written."""
        spec: dict[str, Any] = self.entity["spec"]
        return spec

    @property
    def pages(self) -> list[dict[str, Any]]:
        """The parameter schemas, one a page of the form; a single object is one page."""
        parameters = self.spec.get("parameters")
        if parameters is None:
            return []
        return parameters if isinstance(parameters, list) else [parameters]

    @property
    def steps(self) -> list[TemplateStep]:
        """The steps in order."""
        return [TemplateStep(step) for step in self.spec["steps"]]

    @property
    def output(self) -> dict[str, Any]:
        """The unrendered output."""
        output: dict[str, Any] = self.spec.get("output") or {}
        return output

    @property
    def secrets_schema(self) -> dict[str, Any] | None:
        """The JSON Schema that the secrets of a task must keep."""
        schema: dict[str, Any] | None = (self.spec.get("secrets") or {}).get("schema")
        return schema

    @property
    def recovery(self) -> Literal["none", "startOver"]:
        """What becomes of a task whose process died."""
        strategy = (self.spec.get("EXPERIMENTAL_recovery") or {}).get("EXPERIMENTAL_strategy")
        return "startOver" if strategy == "startOver" else "none"

    @property
    def form_decorators(self) -> list[dict[str, Any]]:
        """What the form runs before it submits, under its new or its old key."""
        decorators = self.spec.get("formDecorators") or self.spec.get("EXPERIMENTAL_formDecorators")
        return decorators or []


def read_template(entity: Any) -> Template:
    """The template that an entity is.

    Raises InputError for what is no Template of the supported apiVersion or breaks its schema, naming the first place
    and counting the others.
    """
    entity = check_envelope(entity)
    kind = builtin_kinds()["Template"]
    if find_kind(entity) is not kind:
        raise InputError(
            f"Unsupported apiVersion and kind '{entity['apiVersion']} {entity['kind']}'; a template has apiVersion "
            f"{API_VERSION} and kind Template"
        )
    if not kind.schema.is_valid(entity):
        error = KindError(kind.schema.violations(entity))
        more = len(error.violations) - 1
        suffix = f" (and {more} more)" if more else ""
        raise InputError(f"Template {_name_of(entity)} is not valid: {error.message}{suffix}") from error
    return Template(entity)


def permission_tags(value: Any) -> list[str]:
    """The tags in the `backstage:permissions` of a page, a property or a step."""
    permissions = value.get(PERMISSIONS_KEY) if isinstance(value, dict) else None
    tags: Sequence[Any] | None = permissions.get("tags") if isinstance(permissions, dict) else None
    return [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []


def _name_of(entity: Entity) -> str:
    metadata = entity["metadata"]
    return f"{metadata.get('namespace', DEFAULT_NAMESPACE)}/{metadata['name']}"
