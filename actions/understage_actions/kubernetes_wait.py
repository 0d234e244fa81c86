"""`kubernetes:wait`: until objects of a cluster are ready, there, gone, or in a state."""

from typing import Any

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, Example, InputError, action
from understage_actions._kubernetes_names import check_namespace
from understage_actions._kubernetes_wait import parse_for, wait_for


class WaitedObject(ActionModel):
    """Which object."""

    api_version: str = Field(default="v1", description="Group and version, as in a manifest")
    kind: str = Field(description="Kind, as in a manifest")
    name: str = Field(description="Name")
    namespace: str | None = Field(default=None, description="Namespace; default: the step's")


class WaitInput(ActionModel):
    """For what to wait, and how long."""

    objects: list[WaitedObject] = Field(min_length=1, max_length=100, description="The objects")
    for_: str = Field(
        default="ready",
        alias="for",
        description="ready, create, delete, condition=Name[=Status] or jsonpath={.path}[=value], as `kubectl wait` has them",
    )
    namespace: str | None = Field(default=None, description="Namespace of the objects that name none")
    cluster: str | None = Field(default=None, description="Name of a configured cluster; default: the first one")
    timeout: int = Field(default=300, ge=1, le=3600, description="How long to wait, in seconds")


class ObservedObject(ActionModel):
    """How an object was found at the end."""

    api_version: str
    kind: str
    name: str
    namespace: str | None = None
    status: dict[str, Any] = Field(default_factory=dict, description="Its status; empty for what is gone")


class WaitOutput(ActionModel):
    """What was waited for."""

    objects: list[ObservedObject]


@action(
    "kubernetes:wait",
    description="""
    Waits until objects are ready (by kind: rolled out, complete, bound, established …), there, gone, or in a state; logs each
    change, and fails at once when one of them has failed for good.
    """,
    examples=[
        Example(
            "Until a Deployment is rolled out",
            {
                "namespace": "ledger-production",
                "objects": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "ledger"}],
            },
        ),
        Example(
            "Until a database has an address",
            {
                "namespace": "ledger-production",
                "objects": [{"apiVersion": "example.com/v1", "kind": "Database", "name": "ledger"}],
                "for": "jsonpath={.status.address}",
                "timeout": 1200,
            },
        ),
    ],
    supports_dry_run=True,
)
async def wait(ctx: ActionContext, input: WaitInput) -> WaitOutput:
    """Wait; in a dry run say for what. ForeignError with the states at the time limit."""
    parse_for(input.for_)
    cluster = ctx.ports.clusters.get(input.cluster)
    if cluster is None:
        raise InputError(
            "No cluster is configured, so there is nothing to wait for: name one in kubernetes.clusterLocatorMethods or "
            "understage.kubernetes.clusters"
        )
    manifests: list[dict[str, Any]] = []
    for each in input.objects:
        metadata: dict[str, Any] = {"name": each.name}
        if namespace := each.namespace or input.namespace:
            metadata["namespace"] = check_namespace(namespace)
        manifests.append({"apiVersion": each.api_version, "kind": each.kind, "metadata": metadata})
    names = ", ".join(f"{each.kind} {each.name}" for each in input.objects)
    if ctx.is_dry_run:
        ctx.log.info(f"Would wait up to {input.timeout} s in cluster {cluster.name} for {names}: {input.for_}")
        found: list[dict[str, Any]] = [{} for _ in manifests]
    else:
        found = await wait_for(ctx, cluster, manifests, input.for_, input.timeout)
    return WaitOutput(
        objects=[
            ObservedObject(
                api_version=manifest["apiVersion"],
                kind=manifest["kind"],
                name=manifest["metadata"]["name"],
                namespace=manifest["metadata"].get("namespace"),
                status=state.get("status") or {},
            )
            for manifest, state in zip(manifests, found, strict=True)
        ]
    )
