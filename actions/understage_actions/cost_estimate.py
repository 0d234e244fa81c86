"""`cost:estimate`: what manifests will cost a month, before anything is made of them."""

import asyncio
from decimal import Decimal
from typing import Annotated, Any

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, Example, InputError, action
from understage.sdk.cost import Assumptions, Estimate, describe_estimate, estimate_cost, money, read_prices
from understage_actions._manifests import read_manifests

Price = Annotated[float, Field(ge=0, lt=10**9, allow_inf_nan=False)]


class Prices(ActionModel):
    """A price list, in place of the platform's (`understage.costs`)."""

    currency: str = Field(default="USD", description="Currency of the prices")
    cpu_hour: Price = Field(description="Of a core for an hour")
    memory_gib_hour: Price = Field(description="Of a GiB of memory for an hour")
    storage_gib_month: Price = Field(description="Of a GiB of storage for a month")
    load_balancer_month: Price = Field(default=0, description="Of a load balancer for a month")
    storage_classes: dict[str, Price] = Field(
        default_factory=dict, description="Of a GiB for a month, of storage classes that cost something else"
    )


class CostEstimateInput(ActionModel):
    """Which manifests, and at what prices."""

    manifests: str | dict[str, Any] | list[dict[str, Any]] = Field(
        default_factory=list, description="Objects: one, a list, or YAML text"
    )
    files: list[str] = Field(
        default_factory=list, description="Files with objects: paths, folders or globs of the workspace"
    )
    prices: Prices | None = Field(default=None, description="Default: the platform's price list")
    job_minutes: int | None = Field(
        default=None,
        ge=1,
        le=44640,
        description="For how long a job runs that has no nearer deadline; default: the platform's",
    )
    nodes: int | None = Field(
        default=None, ge=1, le=100_000, description="On how many nodes a DaemonSet runs; default: the platform's"
    )
    limit: Price | None = Field(default=None, description="The step fails when a month costs more")


class CostLine(ActionModel):
    """One object that costs something."""

    kind: str
    name: str
    namespace: str | None
    pods: int = Field(description="How many pods there are at least")
    most_pods: int = Field(description="And at most, by its autoscaler")
    cpu: float = Field(description="Cores that its pods request together")
    memory_gib: float
    storage_gib: float
    monthly: float
    monthly_maximum: float
    notes: list[str] = Field(description="What was assumed")


class CostEstimateOutput(ActionModel):
    """What it costs."""

    monthly_total: float = Field(description="The sum a month, with the least number of pods")
    monthly_maximum: float = Field(description="The sum a month, with the most pods that autoscalers make")
    currency: str
    lines: list[CostLine]
    unknown_kinds: list[str] = Field(description="Kinds of objects that have no price here")
    markdown: str = Field(description="All of it as Markdown, for the output of the task or a pull request")


@action(
    "cost:estimate",
    description="""
    Estimates what manifests cost a month: requests of all pods (the least number an autoscaler makes), volumes, load balancers,
    and the time that CronJobs run, at the prices of `understage.costs`. Fails before anything is made when that exceeds `limit`.
    """,
    examples=[
        Example("What a chart renders", {"files": ["gitops/rendered/ledger-production.yaml"]}),
        Example(
            "At prices of the step, and no more than 200 a month",
            {
                "files": ["deploy/manifests"],
                "prices": {"currency": "EUR", "cpuHour": 0.03, "memoryGibHour": 0.004, "storageGibMonth": 0.1},
                "limit": 200,
            },
        ),
    ],
    supports_dry_run=True,
)
async def estimate(ctx: ActionContext, input: CostEstimateInput) -> CostEstimateOutput:
    """Read, reckon, tell."""
    costs = ctx.defaults.get("costs") or {}
    prices = read_prices(costs if input.prices is None else _as_costs(input.prices))
    assumed = Assumptions(
        nodes=input.nodes or costs.get("nodes") or 1, job_minutes=input.job_minutes or costs.get("jobMinutes") or 5
    )
    objects = await asyncio.to_thread(read_manifests, ctx, input.manifests, input.files)
    found = await asyncio.to_thread(estimate_cost, objects, prices, assumed)
    ctx.log.info(f"{len(objects)} objects cost about {money(found.monthly, prices.currency)} a month")
    if input.limit is not None and found.monthly > Decimal(str(input.limit)):
        raise InputError(
            f"This would cost {money(found.monthly, prices.currency)} a month, more than {input.limit:g}: ask for less "
            "(replicas, requests, storage), or for a higher limit"
        )
    return _output(found)


def _as_costs(prices: Prices) -> dict[str, Any]:
    given = prices.model_dump(by_alias=True)
    return {"currency": given.pop("currency"), "prices": given}


def _output(found: Estimate) -> CostEstimateOutput:
    return CostEstimateOutput(
        monthly_total=float(found.monthly),
        monthly_maximum=float(found.maximum),
        currency=found.prices.currency,
        lines=[
            CostLine(
                kind=line.kind,
                name=line.name,
                namespace=line.namespace,
                pods=line.pods,
                most_pods=line.most_pods,
                cpu=float(line.cpu),
                memory_gib=round(float(line.memory), 3),
                storage_gib=round(float(line.storage), 3),
                monthly=float(line.monthly),
                monthly_maximum=float(line.maximum),
                notes=list(line.notes),
            )
            for line in found.lines
        ],
        unknown_kinds=list(found.unknown_kinds),
        markdown=describe_estimate(found),
    )
