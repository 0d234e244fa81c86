"""`fetch:template` and `fetch:template:file`: skeletons into the workspace, names and contents rendered."""

import asyncio
import json
from typing import Any

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, Example, InputError, action
from understage_actions._fetch import fetch_file, fetch_tree
from understage_actions._rendering import Renderer, TreeRendering, as_text
from understage_actions._tree import write_file

_TOKEN = "An optional token to use for authentication when reading the resources"
_VALUES = "Values to pass on to the templating engine"
_COMPAT = "Enable features to maximise compatibility with templates built for fetch:cookiecutter"
_TRIM = "If set, the first newline after a block is removed"
_LSTRIP = "If set, leading whitespace is stripped from the start of a line to a block"


class FetchTemplateInput(ActionModel):
    """What to fetch, and how to render it."""

    url: str = Field(description="Relative path or absolute URL pointing to the directory tree to fetch")
    target_path: str | None = Field(
        default=None,
        description="Target path within the working directory to download the contents to. Defaults to the working directory "
        "root.",
    )
    values: dict[str, Any] = Field(default_factory=dict, description=_VALUES)
    copy_without_templating: list[str] | None = Field(
        default=None,
        description="An array of glob patterns. Contents of matched files or directories are copied without being processed, "
        "but paths are subject to rendering.",
    )
    copy_without_render: list[str] | None = Field(
        default=None, description="Ignored, as in the stock action; use copyWithoutTemplating"
    )
    cookiecutter_compat: bool = Field(default=False, description=_COMPAT)
    template_file_extension: str | bool | None = Field(
        default=None,
        description="If set, only files with the given extension (`.njk` for true) have their contents rendered; the extension "
        "is dropped from the name.",
    )
    replace: bool = Field(
        default=False, description="If set, replace files in targetPath instead of skipping existing ones."
    )
    trim_blocks: bool = Field(default=False, description=_TRIM)
    lstrip_blocks: bool = Field(default=False, description=_LSTRIP)
    token: str | None = Field(default=None, description=_TOKEN)


class FetchTemplateFileInput(ActionModel):
    """Which file to fetch, and how to render it."""

    url: str = Field(description="Relative path or absolute URL pointing to the single file to fetch")
    target_path: str = Field(description="Target path within the working directory to download the file as")
    values: dict[str, Any] = Field(default_factory=dict, description=_VALUES)
    cookiecutter_compat: bool = Field(default=False, description=_COMPAT)
    replace: bool = Field(default=False, description="If set, replace the file instead of skipping an existing one.")
    trim_blocks: bool = Field(default=False, description=_TRIM)
    lstrip_blocks: bool = Field(default=False, description=_LSTRIP)
    token: str | None = Field(default=None, description=_TOKEN)


@action(
    "fetch:template",
    description="Downloads a skeleton, templates variables into file and directory names and content, and places the result in "
    "the workspace, or optionally in a subdirectory specified by the `targetPath` input option.",
    examples=[
        Example(
            "Render the skeleton beside the template",
            {"url": "./skeleton", "targetPath": "service", "values": {"name": "web", "owner": "group:default/team-a"}},
        ),
        Example(
            "Render only the files that end in .njk",
            {"url": "./skeleton", "templateFileExtension": True, "values": {"name": "web"}},
        ),
    ],
    supports_dry_run=True,
)
async def fetch_template(ctx: ActionContext, input: FetchTemplateInput) -> None:
    """Fetch a folder and render it into the workspace."""
    extension = _extension(input)
    ctx.log.info("Fetching template content from remote URL")
    if input.copy_without_render:
        ctx.log.warn("copyWithoutRender is ignored: use copyWithoutTemplating")
    target = input.target_path or "."
    ctx.workspace.resolve(target)
    template = await fetch_tree(ctx, input.url, token=input.token)
    ctx.log.info("Listing files and directories in template")
    entries = await asyncio.to_thread(template.entries)
    values = json.dumps(input.values, ensure_ascii=False, separators=(",", ":"))
    ctx.log.info(f"Processing {len(entries)} template files/directories with input values {values}")
    rendering = TreeRendering(
        _renderer(ctx, input),
        template,
        target,
        extension=extension,
        plain=input.copy_without_templating or (),
        replace=input.replace,
    )
    await rendering.run(entries)


@action(
    "fetch:template:file",
    description="Downloads single file and places it in the workspace, with its variables templated.",
    examples=[
        Example(
            "Render one file",
            {
                "url": "./skeleton/README.md",
                "targetPath": "README.md",
                "values": {"name": "web", "owner": "group:default/team-a"},
            },
        )
    ],
    supports_dry_run=True,
)
async def fetch_template_file(ctx: ActionContext, input: FetchTemplateFileInput) -> None:
    """Fetch one file and render it into the workspace."""
    ctx.log.info("Fetching template file content from remote URL")
    if ctx.workspace.resolve(input.target_path).exists() and not input.replace:
        ctx.log.info(f"File {input.target_path} already exists in workspace, not replacing.")
        return
    text = as_text(await fetch_file(ctx, input.url, token=input.token))
    if text is None:
        raise InputError(f"{input.url} is no text file: use fetch:plain:file")
    rendered = await asyncio.to_thread(_renderer(ctx, input).render, text, input.url)
    await asyncio.to_thread(write_file, ctx.workspace, input.target_path, rendered)
    ctx.log.info(f"Template file has been written to {ctx.workspace.resolve(input.target_path)}")


def _extension(input: FetchTemplateInput) -> str | None:
    chosen = input.template_file_extension
    if not chosen:
        return None
    if input.copy_without_templating is not None or input.cookiecutter_compat:
        raise InputError("Fetch action input extension incompatible with copyWithoutTemplating and cookiecutterCompat")
    if chosen is True:
        return ".njk"
    return chosen if chosen.startswith(".") else f".{chosen}"


def _renderer(ctx: ActionContext, input: FetchTemplateInput | FetchTemplateFileInput) -> Renderer:
    return Renderer(
        ctx,
        input.values,
        cookiecutter_compat=input.cookiecutter_compat,
        trim_blocks=input.trim_blocks,
        lstrip_blocks=input.lstrip_blocks,
    )
