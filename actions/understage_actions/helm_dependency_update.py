"""`helm:dependency-update`: the charts that a chart depends on, fetched into it."""

import asyncio
from pathlib import Path, PurePosixPath

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, Example, InputError, Workspace, action
from understage_actions._tree import Tree, copy_file, copy_tree, frozen, remove_tree

CHARTS = "charts"
LOCK = "Chart.lock"


class DependencyUpdateInput(ActionModel):
    """Which chart."""

    chart: str = Field(default=".", description="Folder of the workspace that holds Chart.yaml")


class DependencyUpdateOutput(ActionModel):
    """What is there now."""

    charts: list[str] = Field(description="What is under charts/: packed charts and folders")
    lock_path: str | None = Field(description="Chart.lock, relative to the workspace; null without dependencies")


@action(
    "helm:dependency-update",
    description="""
    Fetches the charts that Chart.yaml names under `dependencies` into `charts/`, and writes Chart.lock. Repositories are those
    of `understage.helm.repositories`; `file://` leads to other charts of the workspace.
    """,
    examples=[Example("Fetch what the chart of a service depends on", {"chart": "deploy"})],
    supports_dry_run=True,
)
async def dependency_update(ctx: ActionContext, input: DependencyUpdateInput) -> DependencyUpdateOutput:
    """Fetch. It reads from repositories and writes in the workspace only, so a dry run does the same."""
    place = ctx.workspace.resolve(input.chart)
    if not (place / "Chart.yaml").is_file():
        raise InputError(f"No chart {input.chart!r}: the workspace has no {input.chart}/Chart.yaml")
    chart = PurePosixPath(place.relative_to(ctx.workspace.path.resolve()))
    # Helm writes into the chart, and reads from others beside it: of copies, so that nothing is written through a link.
    root = await frozen(ctx, ".", links=False)
    await ctx.ports.helm.update_dependencies(root / chart, root=root)
    charts, is_locked = await asyncio.to_thread(_take_over, root / chart, ctx.workspace, chart)
    ctx.log.info(f"Dependencies of {input.chart}: {', '.join(charts) or 'none'}")
    return DependencyUpdateOutput(charts=charts, lock_path=str(chart / LOCK) if is_locked else None)


def _take_over(made: Path, workspace: Workspace, chart: PurePosixPath) -> tuple[list[str], bool]:
    """What Helm made of the chart; returns what is under charts/, and whether there is a lock."""
    folder, lock = made / CHARTS, made / LOCK
    charts = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    for name in workspace.names(chart / CHARTS):
        if name not in charts:
            remove_tree(workspace, chart / CHARTS / name)
    if charts:
        copy_tree(Tree(Workspace(folder)), workspace, str(chart / CHARTS))
    if lock.is_file():
        copy_file(Tree(Workspace(made)), PurePosixPath(LOCK), workspace, chart / LOCK)
    return charts, lock.is_file()
