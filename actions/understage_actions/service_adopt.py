"""`service:adopt`: a service that runs already, said by `base-service`, as files for a pull request."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from understage.sdk import (
    ActionContext,
    ActionModel,
    AdoptionProposal,
    AdoptionRequest,
    Example,
    InputError,
    NotFoundError,
    action,
)
from understage_actions._helm_inputs import find_chart
from understage_actions._kubernetes_names import check_label, team_name
from understage_actions._repository_name import RepositoryName
from understage_actions._tree import frozen, write_file

BASE_CHART = "base-service"


class AdoptInput(ActionModel):
    """Where the service's objects are, and whose it is."""

    repository: RepositoryName | None = Field(
        default=None, description="The repository to read; default: the folder `sourcePath` of the workspace"
    )
    source_path: str = Field(default=".", description="A folder of the workspace with the service's repository")
    path: str = Field(
        default=".",
        description="Manifests (a file or a folder), a kustomization or a chart in it; usual folders are found by themselves",
    )
    owner: str = Field(description="The group that owns the service, as an entity ref")
    environment: str = Field(description="Where it runs: development, staging, production …")
    namespace: str | None = Field(default=None, description="Where it runs; default: what the manifests say")
    system: str | None = Field(default=None, description="Entity ref of the system it is a part of")
    release_name: str | None = Field(default=None, description="For a chart: the name of its Helm release")
    value_files: list[str] = Field(default_factory=list, description="For a chart: values files of the repository")
    chart: str = Field(default=BASE_CHART, description="The chart to say it by: base-service, or a copy of it")
    gateway: str | None = Field(
        default=None,
        pattern="^([a-z0-9-]+/[a-z0-9-]+)?$",
        description="NAMESPACE/NAME of a Gateway: Ingresses become HTTPRoutes of it; default: they stay",
    )
    pods: Literal["values", "as-is"] = Field(
        default="values",
        description="values: said by values, and hardened; as-is: left as they are, so that no pod is replaced",
    )
    plain: list[str] = Field(
        default_factory=list,
        description="Variables, keys of ConfigMaps and fields that look like a secret and are none: they are carried over",
    )
    target: str = Field(default="deploy", description="Folder of the repository for the chart")
    target_path: str = Field(default="adoption", description="Folder of the workspace that the files are written to")


class AdoptedSecret(ActionModel):
    """A value in plain text that was not carried over. It is known to nobody here."""

    name: str = Field(description="The variable, or the key of a ConfigMap")
    object: str = Field(description="Where it was")
    reason: str = Field(description="Why it was taken for a secret")
    key: str = Field(description="The path of the team's store to put it at")
    property: str = Field(description="What to call it there")


class AdoptedService(ActionModel):
    """What became of one service."""

    name: str
    namespace: str
    application: str = Field(description="Name of the Helm release, and of the Application")
    path: str = Field(description="Folder of the chart in the repository")
    equal: bool = Field(description="Whether the rendered objects equal those that were there")
    keeps_pods: bool = Field(description="Whether its pods go on running when Argo CD takes over")
    differences: int
    to_check: int = Field(description="Differences that somebody has to look at")
    harmful: int = Field(description="Differences that do harm, or that nobody can explain")
    violations: int = Field(description="Guardrails that are broken")
    secrets: list[AdoptedSecret] = Field(
        description="Values that were not carried over, to be put into the team's store"
    )


class AdoptOutput(ActionModel):
    """What is proposed."""

    files: list[str] = Field(description="Files of the proposal, relative to `targetPath`")
    services: list[AdoptedService]
    not_adopted: list[str] = Field(description="Objects that are not carried over, with the way that they go")
    summary: str = Field(description="Markdown: one line a service, for a pull request")
    report: str = Field(description="Markdown: every difference with its reason")
    repo_url: str | None = Field(description="The repository, for git; null for a folder of the workspace")


_EXAMPLES = [
    Example(
        "A service of a repository, said by values",
        {
            "repository": {"owner": "payments", "name": "ledger"},
            "path": "k8s/production",
            "owner": "group:default/payments",
            "environment": "production",
            "namespace": "ledger",
        },
    ),
    Example(
        "What `helm get manifest` printed, its pods left as they are",
        {
            "sourcePath": "release",
            "path": "manifest.yaml",
            "owner": "group:default/payments",
            "environment": "production",
            "pods": "as-is",
        },
    ),
]


