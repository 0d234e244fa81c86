"""`github:autolinks:create`: as the stock action (Backstage scaffolder-backend-module-github 0.10.0)."""

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, Example, action
from understage_actions._github import RepoUrlText, TokenText, open_github


class CreateAutolinkInput(ActionModel):
    """The reference, and where it leads."""

    repo_url: RepoUrlText
    key_prefix: str = Field(description="What a reference begins with, such as `TICKET-`; GitHub makes a link of it")
    url_template: str = Field(
        description="Where the link leads; `<num>` stands for the number or name after the prefix"
    )
    is_alphanumeric: bool = Field(
        default=True, description="Whether letters may follow the prefix too (true), or digits only"
    )
    token: TokenText = None


@action(
    "github:autolinks:create",
    description="Makes GitHub turn references such as TICKET-1 in a repository into links.",
    examples=[
        Example(
            "Link tickets to their system",
            {
                "repoUrl": "github.com?repo=web&owner=acme",
                "keyPrefix": "TICKET-",
                "urlTemplate": "https://tickets.example.org/TICKET-<num>",
                "isAlphanumeric": False,
            },
        )
    ],
    supports_dry_run=True,
)
async def create_autolink(ctx: ActionContext, input: CreateAutolinkInput) -> None:
    """Create an autolink."""
    ctx.log.info(f"Creating autolink reference for repo {input.repo_url}")
    github = await open_github(ctx, input.repo_url, input.token)
    path = f"{github.path}/autolinks"
    wanted = {
        "key_prefix": input.key_prefix, "url_template": input.url_template, "is_alphanumeric": input.is_alphanumeric,
    }  # fmt: skip

    async def made_before() -> bool | None:
        rows = await github.calls.read(path)
        return any(all(row.get(name) == value for name, value in wanted.items()) for row in rows) or None

    await github.calls.write(
        "POST", path, wanted, key=f"create.auto.link.{github.key}.{input.key_prefix}", unless=made_before
    )
    if not ctx.is_dry_run:
        ctx.log.info("Autolink reference created successfully")
