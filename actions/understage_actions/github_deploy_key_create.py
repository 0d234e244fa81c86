"""`github:deployKey:create`: as the stock action (Backstage scaffolder-backend-module-github 0.10.0)."""

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, Example, action
from understage_actions._github import RepoUrlText, TokenText, open_github
from understage_actions._github_sealing import store_secrets


class CreateDeployKeyInput(ActionModel):
    """The two halves of the key."""

    repo_url: RepoUrlText
    public_key: str = Field(description="Public key, as ssh-keygen writes it (`ssh-ed25519 …`)")
    private_key: str = Field(description="Private key, as ssh-keygen writes it; hand it over as a secret")
    deploy_key_name: str = Field(description="Name of the deploy key")
    private_key_secret_name: str | None = Field(
        default=None,
        description="Name of the repository's secret for the private key; default: the key's name in capitals, blanks as `_`, "
        "and `_PRIVATE_KEY`",
    )
    token: TokenText = None


class CreateDeployKeyOutput(ActionModel):
    """Where the private key is."""

    private_key_secret_name: str = Field(description="Name of the repository's secret that holds the private key")


@action(
    "github:deployKey:create",
    description="Adds a deploy key to a GitHub repository, and keeps its private key as a secret of the repository.",
    examples=[
        Example(
            "Add a deploy key",
            {
                "repoUrl": "github.com?repo=web&owner=acme",
                "publicKey": "ssh-ed25519 AAAA… deploy",
                "privateKey": "${{ secrets.DEPLOY_KEY }}",
                "deployKeyName": "push tags",
            },
        )
    ],
    supports_dry_run=True,
)
async def create_deploy_key(ctx: ActionContext, input: CreateDeployKeyInput) -> CreateDeployKeyOutput:
    """Create a deploy key and its secret."""
    github = await open_github(
        ctx, input.repo_url, input.token, no_owner=f"No owner provided for repo {input.repo_url}"
    )
    path = f"{github.path}/keys"
    name = input.private_key_secret_name or f"{input.deploy_key_name.replace(' ', '_').upper()}_PRIVATE_KEY"

    async def added_before() -> bool | None:
        # GitHub keeps type and key, and drops the comment behind them.
        wanted = input.public_key.split()[:2]
        return any(str(row.get("key", "")).split()[:2] == wanted for row in await github.calls.pages(path)) or None

    await github.calls.write(
        "POST",
        path,
        {"title": input.deploy_key_name, "key": input.public_key},
        key=f"create.deploy.key.{github.key}.{input.public_key}",
        unless=added_before,
    )
    await store_secrets(
        github.calls,
        f"{github.path}/actions/secrets",
        {name: input.private_key},
        key=f"create.or.update.repo.secret.{github.key}",
    )
    return CreateDeployKeyOutput(private_key_secret_name=name)
