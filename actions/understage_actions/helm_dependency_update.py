"""`helm:dependency-update`: the charts that a chart depends on, fetched into it."""

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, Example, action
from understage_actions._helm_inputs import find_own_chart


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
    chart = find_own_chart(ctx, input.chart)
    await ctx.ports.helm.update_dependencies(chart, root=ctx.workspace.path)
    folder, lock = chart / "charts", chart / "Chart.lock"
    charts = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    ctx.log.info(f"Dependencies of {input.chart}: {', '.join(charts) or 'none'}")
    root = ctx.workspace.path.resolve()
    return DependencyUpdateOutput(charts=charts, lock_path=str(lock.relative_to(root)) if lock.is_file() else None)
