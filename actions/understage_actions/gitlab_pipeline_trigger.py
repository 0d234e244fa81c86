"""`gitlab:pipeline:trigger`: as the stock action (Backstage scaffolder-backend-module-gitlab 0.12.0).

GitLab has nothing by which a pipeline could be told from the next one: where a worker dies in the moment between the trigger
and its checkpoint, the pipeline is triggered again.
"""

from typing import Any

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, Example, InputError, UnderstageError, action
from understage_actions._calls import HIDDEN, Number, given
from understage_actions._gitlab import PLANNED_ID, Gitlab, HostText, TokenText, fields, open_gitlab, project


class TriggerInput(ActionModel):
    """The pipeline."""

    repo_url: HostText
    token: TokenText = None
    project_id: Number = Field(description="Number of the project")
    token_description: str = Field(description="What the trigger token is called, which is made for this and removed")
    branch: str = Field(description="Branch that the pipeline runs on")
    variables: dict[str, str] | None = Field(default=None, description="Variables of the pipeline")


class TriggerOutput(ActionModel):
    """The pipeline."""

    pipeline_url: str = Field(description="Page of the pipeline")


@action(
    "gitlab:pipeline:trigger",
    description="Starts a pipeline of a GitLab project, by a trigger token that is removed afterwards.",
    examples=[
        Example(
            "Start a pipeline",
            {"repoUrl": "gitlab.com", "projectId": 12, "tokenDescription": "scaffolder", "branch": "main"},
        ),
        Example(
            "With variables",
            {
                "repoUrl": "gitlab.com?repo=web&owner=acme",
                "projectId": 12,
                "tokenDescription": "scaffolder",
                "branch": "main",
                "variables": {"ENVIRONMENT": "staging"},
            },
        ),
    ],
    supports_dry_run=True,
)
async def trigger(ctx: ActionContext, input: TriggerInput) -> TriggerOutput:
    """Make a token, use it, remove it."""
    gitlab = await open_gitlab(ctx, input.repo_url, input.token)

    async def run() -> str:
        return await _trigger(gitlab, input)

    if ctx.is_dry_run:
        return TriggerOutput(pipeline_url=await run())
    key = f"trigger.pipeline.{input.project_id}.{input.branch}.{input.token_description}"
    return TriggerOutput(pipeline_url=await ctx.checkpoint(key, run))


async def _trigger(gitlab: Gitlab, input: TriggerInput) -> str:
    calls, path = gitlab.calls, project(input.project_id)
    made: dict[str, Any] = await calls.write(
        "POST",
        f"{path}/triggers",
        {"description": input.token_description},
        key=None,
        keep=lambda answer: {"id": answer["id"], "token": calls.ctx.hide(answer["token"])},
        planned={"id": PLANNED_ID, "token": HIDDEN},
    )
    page = f"{gitlab.web_url}{path}/pipelines/{PLANNED_ID}"
    try:
        pipeline: dict[str, Any] = await calls.write(
            "POST",
            f"{path}/trigger/pipeline",
            given(ref=input.branch, token=made["token"], variables=input.variables),
            key=None,
            keep=lambda answer: fields(answer, "id", "web_url"),
            planned={"id": PLANNED_ID, "web_url": page},
            hide=("token",),
        )
    finally:
        try:
            await calls.write("DELETE", f"{path}/triggers/{made['id']}", key=None)
        except UnderstageError as error:
            calls.ctx.log.error(f"Failed to delete pipeline trigger token {made['id']}: {error.message}")
    if not pipeline["id"]:
        raise InputError(f"Failed to trigger pipeline for project {input.project_id}")
    return str(pipeline["web_url"])
