"""`argocd:register-app`: a service becomes an Argo CD Application in its team's AppProject."""

from typing import Any, Literal

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, Example, InputError, action
from understage.sdk.yaml import dump
from understage_actions._argocd_manifests import (
    IN_CLUSTER_SERVER,
    ApplicationSpec,
    Source,
    application_manifest,
    project_manifest,
    unite_projects,
)
from understage_actions._argocd_wait import wait_until_healthy
from understage_actions._argocd_ways import ApiWay, application_page, check_application, choose_way
from understage_actions._argocd_writing import apply_application, apply_project, check_project
from understage_actions._gitops_layout import application_file, project_file
from understage_actions._gitops_rules import check_inside, check_repository
from understage_actions._gitops_teams import is_tracked
from understage_actions._kubernetes_names import check_label, check_namespace, team_name
from understage_actions._tree import write_file
from understage_actions.kubernetes_create_namespace import check_owner

Json = dict[str, Any]


class ChartSource(ActionModel):
    """A chart that is not in the service's repository."""

    repo_url: str = Field(description="Git or Helm repository of the chart")
    target_revision: str = Field(description="Branch, tag or version")
    path: str | None = Field(default=None, description="Folder of the chart in a git repository")
    chart: str | None = Field(default=None, description="Name of the chart in a Helm repository")


class RegisterAppInput(ActionModel):
    """Which application, of whom, from where to where."""

    name: str = Field(description="Name of the Application")
    team: str = Field(description="Who owns it: the name or the entity ref of a group; also the AppProject")
    environment: str | None = Field(default=None, description="What it is for: development, staging, production …")
    service: str | None = Field(
        default=None, description="Name of the service; default: the Application's without its environment"
    )
    repo_url: str = Field(description="HTTPS clone URL of the service's repository")
    revision: str = Field(default="main", description="Branch, tag or commit of the service's repository")
    path: str = Field(default="deploy", description="Folder of the chart in the service's repository")
    chart: ChartSource | None = Field(default=None, description="A chart from elsewhere in place of `path`")
    value_files: list[str] = Field(
        default_factory=list, description="Values files in the service's repository, later ones win"
    )
    release_name: str | None = Field(default=None, description="Helm release; default: the Application's name")
    namespace: str = Field(description="Where it is deployed; must exist")
    cluster: str | None = Field(
        default=None, description="Name of the configured cluster it is deployed to; default: the first"
    )
    via: Literal["auto", "files", "kubernetes", "api"] = Field(
        default="auto",
        description="auto: files where the team's AppProject is from Git, else the REST API, the cluster, or files",
    )
    argocd: str | None = Field(
        default=None, description="Name of a configured Argo CD instance; default: the first one"
    )
    target_path: str = Field(default=".", description="Root of the GitOps files in the workspace, for files")
    wait: bool = Field(default=False, description="Wait until the Application is Synced and Healthy")
    wait_timeout: int = Field(default=300, ge=1, le=3600, description="How long to wait, in seconds")


class RegisterAppOutput(ActionModel):
    """What was registered."""

    name: str
    project: str
    applied: bool = Field(description="false: written as files, or a dry run")
    via: Literal["files", "kubernetes", "api"]
    from_git: bool = Field(
        description="Whether Argo CD applies the team's AppProject from Git, so that it takes the files by itself"
    )
    manifests: list[dict[str, Any]] = Field(description="AppProject and Application")
    files: list[str] = Field(description="Files written, relative to the workspace")
    application_url: str | None = Field(description="The Application's page, when the instance is configured")
    sync: str | None = Field(description="Synced, OutOfSync, Unknown; null when it was not waited for")
    health: str | None = Field(description="Healthy, Progressing …; null when it was not waited for")
    revision: str | None = Field(description="The commit that is deployed; null when it was not waited for")


_EXAMPLES = [
    Example(
        "A service whose chart is in its own repository; wait until it runs",
        {
            "name": "ledger-production",
            "team": "group:default/payments",
            "environment": "production",
            "repoUrl": "https://git.example.com/payments/ledger.git",
            "valueFiles": ["deploy/environments/production.yaml"],
            "namespace": "ledger-production",
            "wait": True,
        },
    ),
    Example(
        "A chart of a Helm repository with values of the service's repository, as files for a GitOps repository",
        {
            "name": "ledger-production",
            "team": "payments",
            "repoUrl": "https://git.example.com/payments/ledger.git",
            "chart": {"repoUrl": "registry.example.com/charts", "chart": "base-service", "targetRevision": "1.0.0"},
            "valueFiles": ["values/production.yaml"],
            "namespace": "ledger-production",
            "via": "files",
            "targetPath": "gitops",
        },
    ),
]