@action(
    "service:adopt",
    description="""
    Reads the objects of a service that runs (plain manifests, a kustomization, a Helm chart or release) and writes a proposal:
    catalog-info.yaml, a chart that depends on `base-service`, and a report of what is rendered before and after, each
    difference with its reason. Changes nothing that runs; values of Secrets are never written.
    """,
    examples=_EXAMPLES,
    supports_dry_run=True,
)
async def adopt(ctx: ActionContext, input: AdoptInput) -> AdoptOutput:
    """Read, propose, write. InputError when nothing can be adopted, with the way of each object."""
    source = await _source(ctx, input)
    proposal = await ctx.ports.adoption.propose(await _request(ctx, input, source.folder))
    not_adopted = [f"{entry['object']} {entry['message']}" for entry in proposal.not_adopted]
    if not proposal.services:
        raise InputError(f"Nothing here can be adopted: {'; '.join(not_adopted) or 'there is no Deployment'}")
    for name, text in proposal.files.items():
        write_file(ctx.workspace, f"{input.target_path}/{name}", text)
    for line in not_adopted:
        ctx.log.warn(line)
    services = [_service(entry) for entry in proposal.services]
    for service in services:
        ctx.log.info(
            f"{service.name}: {service.differences} differences, {service.to_check} to look at, {service.harmful} harmful; "
            f"its pods {'go on running' if service.keeps_pods else 'are replaced once'}"
        )
        for secret in service.secrets:
            ctx.log.warn(
                f"{secret.name} of {secret.object} {secret.reason} and is not carried over: put it at {secret.key} under "
                f"{secret.property} before the merge, or name it in `plain` if it is no secret"
            )
    return AdoptOutput(
        files=sorted(proposal.files),
        services=services,
        not_adopted=not_adopted,
        summary=_summary(proposal),
        report=proposal.report,
        repo_url=source.clone_url,
    )


@dataclass(frozen=True)
class _Source:
    """The folder that is read, and the repository that it is a clone of."""

    folder: Path
    clone_url: str | None = None


async def _source(ctx: ActionContext, input: AdoptInput) -> _Source:
    wanted = input.repository
    if wanted is None:
        if not ctx.workspace.resolve(input.source_path).is_dir():
            raise NotFoundError(f"sourcePath: the workspace has no folder {input.source_path}")
        return _Source(await frozen(ctx, input.source_path))
    forge = ctx.ports.forges.get(wanted.host) if wanted.host else ctx.ports.forges.default()
    repository = await forge.get_repository(wanted.owner, wanted.name)
    if repository is None:
        raise NotFoundError(f"There is no repository {wanted.owner}/{wanted.name} on {forge.host}")
    folder = ctx.temporary_directory()
    await ctx.ports.git.clone(repository.clone_url, folder, credentials=forge.credentials)
    ctx.log.info(f"Read {wanted.owner}/{wanted.name} on {forge.host}")
    return _Source(folder, repository.clone_url)


async def _request(ctx: ActionContext, input: AdoptInput, folder: Path) -> AdoptionRequest:
    gateway = None
    if input.gateway:
        namespace, _, name = input.gateway.partition("/")
        gateway = (namespace, name)
    return AdoptionRequest(
        folder=folder,
        base_chart=await find_chart(ctx, input.chart),
        owner=input.owner,
        team=team_name(input.owner),
        environment=check_label(input.environment, "environment"),
        path=input.path,
        system=input.system,
        namespace=check_label(input.namespace, "namespace") if input.namespace is not None else None,
        target=input.target,
        release=check_label(input.release_name, "releaseName", limit=53) if input.release_name else None,
        value_files=input.value_files,
        gateway=gateway,
        as_is=input.pods == "as-is",
        argocd_url=argocd.url if (argocd := ctx.ports.argocd.get()) is not None else None,
        grafana_url=ctx.defaults.get("grafanaUrl"),
        plain=input.plain,
    )


def _service(entry: dict[str, Any]) -> AdoptedService:
    grades = [difference["harmless"] for difference in entry["differences"]]
    return AdoptedService(
        name=entry["name"],
        namespace=entry["namespace"],
        application=entry["release"],
        path=entry["folder"],
        equal=entry["equal"],
        keeps_pods=entry["keepsPods"],
        differences=len(grades),
        to_check=grades.count("check"),
        harmful=grades.count("no"),
        violations=len(entry["violations"]),
        secrets=[AdoptedSecret(**secret) for secret in entry.get("secrets", ())],
    )


def _summary(proposal: AdoptionProposal) -> str:
    """The report up to its first service."""
    return proposal.report.partition("\n## ")[0].removeprefix("# Adoption\n").strip()
