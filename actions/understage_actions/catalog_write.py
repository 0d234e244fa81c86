"""`catalog:write`: an entity becomes a file of the workspace."""

from typing import Any

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, Example, action
from understage.sdk.yaml import dump
from understage_actions._tree import write_file

_SOURCE_TEMPLATE = "backstage.io/source-template"


class WriteInput(ActionModel):
    """The entity, and where to write it."""

    entity: dict[str, Any] = Field(description="The entity to write, as in a catalog-info.yaml")
    file_path: str = Field(default="catalog-info.yaml", description="Defaults to catalog-info.yaml")


@action(
    "catalog:write",
    description="Writes the catalog-info.yaml for your template",
    examples=[
        Example(
            "Write a component",
            {
                "entity": {
                    "apiVersion": "backstage.io/v1alpha1",
                    "kind": "Component",
                    "metadata": {"name": "web", "annotations": {}},
                    "spec": {"type": "service", "lifecycle": "production", "owner": "group:default/team-a"},
                }
            },
        )
    ],
    supports_dry_run=True,
)
async def write(ctx: ActionContext, input: WriteInput) -> None:
    """Write the entity, annotated with the template it comes from."""
    ctx.log.info(f"Writing {input.file_path}")
    entity = dict(input.entity)
    if ctx.template is not None:
        metadata = dict(entity.get("metadata") or {})
        metadata["annotations"] = {**(metadata.get("annotations") or {}), _SOURCE_TEMPLATE: ctx.template.entity_ref}
        entity["metadata"] = metadata
    write_file(ctx.workspace, input.file_path, dump(entity))
