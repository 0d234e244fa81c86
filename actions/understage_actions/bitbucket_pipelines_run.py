"""`bitbucket:pipelines:run`: as the stock action (Backstage scaffolder-backend-module-bitbucket-cloud 0.3.11).

Bitbucket has nothing by which a run could be told from the next one: where a worker dies in the moment between the request
and its checkpoint, the pipeline runs again.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from understage.sdk import ActionContext, ActionModel, Example, action
from understage_actions._bitbucket import HOST, TokenText, page_of, repository
from understage_actions._calls import Calls, Number, require_user_token


class _Part(BaseModel):
    """A part of the request, whose members have the names that Bitbucket gives them."""

    model_config = ConfigDict(extra="forbid")


class Hash(_Part):
    """A commit by its hash."""

    hash: str


class Commit(_Part):
    """A commit."""

    type: str
    hash: str


class Selector(_Part):
    """Which pipeline of the file."""

    type: str
    pattern: str


class PullRequestId(_Part):
    """A pull request by its number."""

    id: str


class Target(_Part):
    """What the pipeline runs on."""

    ref_type: str | None = None
    type: str | None = None
    ref_name: str | None = None
    source: str | None = None
    destination: str | None = None
    destination_commit: Hash | None = None
    commit: Commit | None = None
    selector: Selector | None = None
    pull_request: PullRequestId | None = None


class Variable(_Part):
    """A variable of the pipeline."""

    key: str
    value: str
    secured: bool


class PipelineBody(_Part):
    """The request, as Bitbucket's API has it."""

    target: Target | None = None
    variables: list[Variable] | None = None


class PipelinesRunInput(ActionModel):
    """The pipeline."""

    workspace: str = Field(description="The workspace")
    repo_slug: str = Field(alias="repo_slug", description="The repository")
    body: PipelineBody | None = Field(default=None, description="The request, as Bitbucket's API has it")
    token: TokenText = None


class PipelinesRunOutput(ActionModel):
    """The run."""

    build_number: Number = Field(description="Number of the run")
    repo_url: str = Field(description="Page of the repository")
    pipelines_url: str = Field(description="Page of its pipelines")


@action(
    "bitbucket:pipelines:run",
    description="Starts a pipeline of a Bitbucket Cloud repository.",
    examples=[
        Example(
            "Run the pipeline of a branch",
            {
                "workspace": "acme",
                "repo_slug": "shop",
                "body": {"target": {"ref_type": "branch", "type": "pipeline_ref_target", "ref_name": "main"}},
            },
        ),
        Example(
            "Run a custom pipeline, with variables",
            {
                "workspace": "acme",
                "repo_slug": "shop",
                "body": {
                    "target": {
                        "ref_type": "branch",
                        "type": "pipeline_ref_target",
                        "ref_name": "main",
                        "selector": {"type": "custom", "pattern": "deploy"},
                    },
                    "variables": [{"key": "STAGE", "value": "test", "secured": False}],
                },
            },
        ),
    ],
    supports_dry_run=True,
)
async def run_pipeline(ctx: ActionContext, input: PipelinesRunInput) -> PipelinesRunOutput:
    """Start it."""
    require_user_token(ctx, HOST, input.token)
    calls = Calls(ctx, await ctx.ports.apis.get("bitbucketCloud", HOST, token=input.token))
    page = f"https://{HOST}/{input.workspace}/{input.repo_slug}"
    started: dict[str, Any] = await calls.write(
        "POST",
        f"{repository(input.workspace, input.repo_slug)}/pipelines",
        {} if input.body is None else input.body.model_dump(exclude_none=True),
        key=f"run.bitbucket.{input.workspace}.{input.repo_slug}",
        keep=lambda answer: {"number": answer["build_number"], "page": page_of(answer["repository"])},
        planned={"number": 0, "page": page},
        hide=("value",),
    )
    return PipelinesRunOutput(
        build_number=started["number"], repo_url=started["page"], pipelines_url=f"{started['page']}/pipelines"
    )
