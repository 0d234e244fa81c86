"""`helm:template`: the manifests of a chart, as a file of the workspace."""

import asyncio
from typing import Any

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, Example, action
from understage_actions._helm_inputs import find_chart, values_files
from understage_actions._kubernetes_names import check_label
from understage_actions._manifests import parse_manifests
from understage_actions._tree import write_file


class TemplateInput(ActionModel):
    """Which chart, with which values, written where."""

    chart: str = Field(
        description="The chart: a folder of the workspace that holds Chart.yaml, or the name of a chart of the platform"
    )
    release_name: str = Field(default="release", description="Name of the Helm release")
    namespace: str = Field(default="default", description="Namespace of the release")
    value_files: list[str] = Field(default_factory=list, description="Values files of the workspace, later ones win")
    values: dict[str, Any] = Field(default_factory=dict, description="Values over those of all files")
    include_crds: bool = Field(default=False, description="With the custom resource definitions under crds/")
    kube_version: str | None = Field(
        default=None, pattern=r"^v?[0-9]+(\.[0-9]+){0,2}$", description="Kubernetes version that the chart is told"
    )
    api_versions: list[str] = Field(default_factory=list, description="API versions that the chart is told of")
    target_path: str = Field(default="manifests.yaml", description="File of the workspace that is written")


class RenderedObject(ActionModel):
    """One object of the manifests."""

    api_version: str
    kind: str
    name: str
    namespace: str | None = None


class TemplateOutput(ActionModel):
    """What was rendered."""

    path: str = Field(description="The file, relative to the workspace")
    objects: list[RenderedObject] = Field(description="What is in it, in the order of the file")


@action(
    "helm:template",
    description="""
    Renders a chart's manifests into a file of the workspace: with no cluster, no plugins and no repositories, so the same
    chart and values give the same file.
    """,
    examples=[
        Example(
            "The manifests of a service's chart for production",
            {
                "chart": "deploy",
                "releaseName": "ledger",
                "namespace": "ledger-production",
                "valueFiles": ["deploy/environments/production.yaml"],
                "values": {"replicas": 3},
                "targetPath": "rendered/production.yaml",
            },
        )
    ],
    supports_dry_run=True,
)
async def template(ctx: ActionContext, input: TemplateInput) -> TemplateOutput:
    """Render, look into the result, write it. InputError in Helm's own words for what it refuses."""
    chart = await find_chart(ctx, input.chart)
    text = await ctx.ports.helm.template(
        chart,
        release=check_label(input.release_name, "releaseName", limit=53),
        namespace=check_label(input.namespace, "namespace"),
        values=await values_files(ctx, input.value_files, input.values),
        include_crds=input.include_crds,
        kube_version=input.kube_version,
        api_versions=input.api_versions,
    )
    manifests = await asyncio.to_thread(parse_manifests, text, input.target_path)
    write_file(ctx.workspace, input.target_path, text)
    ctx.log.info(f"Rendered {len(manifests)} objects of chart {chart.name} to {input.target_path}")
    objects = [
        RenderedObject(
            api_version=str(manifest.get("apiVersion")),
            kind=str(manifest["kind"]),
            name=str((manifest.get("metadata") or {}).get("name")),
            namespace=(manifest.get("metadata") or {}).get("namespace"),
        )
        for manifest in manifests
    ]
    return TemplateOutput(path=input.target_path, objects=objects)
