"""`catalog:register`: a catalog file becomes a location of the catalog."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

from pydantic import ConfigDict, Field, model_validator

from understage.sdk import ActionContext, ActionModel, ConflictError, EntityRef, Example, UnderstageError, action
from understage_actions._effects import begun_before


class RegisterInput(ActionModel):
    """Which file to register: by its URL, or by its repository's."""

    model_config = ConfigDict(
        **ActionModel.model_config,
        json_schema_extra={"anyOf": [{"required": ["catalogInfoUrl"]}, {"required": ["repoContentsUrl"]}]},
    )

    catalog_info_url: str | None = Field(
        default=None, description="An absolute URL pointing to the catalog info file location"
    )
    repo_contents_url: str | None = Field(
        default=None, description="An absolute URL pointing to the root of a repository directory tree"
    )
    catalog_info_path: str = Field(
        default="/catalog-info.yaml",
        description="A relative path from the repo root pointing to the catalog info file, defaults to /catalog-info.yaml",
    )
    optional: bool = Field(
        default=False, description="Permit the registered location to optionally exist. Default: false"
    )

    @model_validator(mode="after")
    def _names_a_file(self) -> Self:
        if self.catalog_info_url is None and self.repo_contents_url is None:
            raise ValueError("catalogInfoUrl or repoContentsUrl is needed")
        return self


class RegisterOutput(ActionModel):
    """What was registered."""

    catalog_info_url: str
    entity_ref: str | None = Field(
        default=None, description="The first entity of the file, a Component if there is one"
    )


@action(
    "catalog:register",
    description="Registers entities from a catalog descriptor file in the workspace into the software catalog.",
    examples=[
        Example(
            "Register a file",
            {"catalogInfoUrl": "https://github.com/acme/web/blob/main/catalog-info.yaml"},
        ),
        Example(
            "Register the file of a repository that was just published",
            {"repoContentsUrl": "https://github.com/acme/web/blob/main", "catalogInfoPath": "/catalog-info.yaml"},
        ),
    ],
    supports_dry_run=True,
)
async def register(ctx: ActionContext, input: RegisterInput) -> RegisterOutput:
    """Register the location, then ask the catalog by a dry run which entity it leads to.

    In a dry run the location is not registered. Its file may be one that the task would publish: that it cannot be read is no
    error.
    """
    url = input.catalog_info_url or ctx.ports.reader.resolve_url(
        input.catalog_info_path, _as_file_base(input.repo_contents_url or "")
    )
    ctx.log.info(f"{'Would register' if ctx.is_dry_run else 'Registering'} {url} in the catalog")
    try:
        if not ctx.is_dry_run:
            await _add(ctx, url)
        found = await ctx.ports.catalog.add_location(url, dry_run=True)
    except UnderstageError as error:
        if not input.optional and not ctx.is_dry_run:
            raise
        ctx.log.warn(f"{'It cannot be read yet' if ctx.is_dry_run else 'Not registered'}: {error}")
        return RegisterOutput(catalog_info_url=url)
    return RegisterOutput(catalog_info_url=url, entity_ref=_choose(found["entities"]))


async def _add(ctx: ActionContext, url: str) -> None:
    resumed = await begun_before(ctx, "register")
    if not await _is_registered(ctx, url):
        await ctx.undo_by("location", "undo:location", {"target": url})

    async def add() -> bool:
        try:
            await ctx.ports.catalog.add_location(url)
        except ConflictError:
            if not resumed:
                raise
        return True

    await ctx.checkpoint("register", add)


async def _is_registered(ctx: ActionContext, url: str) -> bool:
    try:
        return bool((await ctx.ports.catalog.add_location(url, dry_run=True)).get("exists"))
    except UnderstageError:
        return False  # what cannot be read is no location yet, or the registration says what is wrong


def _as_file_base(url: str) -> str:
    """A base that a leading slash resolves against; a tree's URL may end without a slash."""
    return url if url.endswith("/") else f"{url}/"


def _choose(entities: Sequence[Mapping[str, Any]]) -> str | None:
    named = [entity for entity in entities if not str(entity["metadata"]["name"]).startswith("generated-")]
    components = [entity for entity in named if entity["kind"] == "Component"]
    chosen = next(iter([*components, *named, *entities]), None)
    return None if chosen is None else str(EntityRef.of(chosen))
