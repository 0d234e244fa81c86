"""`helm:render-values`: one values file out of base values, an overlay per environment and inline values."""

import asyncio
from typing import Any

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, Example, InputError, action
from understage.sdk.yaml import dump, parse_document
from understage_actions._helm_chart import Chart, load_chart
from understage_actions._helm_inputs import find_chart, values_files
from understage_actions._helm_layers import Layer, Layers
from understage_actions._helm_schema import check_values, has_schema
from understage_actions._kubernetes_names import check_label
from understage_actions._tree import write_file

Json = dict[str, Any]


class RenderValuesInput(ActionModel):
    """What to merge, for which chart, and where to write it."""

    chart: str = Field(
        description="The chart: a folder of the workspace that holds Chart.yaml, or the name of a chart of the platform"
    )
    base_values: dict[str, Any] | str | None = Field(
        default=None, description="Values under all others: a map, or the path of a YAML file of the workspace"
    )
    environment: str | None = Field(default=None, description="Which overlay to lay over the base values")
    overlays: dict[str, dict[str, Any] | str | None] = Field(
        default_factory=dict,
        description="Values by environment: a map, or the path of a YAML file of the workspace; null for no difference",
    )
    values: dict[str, Any] = Field(default_factory=dict, description="Values over all others; a null deletes a key")
    target_path: str = Field(default="values.yaml", description="Where the values file is written")
    manifests_path: str | None = Field(
        default=None, description="Where the rendered manifests are written, when Helm is installed"
    )
    release_name: str | None = Field(
        default=None, description="Helm release, for the manifests; default: the chart's name"
    )
    namespace: str = Field(default="default", description="Namespace, for the manifests")


class ChartInfo(ActionModel):
    """Which chart it was."""

    name: str
    version: str


class RenderValuesOutput(ActionModel):
    """What was written."""

    path: str = Field(description="The values file, relative to the workspace")
    values: dict[str, Any] = Field(description="The merged values, as in the file")
    sources: dict[str, str] = Field(
        description="Which layer set what: dotted path to `base values`, `overlay …` or `inline values`"
    )
    manifests_path: str | None = Field(
        description="The rendered manifests, relative to the workspace; null without Helm"
    )
    chart: ChartInfo


_EXAMPLES = [
    Example(
        "Values of a service for production, over a chart of the platform",
        {
            "chart": "base-service",
            "environment": "production",
            "baseValues": {"image": {"repository": "registry.example.com/payments/ledger", "tag": "1.0.0"}},
            "overlays": {"development": None, "production": {"replicas": 3}},
            "values": {"service": {"port": 80}},
            "targetPath": "deploy/environments/production.yaml",
        },
    ),
    Example(
        "A null deletes a default of the chart",
        {
            "chart": "base-service",
            "values": {
                "image": {"repository": "registry.example.com/payments/ledger"},
                "resources": {"limits": {"cpu": None}},
            },
        },
        notes="The CPU limit is left to the namespace's LimitRange",
    ),
]


@action(
    "helm:render-values",
    description="""
    Merges base values, the overlay of an environment and inline values as Helm does (a null deletes a key), checks the
    result by the schemas of the chart and its dependencies, and writes it as a YAML file that is the same for the same input.
    """,
    examples=_EXAMPLES,
    supports_dry_run=True,
)
async def render_values(ctx: ActionContext, input: RenderValuesInput) -> RenderValuesOutput:
    """Merge, check, write; render the manifests when asked and Helm is there. InputError names path and layer."""
    chart = await asyncio.to_thread(load_chart, await find_chart(ctx, input.chart))
    defaults = chart.coalesce({})
    layers = Layers(_read_layers(ctx, input), defaults)
    coalesced = chart.coalesce(layers.values)
    if not has_schema(chart, coalesced):
        ctx.log.warn(f"Chart {chart.name} {chart.version} has no values.schema.json: unknown keys are not found")
    check_values(chart, coalesced, layers)
    text = dump(layers.values, header=_header(chart, input), sort_keys=True)
    write_file(ctx.workspace, input.target_path, text)
    sources = layers.sources()
    ctx.log.info(f"Wrote {input.target_path} for chart {chart.name} {chart.version}")
    for path, label in sources.items():
        ctx.log.info(f"  {path}: {label}")
    rendered = await _render_manifests(ctx, input, chart)
    return RenderValuesOutput(
        path=input.target_path,
        values=layers.values,
        sources=sources,
        manifests_path=rendered,
        chart=ChartInfo(name=chart.name, version=chart.version),
    )


def _read_layers(ctx: ActionContext, input: RenderValuesInput) -> list[Layer]:
    layers = [Layer("base values", _read_values(ctx, input.base_values, "baseValues"))]
    if input.environment is not None:
        check_label(input.environment, "environment")
        if input.overlays and input.environment not in input.overlays:
            raise InputError(
                f"No overlay for environment {input.environment!r}: there are {', '.join(sorted(input.overlays))}. Add "
                f"`{input.environment}: null` when it has nothing of its own"
            )
        overlay = input.overlays.get(input.environment)
        key = f"overlays.{input.environment}"
        layers.append(Layer(f"overlay {input.environment}", _read_values(ctx, overlay, key)))
    layers.append(Layer("inline values", input.values))
    return layers


def _read_values(ctx: ActionContext, values: Json | str | None, key: str) -> Json:
    if values is None or isinstance(values, dict):
        return values or {}
    if not ctx.workspace.resolve(values).is_file():
        raise InputError(f"{key}: the workspace has no file {values}")
    document = parse_document(ctx.workspace.read_bytes(values), values)
    if document.value is not None and not isinstance(document.value, dict):
        raise document.error("a values file must be a map")
    return document.value or {}


def _header(chart: Chart, input: RenderValuesInput) -> str:
    layers: list[str] = ["base values"] if input.base_values else []
    layers += [f"overlay {input.environment}"] if input.environment else []
    layers += ["inline values"] if input.values else []
    where = f" in environment {input.environment}" if input.environment else ""
    return (
        f"Values for chart {chart.name} {chart.version}{where}.\n"
        f"Written by helm:render-values from {', '.join(layers) or 'nothing'}; checked by the chart's schema.\n"
        "What is not set here has the default of the chart's values.yaml."
    )


async def _render_manifests(ctx: ActionContext, input: RenderValuesInput, chart: Chart) -> str | None:
    if input.manifests_path is None:
        return None
    if not ctx.ports.helm.is_available():
        ctx.log.warn(f"Helm is not installed: {input.manifests_path} is not rendered")
        return None
    release = check_label(input.release_name or chart.name, "releaseName", limit=53)
    manifests = await ctx.ports.helm.template(
        chart.folder,
        release=release,
        namespace=check_label(input.namespace, "namespace"),
        values=await values_files(ctx, [input.target_path], {}),
    )
    write_file(ctx.workspace, input.manifests_path, manifests)
    ctx.log.info(f"Rendered the manifests to {input.manifests_path}")
    return input.manifests_path