@action(
    "argocd:register-app",
    description="""
    Registers a service as an Argo CD Application (automated sync, prune, self-heal) in its team's AppProject, which grows by
    the service's repository and namespace. Writes by the REST API, as objects of the cluster, or as files for a GitOps
    repository, as it has to be where the project is from Git; waits, if asked, until the Application is Synced and Healthy.
    """,
    examples=_EXAMPLES,
    supports_dry_run=True,
)
async def register_app(ctx: ActionContext, input: RegisterAppInput) -> RegisterAppOutput:
    """Check, write project and application, wait. ConflictError for a project or application of somebody else."""
    argocd_namespace = str(ctx.defaults.get("argocdNamespace") or "argocd")
    way = choose_way(ctx, input.via, instance=input.argocd, cluster=input.cluster, namespace=argocd_namespace)
    spec = _specify(ctx, input, argocd_namespace)
    project, application = project_manifest(spec), application_manifest(spec)
    if way is None:
        return _write_files(ctx, input, spec, [project, application])
    # The team's project will allow the namespace, so it must not be another's.
    if (cluster := ctx.ports.clusters.get(input.cluster)) is not None:
        await check_owner(cluster, spec.namespace, spec.team)
    await check_application(way, spec.name, spec.team, spec.repo_url)
    known = await check_project(way, spec.team)
    if from_git := is_tracked(known):
        if input.via == "auto":
            return _write_files(ctx, input, spec, [project, application], from_git=True)
        ctx.log.warn(f"AppProject {spec.team} is from Git: what is applied beside it, Argo CD undoes")
    if ctx.is_dry_run:
        project = unite_projects(known, project) if known else project
        ctx.log.info(f"Would apply AppProject {spec.team} and Application {spec.name} to {way.place}")
    else:
        project = await apply_project(way, project)
        ctx.log.info(f"Applied AppProject {spec.team} to {way.place}")
        if await way.get("Application", spec.name) is None:
            undo = {"name": spec.name, "team": spec.team, "argocd": input.argocd, "cluster": input.cluster}
            await ctx.undo_by(f"application.{spec.name}", "argocd:delete-app", undo)
        await apply_application(way, application)
        ctx.log.info(f"Applied Application {spec.name} to {way.place}")
    state = None
    if input.wait and not ctx.is_dry_run:
        state = await wait_until_healthy(ctx, way, spec.name, input.wait_timeout, cluster)
    return RegisterAppOutput(
        name=spec.name,
        project=spec.team,
        applied=not ctx.is_dry_run,
        via="api" if isinstance(way, ApiWay) else "kubernetes",
        from_git=from_git,
        manifests=[project, application],
        files=[],
        application_url=application_page(ctx, spec.name, instance=input.argocd),
        sync=state.sync if state else None,
        health=state.health if state else None,
        revision=state.revision if state else None,
    )


def _specify(ctx: ActionContext, input: RegisterAppInput, argocd_namespace: str) -> ApplicationSpec:
    source = Source(input.repo_url, input.revision, path=check_inside(input.path, "path"))
    if input.chart is not None:
        if (input.chart.path is None) == (input.chart.chart is None):
            raise InputError("chart needs either `path` (git repository) or `chart` (Helm repository)")
        path = check_inside(input.chart.path, "chart.path") if input.chart.path is not None else None
        chart_url = check_repository(input.chart.repo_url, "chart.repoUrl")
        source = Source(chart_url, _revision(input.chart.target_revision), path, input.chart.chart)
        if chart_url == input.repo_url and source.target_revision != input.revision:
            raise InputError(
                f"chart.targetRevision {source.target_revision!r} must be {input.revision!r}, that of the values: Argo CD does "
                "not take two revisions of one repository"
            )
    return ApplicationSpec(
        name=check_label(input.name, "name", limit=53),
        team=team_name(input.team),
        environment=check_label(input.environment, "environment") if input.environment is not None else None,
        namespace=check_namespace(input.namespace),
        server=_destination_server(ctx, input.cluster),
        # In a dry run nothing was published, so the URL may be a placeholder.
        repo_url=input.repo_url if ctx.is_dry_run else _repository(input.repo_url),
        revision=_revision(input.revision),
        chart=source,
        value_files=[check_inside(file, "valueFiles") for file in input.value_files],
        release_name=check_label(input.release_name, "releaseName", limit=53) if input.release_name else None,
        argocd_namespace=argocd_namespace,
        service=check_label(input.service, "service") if input.service else None,
    )


def _destination_server(ctx: ActionContext, name: str | None) -> str:
    cluster = ctx.ports.clusters.get(name)
    if cluster is None:
        return IN_CLUSTER_SERVER
    servers = ctx.defaults.get("argocdDestinationServers") or {}
    return str(servers.get(cluster.name) or cluster.server)


def _repository(url: str) -> str:
    if "://" not in url:
        raise InputError(f"repoUrl {url!r} must be the clone URL of a repository, without credentials")
    return check_repository(url, "repoUrl")


def _revision(revision: str) -> str:
    if not revision or revision.startswith("-") or any(character.isspace() for character in revision):
        raise InputError(f"revision {revision!r} is not a branch, tag or version")
    return revision


def _write_files(
    ctx: ActionContext,
    input: RegisterAppInput,
    spec: ApplicationSpec,
    manifests: list[Json],
    *,
    from_git: bool = False,
) -> RegisterAppOutput:
    root = input.target_path.rstrip("/")
    files = [
        f"{root}/{name}".removeprefix("./")
        for name in (project_file(spec.team), application_file(spec.team, spec.name))
    ]
    for relative, manifest in zip(files, manifests, strict=True):
        title = f"{manifest['kind']} {manifest['metadata']['name']}. Written by argocd:register-app."
        write_file(ctx.workspace, relative, dump(manifest, header=title))
        ctx.log.info(f"Wrote {manifest['kind']} {manifest['metadata']['name']} to {relative}; nothing was applied")
    if input.wait:
        taken = "when Argo CD finds the files in Git" if from_git else "when the files are applied"
        ctx.log.info(f"There is nothing to wait for: the application starts {taken}")
    return RegisterAppOutput(
        name=spec.name,
        project=spec.team,
        applied=False,
        via="files",
        from_git=from_git,
        manifests=manifests,
        files=files,
        application_url=application_page(ctx, spec.name, instance=input.argocd) if from_git else None,
        sync=None,
        health=None,
        revision=None,
    )
