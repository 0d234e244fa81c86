"""`helm:package`: a chart as one file."""

from pathlib import PurePosixPath

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, Example, Workspace, action
from understage_actions._helm_inputs import find_chart
from understage_actions._tree import Tree, copy_file

VERSION = r"^v?[0-9]+(\.[0-9]+){0,2}(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$"


class PackageInput(ActionModel):
    """Which chart, under which version, into which folder."""

    chart: str = Field(
        description="The chart: a folder of the workspace that holds Chart.yaml, or the name of a chart of the platform"
    )
    version: str | None = Field(default=None, pattern=VERSION, description="Version in place of the one of Chart.yaml")
    app_version: str | None = Field(default=None, description="appVersion in place of the one of Chart.yaml")
    target_path: str = Field(default=".", description="Folder of the workspace for the file")


class PackageOutput(ActionModel):
    """What was made."""

    path: str = Field(description="The packed chart, relative to the workspace")


@action(
    "helm:package",
    description="Packs a chart into a file `<name>-<version>.tgz` of the workspace.",
    examples=[
        Example("Pack a chart as its next version", {"chart": "deploy", "version": "1.2.0", "targetPath": "dist"})
    ],
    supports_dry_run=True,
)
async def package(ctx: ActionContext, input: PackageInput) -> PackageOutput:
    """Pack outside of the workspace, so that no package is packed into the next one by accident; then move it."""
    made = await ctx.ports.helm.package(
        await find_chart(ctx, input.chart),
        ctx.temporary_directory(),
        version=input.version,
        app_version=input.app_version,
    )
    relative = f"{input.target_path.rstrip('/')}/{made.name}".removeprefix("./")
    copy_file(Tree(Workspace(made.parent)), PurePosixPath(made.name), ctx.workspace, relative)
    ctx.log.info(f"Packed {input.chart} as {relative}")
    return PackageOutput(path=relative)
