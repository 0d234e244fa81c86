"""`catalog:fetch`: entities of the catalog, for the steps that follow."""

from typing import Any

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, EntityRef, Example, InputError, NotFoundError, action


class FetchInput(ActionModel):
    """Which entities."""

    entity_ref: str | None = Field(default=None, description="Entity reference of the entity to get")
    entity_refs: list[str] | None = Field(default=None, description="Entity references of the entities to get")
    optional: bool = Field(
        default=False, description="Allow the entity or entities to optionally exist. Default: false"
    )
    default_kind: str | None = Field(default=None, description="The default kind")
    default_namespace: str | None = Field(default=None, description="The default namespace")


class FetchOutput(ActionModel):
    """The entities; null where one does not exist and `optional` allows that."""

    entity: dict[str, Any] | None = Field(
        default=None,
        description="Object containing same values used in the Entity schema. Only when used with `entityRef` parameter.",
    )
    entities: list[dict[str, Any] | None] | None = Field(
        default=None,
        description="Array containing objects with same values used in the Entity schema. Only when used with `entityRefs` "
        "parameter.",
    )


@action(
    "catalog:fetch",
    description="Returns entity or entities from the catalog by entity reference(s)",
    examples=[
        Example("Fetch one entity", {"entityRef": "component:default/web"}),
        Example(
            "Fetch several, absent ones as null",
            {"entityRefs": ["component:default/web", "absent"], "defaultKind": "Component", "optional": True},
        ),
    ],
    supports_dry_run=True,
)
async def fetch(ctx: ActionContext, input: FetchInput) -> FetchOutput:
    """Fetch with the rights of whoever started the task."""
    wanted = input.entity_refs if input.entity_ref is None else [input.entity_ref]
    if not wanted:
        if input.optional:
            return FetchOutput()
        raise InputError("Missing entity reference or references")
    refs = [
        str(EntityRef.parse(ref, default_kind=input.default_kind, default_namespace=input.default_namespace))
        for ref in wanted
    ]
    found = await ctx.ports.catalog.get_entities(refs)
    for ref, entity in zip(refs, found, strict=True):
        if entity is None and not input.optional:
            raise NotFoundError(f"Entity {ref} not found")
    return FetchOutput(entities=found) if input.entity_ref is None else FetchOutput(entity=found[0])
