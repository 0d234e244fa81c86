"""`github:actions:dispatch`: as the stock action (Backstage scaffolder-backend-module-github 0.10.0).

GitHub has nothing by which a dispatch could be told from the next one: where a worker dies in the moment between a dispatch
and its checkpoint, the workflow is dispatched again.
"""

from typing import Any

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, Example, UnderstageError, action
from understage_actions._calls import Number, given, segment
from understage_actions._github import RepoUrlText, TokenText, open_github


class DispatchInput(ActionModel):
    """The workflow, and what it runs on."""

    repo_url: RepoUrlText
    workflow_id: str = Field(description="File name of the workflow, such as `build.yaml`, or its number")
    branch_or_tag_name: str = Field(description="Branch or tag that the workflow runs on")
    workflow_inputs: dict[str, str] | None = Field(
        default=None, description="Inputs of the workflow by name, as its file declares them under workflow_dispatch"
    )
    return_workflow_run_details: bool | None = Field(
        default=None, description="Whether to give number and URLs of the run as outputs"
    )
    token: TokenText = None


class DispatchOutput(ActionModel):
    """The run, when it was asked for."""

    workflow_run_id: Number | None = Field(default=None, description="Number of the run")
    workflow_run_url: str | None = Field(default=None, description="The run in GitHub's API")
    workflow_run_html_url: str | None = Field(default=None, description="Page of the run")


@action(
    "github:actions:dispatch",
    description="Starts a GitHub Actions workflow on a branch or tag.",
    examples=[
        Example(
            "Start a workflow",
            {"repoUrl": "github.com?repo=web&owner=acme", "workflowId": "build.yaml", "branchOrTagName": "main"},
        ),
        Example(
            "Hand inputs over, and know the run",
            {
                "repoUrl": "github.com?repo=web&owner=acme",
                "workflowId": "deploy.yaml",
                "branchOrTagName": "main",
                "workflowInputs": {"environment": "staging"},
                "returnWorkflowRunDetails": True,
            },
        ),
    ],
    supports_dry_run=True,
)
async def dispatch(ctx: ActionContext, input: DispatchInput) -> DispatchOutput:
    """Dispatch a workflow."""
    ctx.log.info(f"Dispatching workflow {input.workflow_id} for repo {input.repo_url} on {input.branch_or_tag_name}")
    github = await open_github(ctx, input.repo_url, input.token)
    wants_details = bool(input.return_workflow_run_details)
    body = given(ref=input.branch_or_tag_name, inputs=input.workflow_inputs, return_run_details=wants_details or None)
    try:
        run = await github.calls.write(
            "POST",
            f"{github.path}/actions/workflows/{segment(input.workflow_id)}/dispatches",
            body,
            key=f"create.workflow.dispatch.{github.key}.{input.workflow_id}",
            keep=_details if wants_details else None,
        )
    except UnderstageError as error:
        ctx.log.warn(f"Failed: dispatching workflow '{input.workflow_id}' on repo: '{github.repo}', {error.message}")
        raise
    if not ctx.is_dry_run:
        ctx.log.info(f"Workflow {input.workflow_id} dispatched successfully")
    if not run:
        return DispatchOutput()
    if run.get("workflow_run_html_url"):
        ctx.log.info(f"Workflow run url: {run['workflow_run_html_url']}")
    return DispatchOutput(**run)


def _details(answer: Any) -> dict[str, Any] | None:
    if not answer:
        return None
    return {
        "workflow_run_id": answer.get("workflow_run_id"),
        "workflow_run_url": answer.get("run_url"),
        "workflow_run_html_url": answer.get("html_url"),
    }
