"""The chart and the values that a step of `helm:*` names. Called by the actions."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from understage.sdk import ActionContext, InputError
from understage.sdk.yaml import dump
from understage_actions._tree import frozen

Json = dict[str, Any]


async def find_chart(ctx: ActionContext, chart: str) -> Path:
    """The folder of a chart: a frozen one of the workspace, else the platform's of that name.

    Raises InputError that names those there are.
    """
    if (ctx.workspace.resolve(chart) / "Chart.yaml").is_file():
        return await frozen(ctx, chart)
    charts = ctx.defaults.get("chartsDirectory")
    known = _charts_in(Path(charts)) if charts else []
    if charts and chart in known:
        return Path(charts) / chart
    there = f"the charts of the platform are {', '.join(known)}" if known else "the platform has no charts of its own"
    raise InputError(f"No chart {chart!r}: the workspace has no {chart}/Chart.yaml, and {there}")


def _charts_in(folder: Path) -> list[str]:
    return sorted(file.parent.name for file in folder.glob("*/Chart.yaml"))


async def values_files(ctx: ActionContext, files: Sequence[str], values: Json) -> list[Path]:
    """The values files of the workspace, frozen, and after them the inline values as a file outside of it."""
    found: list[Path] = []
    for file in files:
        if not ctx.workspace.resolve(file).is_file():
            raise InputError(f"valueFiles: the workspace has no file {file}")
        found.append(await frozen(ctx, file))
    if values:
        inline = ctx.temporary_directory() / "values.yaml"
        inline.write_text(dump(values))
        found.append(inline)
    return found
