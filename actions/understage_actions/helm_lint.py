"""`helm:lint`: what Helm finds wrong with a chart."""

from typing import Any, Literal

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, Example, InputError, action
from understage_actions._helm_inputs import find_chart, values_files
from understage_actions._kubernetes_names import check_label

RANKS = ("INFO", "WARNING", "ERROR")


class LintInput(ActionModel):
    """Which chart, with which values, and what is too bad to go on."""

    chart: str = Field(
        description="The chart: a folder of the workspace that holds Chart.yaml, or the name of a chart of the platform"
    )
    value_files: list[str] = Field(default_factory=list, description="Values files of the workspace, later ones win")
    values: dict[str, Any] = Field(default_factory=dict, description="Values over those of all files")
    namespace: str = Field(default="default", description="Namespace of the release")
    fail_on: Literal["warning", "error", "never"] = Field(
        default="error", description="From which severity on the step fails"
    )


class Finding(ActionModel):
    """One finding."""

    severity: Literal["INFO", "WARNING", "ERROR"]
    message: str


class LintOutput(ActionModel):
    """What was found."""

    findings: list[Finding]


@action(
    "helm:lint",
    description="Checks a chart by `helm lint`, logs what it finds, and fails on errors (or on warnings too, or never).",
    examples=[
        Example("Fail on errors", {"chart": "deploy"}),
        Example(
            "Fail on warnings too, with the values of an environment",
            {"chart": "deploy", "valueFiles": ["deploy/environments/production.yaml"], "failOn": "warning"},
        ),
    ],
    supports_dry_run=True,
)
async def lint(ctx: ActionContext, input: LintInput) -> LintOutput:
    """Lint; InputError with all findings that are too bad."""
    chart = await find_chart(ctx, input.chart)
    values = await values_files(ctx, input.value_files, input.values)
    namespace = check_label(input.namespace, "namespace")
    found = await ctx.ports.helm.lint(chart, values=values, namespace=namespace)
    for severity, message in found:
        write = {"ERROR": ctx.log.error, "WARNING": ctx.log.warn}.get(severity, ctx.log.info)
        write(f"{severity}: {message}")
    if input.fail_on != "never":
        limit = RANKS.index(input.fail_on.upper())
        bad = [message for severity, message in found if RANKS.index(severity) >= limit]
        if bad:
            raise InputError(f"The chart {chart.name} is not right: {'; '.join(bad)}")
    if not found:
        ctx.log.info(f"Nothing is wrong with the chart {chart.name}")
    return LintOutput.model_validate({"findings": [{"severity": each, "message": text} for each, text in found]})
