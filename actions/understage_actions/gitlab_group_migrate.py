"""`gitlab:group:migrate`: as the stock action (Backstage scaffolder-backend-module-gitlab 0.12.0).

A migration goes on in GitLab after the step. Where a worker dies in the moment between its start and its checkpoint, it is
started again; GitLab refuses the second one for the name that is taken.
"""

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, Example, InputError, UnderstageError, action
from understage_actions._calls import Number
from understage_actions._gitlab import PLANNED_ID, RepoUrlText, open_gitlab


class MigrateInput(ActionModel):
    """The project, where it is and where it goes."""

    destination_access_token: str = Field(description="Token to sign in with to the GitLab that takes the project")
    destination_url: RepoUrlText
    source_access_token: str = Field(description="Token to sign in with to the GitLab that has the project")
    source_full_path: str = Field(description="Path of the project there, with the group's")
    source_url: str = Field(description="Address of the GitLab that has the project, such as `https://gitlab.com/`")


class MigrateOutput(ActionModel):
    """The migration."""

    imported_repo_url: str = Field(description="The project that is made, as host and path")
    migration_id: Number = Field(description="Number of the migration")


@action(
    "gitlab:group:migrate",
    description="Starts the migration of a project from one GitLab to another one.",
    examples=[
        Example(
            "Take over a project",
            {
                "destinationAccessToken": "${{ secrets.DESTINATION_TOKEN }}",
                "destinationUrl": "gitlab.com?repo=web&owner=acme",
                "sourceAccessToken": "${{ secrets.SOURCE_TOKEN }}",
                "sourceFullPath": "old/web",
                "sourceUrl": "https://gitlab.example.org/",
            },
        )
    ],
    supports_dry_run=True,
)
async def migrate(ctx: ActionContext, input: MigrateInput) -> MigrateOutput:
    """Start a migration."""
    gitlab = await open_gitlab(ctx, input.destination_url, input.destination_access_token, needs_repo=True)
    target = gitlab.target
    if not target.owner:
        raise InputError(
            "Failed to determine target repository to migrate to. Make sure destinationUrl matches the format "
            "'gitlab.myorg.com?repo=project_name&owner=group_name'"
        )
    entity = {
        "source_type": "project_entity",
        "source_full_path": input.source_full_path,
        "destination_slug": target.repo,
        "destination_namespace": target.owner,
    }
    configuration = {"url": input.source_url, "access_token": input.source_access_token}
    try:
        number = await gitlab.calls.write(
            "POST",
            "/bulk_imports",
            {"configuration": configuration, "entities": [entity]},
            key=f"create.migration.{input.source_url}.{input.source_full_path}",
            keep=lambda answer: int(answer["id"]),
            planned=PLANNED_ID,
            hide=("access_token",),
        )
    except UnderstageError as error:
        raise InputError(
            f"Failed to transfer repo {input.source_full_path}. Make sure that {input.source_full_path} exists in "
            f"{input.source_url}, and token has enough rights.\nError: {error.message}"
        ) from error
    return MigrateOutput(imported_repo_url=f"{target.host}/{target.owner}/{target.repo}", migration_id=number)
