"""The chart and the values that a step of `helm:*` names. Called by the actions."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from understage.sdk import ActionContext, InputError
from understage.sdk.yaml import dump

Json = dict[str, Any]


def find_chart(ctx: ActionContext, chart: str) -> Path:
    """The folder of a chart: one of the workspace, else the platform's of that name. InputError names those there are."""
    inside = ctx.workspace.resolve(chart)
    if (inside / "Chart.yaml").is_file():
        return inside
    known: list[str] = []
    if charts := ctx.defaults.get("chartsDirectory"):
        root = Path(charts)
        known = sorted(folder.parent.name for folder in root.glob("*/Chart.yaml"))
        if chart in known:
            return root / chart
    there = f"the charts of the platform are {', '.join(known)}" if known else "the platform has no charts of its own"
    raise InputError(f"No chart {chart!r}: the workspace has no {chart}/Chart.yaml, and {there}")


def find_own_chart(ctx: ActionContext, chart: str) -> Path:
    """The folder of a chart of the workspace."""
    folder = ctx.workspace.resolve(chart)
    if not (folder / "Chart.yaml").is_file():
        raise InputError(f"No chart {chart!r}: the workspace has no {chart}/Chart.yaml")
    return folder


def values_files(ctx: ActionContext, files: Sequence[str], values: Json) -> list[Path]:
    """The values files of the workspace, and after them the inline values as a file outside of it."""
    found: list[Path] = []
    for file in files:
        path = ctx.workspace.resolve(file)
        if not path.is_file():
            raise InputError(f"valueFiles: the workspace has no file {file}")
        found.append(path)
    if values:
        inline = ctx.temporary_directory() / "values.yaml"
        inline.write_text(dump(values))
        found.append(inline)
    return found
