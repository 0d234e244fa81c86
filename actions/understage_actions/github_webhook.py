"""`github:webhook`: as the stock action (Backstage scaffolder-backend-module-github 0.10.0); a failure only warns."""

from typing import Literal

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, Example, UnderstageError, action
from understage_actions._calls import given
from understage_actions._github import RepoUrlText, TokenText, open_github

WebhookEvent = Literal[
    "branch_protection_rule", "check_run", "check_suite", "code_scanning_alert", "commit_comment", "create", "delete",
    "dependabot_alert", "deploy_key", "deployment", "deployment_status", "discussion", "discussion_comment", "fork",
    "github_app_authorization", "gollum", "installation", "installation_repositories", "installation_target",
    "issue_comment", "issues", "label", "marketplace_purchase", "member", "membership", "merge_group", "meta", "milestone",
    "org_block", "organization", "package", "page_build", "ping", "project", "project_card", "project_column",
    "projects_v2_item", "public", "pull_request", "pull_request_review", "pull_request_review_comment",
    "pull_request_review_thread", "push", "registry_package", "release", "repository", "repository_dispatch",
    "repository_import", "repository_vulnerability_alert", "secret_scanning_alert", "security_advisory", "sponsorship",
    "star", "status", "team", "team_add", "watch", "workflow_dispatch", "workflow_job", "workflow_run",
]  # fmt: skip
"""The events of repositories, organizations and apps (docs.github.com, webhook events and payloads)."""


def _pushes() -> list[WebhookEvent]:
    return ["push"]


class CreateWebhookInput(ActionModel):
    """The webhook."""

    repo_url: RepoUrlText
    webhook_url: str = Field(description="URL that GitHub sends the events to")
    webhook_secret: str | None = Field(default=None, description="Key that GitHub signs what it sends with")
    events: list[WebhookEvent] | list[Literal["*"]] = Field(
        default_factory=_pushes,
        description='Events that are sent; ["*"] are all of them',
        json_schema_extra={"default": ["push"]},
    )
    active: bool = Field(default=True, description="Whether events are sent from now on")
    content_type: Literal["form", "json"] = Field(default="form", description="How what is sent is written")
    insecure_ssl: bool = Field(default=False, description="Send to a host whose certificate cannot be verified, too")
    token: TokenText = None


@action(
    "github:webhook",
    description="Makes GitHub send events of a repository to a URL. What GitHub refuses is only logged.",
    examples=[
        Example(
            "Send pushes",
            {"repoUrl": "github.com?repo=web&owner=acme", "webhookUrl": "https://ci.example.org/hooks/github"},
        ),
        Example(
            "Send signed JSON of two events",
            {
                "repoUrl": "github.com?repo=web&owner=acme",
                "webhookUrl": "https://ci.example.org/hooks/github",
                "webhookSecret": "${{ secrets.HOOK_KEY }}",
                "events": ["push", "pull_request"],
                "contentType": "json",
            },
        ),
        Example(
            "Send everything",
            {
                "repoUrl": "github.com?repo=web&owner=acme",
                "webhookUrl": "https://ci.example.org/hooks/github",
                "events": ["*"],
            },
        ),
    ],
    supports_dry_run=True,
)
async def create_webhook(ctx: ActionContext, input: CreateWebhookInput) -> None:
    """Create a webhook."""
    ctx.log.info(f"Creating webhook {input.webhook_url} for repo {input.repo_url}")
    github = await open_github(ctx, input.repo_url, input.token)
    path = f"{github.path}/hooks"
    config = given(
        url=input.webhook_url,
        content_type=input.content_type,
        secret=input.webhook_secret,
        insecure_ssl="1" if input.insecure_ssl else "0",
    )

    async def made_before() -> bool | None:
        rows = await github.calls.pages(path)
        return any((row.get("config") or {}).get("url") == input.webhook_url for row in rows) or None

    try:
        await github.calls.write(
            "POST",
            path,
            {"config": config, "events": input.events, "active": input.active},
            key=f"create.webhook.{github.key}.{input.webhook_url}",
            unless=made_before,
            hide=("secret",),
        )
    except UnderstageError as error:
        ctx.log.warn(f"Failed: create webhook '{input.webhook_url}' on repo: '{github.repo}', {error.message}")
        return
    if not ctx.is_dry_run:
        ctx.log.info(f"Webhook '{input.webhook_url}' created successfully")
