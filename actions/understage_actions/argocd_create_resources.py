"""`argocd:create-resources`: AppProject and Application of a folder of manifests, by the inputs of Roadie's action of that id."""

from typing import Any
from urllib.parse import urlsplit

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, Example, InputError, action
from understage_actions._argocd_manifests import (
    IN_CLUSTER_SERVER,
    ApplicationSpec,
    Source,
    application_manifest,
    project_manifest,
)
from understage_actions._argocd_ways import ApiWay, application_page, check_application
from understage_actions._argocd_writing import apply_application, apply_project, check_project
from understage_actions._kubernetes_names import check_label, check_namespace

LABEL = "backstage-name"


class CreateResourcesInput(ActionModel):
    """Which application, from where to where."""

    app_name: str = Field(description="Name of the Application")
    argo_instance: str = Field(description="Name of a configured Argo CD instance")
    namespace: str = Field(description="Where it is deployed; must exist")
    repo_url: str = Field(description="Clone URL of the repository")
    path: str = Field(description="Folder of the manifests in the repository")
    label_value: str | None = Field(default=None, description="Value of the label backstage-name; default: the name")
    project_name: str | None = Field(default=None, description="AppProject; default: the name")


class CreateResourcesOutput(ActionModel):
    """What was made."""

    name: str
    project: str
    applied: bool = Field(description="false: a dry run")
    application_url: str = Field(description="The Application's page")
    manifests: list[dict[str, Any]] = Field(description="AppProject and Application")


@action(
    "argocd:create-resources",
    description="""
    Makes an AppProject and an Application with automated sync for a folder of manifests, a Kustomization or a chart. Run again,
    it updates them. For a service with values per environment, argocd:register-app does more.
    """,
    examples=[
        Example(
            "A folder of manifests",
            {
                "appName": "ledger",
                "argoInstance": "main",
                "namespace": "ledger-production",
                "repoUrl": "https://git.example.com/payments/ledger.git",
                "path": "manifests",
            },
        )
    ],
    supports_dry_run=True,
)
async def create_resources(ctx: ActionContext, input: CreateResourcesInput) -> CreateResourcesOutput:
    """Check, write project and application. ConflictError for what is somebody else's."""
    if input.argo_instance not in ctx.ports.argocd.names():
        raise InputError(f"Unable to find Argo instance named '{input.argo_instance}'")
    instance = ctx.ports.argocd.get(input.argo_instance)
    assert instance is not None
    way = ApiWay(instance)
    spec = _specify(ctx, input)
    project, application = project_manifest(spec), application_manifest(spec)
    application["metadata"]["labels"][LABEL] = check_label(input.label_value or spec.name, "labelValue")
    application["spec"]["source"] = {"repoURL": spec.repo_url, "targetRevision": "HEAD", "path": spec.chart.path}
    await check_application(way, spec.name, spec.team, spec.repo_url)
    await check_project(way, spec.team)
    if ctx.is_dry_run:
        ctx.log.info(f"Would apply AppProject {spec.team} and Application {spec.name} to {way.place}")
    else:
        project = await apply_project(way, project)
        await apply_application(way, application)
        ctx.log.info(f"Applied AppProject {spec.team} and Application {spec.name} to {way.place}")
    return CreateResourcesOutput(
        name=spec.name,
        project=spec.team,
        applied=not ctx.is_dry_run,
        application_url=application_page(ctx, spec.name, instance=input.argo_instance),
        manifests=[project, application],
    )


def _specify(ctx: ActionContext, input: CreateResourcesInput) -> ApplicationSpec:
    name = check_label(input.app_name, "appName", limit=53)
    project = check_label(input.project_name or name, "projectName")
    if project == "default":
        raise InputError("projectName 'default' is open to everybody: choose another project")
    parts = urlsplit(input.repo_url)
    if parts.scheme not in ("https", "http", "ssh") or not parts.netloc or parts.password or "*" in input.repo_url:
        raise InputError(f"repoUrl {input.repo_url!r} must be the clone URL of a repository, without credentials")
    if input.path.startswith("/") or ".." in input.path.split("/") or ":" in input.path or "\\" in input.path:
        raise InputError(f"path {input.path!r} must be a path inside of the repository")
    cluster = ctx.ports.clusters.get()
    servers = ctx.defaults.get("argocdDestinationServers") or {}
    return ApplicationSpec(
        name=name,
        team=project,
        environment=None,
        namespace=check_namespace(input.namespace),
        server=IN_CLUSTER_SERVER if cluster is None else str(servers.get(cluster.name) or cluster.server),
        repo_url=input.repo_url,
        revision="HEAD",
        chart=Source(input.repo_url, "HEAD", path=input.path.strip("/") or "."),
        value_files=[],
        release_name=None,
        argocd_namespace=str(ctx.defaults.get("argocdNamespace") or "argocd"),
    )
