"""`vault:access`: the policies and roles that Vault needs for the namespaces of the GitOps repository."""

from pathlib import Path
from typing import Any

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, Example, InputError, NotFoundError, action
from understage.sdk.members import objects_in
from understage.sdk.yaml import parse_documents
from understage_actions._gitops_layout import TEAMS, applications_folder, namespaces_folder, team_file
from understage_actions._kubernetes_names import team_name
from understage_actions._tree import write_file
from understage_actions._vault_access import ACCESSOR, Access, access_script, team_access
from understage_actions._vault_manifests import read_vault

Json = dict[str, Any]


class VaultAccessInput(ActionModel):
    """Of which teams, and where the files of the GitOps repository are."""

    team: str | None = Field(
        default=None, description="A team, or its entity ref; default: all teams of the repository"
    )
    source_path: str = Field(default=".", description="Root of the GitOps files in the workspace")
    target_path: str | None = Field(default=None, description="Where the script is written; default: nowhere")


class VaultAccess(ActionModel):
    """A role of Vault's Kubernetes authentication, and the policy of the same name."""

    name: str
    policy: str = Field(
        description="The policy in HCL; `${accessor}` stands for the accessor of the authentication mount"
    )
    role: dict[str, Any] = Field(description="The role, as Vault's API takes it")


class VaultAccessOutput(ActionModel):
    """What an administrator of Vault makes."""

    access: list[VaultAccess]
    script: str = Field(description="Commands of `vault` or `bao` that make all of it")
    file: str | None = Field(description="The script, relative to the workspace")


@action(
    "vault:access",
    description="""
    Says the policies and roles that Vault needs so that each namespace of the GitOps repository reads the secrets of its own
    services, and each clone its own folder. Holds no secret and calls nobody: an administrator of Vault runs the script.
    """,
    examples=[
        Example("All teams of the GitOps repository", {"sourcePath": "gitops"}),
        Example(
            "One team", {"team": "group:default/payments", "sourcePath": "gitops", "targetPath": "vault-payments.sh"}
        ),
    ],
    supports_dry_run=True,
)
async def render_access(ctx: ActionContext, input: VaultAccessInput) -> VaultAccessOutput:
    """Read, then say it, and write the script if asked. InputError for a namespace that is another team's, or of no service."""
    vault = read_vault(ctx.defaults)
    if vault is None:
        raise InputError("Vault is not configured: say where it is by understage.vault")
    root = ctx.workspace.resolve(input.source_path)
    folders = sorted(path for path in (root / TEAMS).glob("*") if path.is_dir() and not path.is_symlink())
    teams = [team_name(input.team)] if input.team is not None else [team_name(folder.name) for folder in folders]
    if unknown := sorted(set(teams) - {folder.name for folder in folders}):
        raise NotFoundError(f"{input.source_path} has no folder {TEAMS}/{unknown[0]}: is it the GitOps repository?")
    accesses = [access for team in teams for access in _of_team(root, team)]
    if not accesses:
        raise NotFoundError(f"{input.source_path} has no folder below {TEAMS}: is it the GitOps repository?")
    script = access_script(vault, accesses)
    if input.target_path is not None:
        write_file(ctx.workspace, input.target_path, script)
    for access in accesses:
        ctx.log.info(f"Role {access.name} reads {', '.join(access.paths)}")
    return VaultAccessOutput(
        access=[
            VaultAccess(name=access.name, policy=access.policy(vault, ACCESSOR), role=access.role())
            for access in accesses
        ],
        script=script,
        file=input.target_path,
    )


def _of_team(root: Path, team: str) -> list[Access]:
    files = [root / team_file(team, "namespace.yaml"), *sorted((root / namespaces_folder(team)).glob("*.yaml"))]
    namespaces = [item for file in files for item in _read(file) if item.get("kind") == "Namespace"]
    files = sorted((root / applications_folder(team)).glob("*.yaml"))
    applications = [item for file in files for item in _read(file) if item.get("kind") == "Application"]
    return team_access(team, namespaces, applications)


def _read(file: Path) -> list[Json]:
    if not file.is_file() or file.is_symlink():
        return []
    documents = parse_documents(file.read_bytes(), file.name)
    return [dict(item) for document in documents for item in objects_in(document.value)]
