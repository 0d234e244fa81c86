"""`argocd:sync` and `argocd:wait`: an Application brought to what its repository says, and waited for."""

from pydantic import Field

from understage.sdk import (
    ActionContext,
    ActionModel,
    Application,
    ConflictError,
    Example,
    InputError,
    NotFoundError,
    action,
)
from understage_actions._argocd_wait import wait_for_operation, wait_until_healthy
from understage_actions._argocd_ways import ApiWay, Way, find_own_application, need_way
from understage_actions._kubernetes_names import check_label, team_name


class WaitInput(ActionModel):
    """For which Application to wait, and how long."""

    name: str = Field(description="Name of the Application")
    argocd: str | None = Field(
        default=None, description="Name of a configured Argo CD instance; default: the first one"
    )
    cluster: str | None = Field(default=None, description="Name of the configured cluster it is deployed to")
    timeout: int = Field(default=300, ge=1, le=3600, description="How long to wait, in seconds")


class SyncInput(ActionModel):
    """Which Application, of whom, to what."""

    name: str = Field(description="Name of the Application")
    team: str = Field(description="Who owns it: the name or the entity ref of a group; also the AppProject")
    revision: str | None = Field(
        default=None, pattern=r"^[^-\s][^\s]*$", description="Branch, tag or commit; default: the Application's own"
    )
    prune: bool = Field(default=False, description="Delete what the repository does not have any more")
    argocd: str | None = Field(
        default=None, description="Name of a configured Argo CD instance; default: the first one"
    )
    cluster: str | None = Field(default=None, description="Name of the configured cluster it is deployed to")
    wait: bool = Field(default=True, description="Wait until the Application is Synced and Healthy")
    wait_timeout: int = Field(default=300, ge=1, le=3600, description="How long to wait, in seconds")


class StateOutput(ActionModel):
    """The state at the end; nothing where it was not waited for."""

    name: str
    sync: str | None = Field(default=None, description="Synced, OutOfSync, Unknown")
    health: str | None = Field(default=None, description="Healthy, Progressing …")
    revision: str | None = Field(default=None, description="The commit that is deployed")


@action(
    "argocd:wait",
    description="Waits until an Argo CD Application is Synced and Healthy; logs what changes, and says why it fails.",
    examples=[Example("Wait for a deployment", {"name": "ledger-production", "timeout": 600})],
    supports_dry_run=True,
)
async def wait(ctx: ActionContext, input: WaitInput) -> StateOutput:
    """Wait. ForeignError with Argo CD's reason, NotFoundError for an Application that is not there."""
    name = check_label(input.name, "name", limit=53)
    way = need_way(ctx, instance=input.argocd, cluster=input.cluster)
    if ctx.is_dry_run:
        ctx.log.info(f"Would wait up to {input.timeout} s for Application {name} in {way.place}")
        return StateOutput(name=name)
    return _output(await _wait(ctx, way, name, input.timeout, input.cluster))


@action(
    "argocd:sync",
    description="Syncs an Argo CD Application of a team by the REST API, and waits until it is Synced and Healthy.",
    examples=[
        Example("Deploy what the repository says", {"name": "ledger-production", "team": "group:default/payments"}),
        Example(
            "Deploy a tag, and delete what it does not have",
            {"name": "ledger-production", "team": "payments", "revision": "v1.2.0", "prune": True},
        ),
    ],
    supports_dry_run=True,
)
async def sync(ctx: ActionContext, input: SyncInput) -> StateOutput:
    """Begin a sync, or take part in the one that runs; wait for it. ConflictError for another team's Application."""
    name = check_label(input.name, "name", limit=53)
    way = need_way(ctx, instance=input.argocd, cluster=input.cluster)
    if not isinstance(way, ApiWay):
        raise InputError("argocd:sync needs Argo CD's REST API: name an instance in argocd.appLocatorMethods")
    before = await find_own_application(way, name, team_name(input.team))
    if before is None:
        if ctx.is_dry_run:
            ctx.log.info(f"Would sync Application {name} in {way.place}, which is not there yet")
            return StateOutput(name=name)
        raise NotFoundError(
            f"Application {name} does not exist in {way.place}: register it by argocd:register-app first"
        )
    if ctx.is_dry_run:
        ctx.log.info(f"Would sync Application {name} in {way.place}")
        return StateOutput(name=name)
    try:
        await way.argocd.sync_application(name, revision=input.revision, prune=input.prune)
        ctx.log.info(f"Began to sync Application {name} in {way.place}")
    except ConflictError:
        if input.revision is not None:
            raise
        ctx.log.info(f"Application {name} in {way.place} is being synced already")
    if not input.wait:
        return StateOutput(name=name)
    await wait_for_operation(way, name, before, input.wait_timeout)
    return _output(await _wait(ctx, way, name, input.wait_timeout, input.cluster))


async def _wait(ctx: ActionContext, way: Way, name: str, timeout: float, cluster: str | None) -> Application:
    if await way.get("Application", name) is None:
        raise NotFoundError(f"Application {name} does not exist in {way.place}")
    return await wait_until_healthy(ctx, way, name, timeout, ctx.ports.clusters.get(cluster))


def _output(state: Application) -> StateOutput:
    return StateOutput(name=state.name, sync=state.sync, health=state.health, revision=state.revision)
