"""`argocd:delete-app`: an Application, and what it deployed, taken away."""

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, Example, action
from understage_actions._argocd_wait import wait_until_gone
from understage_actions._argocd_ways import find_own_application, need_way
from understage_actions._kubernetes_names import check_label, team_name


class DeleteAppInput(ActionModel):
    """Which Application, of whom."""

    name: str = Field(description="Name of the Application")
    team: str = Field(description="Who owns it: the name or the entity ref of a group; also the AppProject")
    cascade: bool = Field(default=True, description="Delete what it deployed, too")
    argocd: str | None = Field(
        default=None, description="Name of a configured Argo CD instance; default: the first one"
    )
    cluster: str | None = Field(
        default=None, description="Name of the cluster that Argo CD runs in, without its REST API"
    )
    wait: bool = Field(default=True, description="Wait until it is gone")
    wait_timeout: int = Field(default=300, ge=1, le=3600, description="How long to wait, in seconds")


class DeleteAppOutput(ActionModel):
    """What was done."""

    name: str
    deleted: bool = Field(description="false: it was not there, or a dry run")


@action(
    "argocd:delete-app",
    description="Deletes an Argo CD Application of a team and what it deployed; one that is not there is no error.",
    examples=[Example("Take a preview away", {"name": "ledger-preview", "team": "group:default/payments"})],
    supports_dry_run=True,
)
async def delete_app(ctx: ActionContext, input: DeleteAppInput) -> DeleteAppOutput:
    """Delete, and wait until it is gone. ConflictError for another team's Application."""
    name = check_label(input.name, "name", limit=53)
    way = need_way(ctx, instance=input.argocd, cluster=input.cluster)
    if await find_own_application(way, name, team_name(input.team)) is None:
        ctx.log.info(f"Application {name} is not there in {way.place}")
        return DeleteAppOutput(name=name, deleted=False)
    if ctx.is_dry_run:
        ctx.log.info(f"Would delete Application {name} from {way.place}")
        return DeleteAppOutput(name=name, deleted=False)
    await way.delete_application(name, cascade=input.cascade)
    ctx.log.info(f"Began to delete Application {name} from {way.place}")
    if input.wait:
        await wait_until_gone(ctx, way, name, input.wait_timeout)
    return DeleteAppOutput(name=name, deleted=True)
