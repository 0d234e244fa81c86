"""`service:check-name`: whether everything a new service will be called is free, asked before anything is made."""

from collections.abc import AsyncIterator

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, ConflictError, Example, action
from understage_actions._argocd_ways import application_page, choose_way
from understage_actions._gitops_layout import application_file, namespace_file
from understage_actions._gitops_repository import choose_target, clone, find_foreign
from understage_actions._kubernetes_names import check_label, check_namespace, team_name
from understage_actions._repository_name import RepositoryName
from understage_actions.kubernetes_create_namespace import check_owner


class CheckNameInput(ActionModel):
    """What must be free. What is left out is not checked."""

    team: str = Field(description="Who will own it: the name or the entity ref of a group")
    entity_ref: str | None = Field(
        default=None, description="Must not be in the catalog, e.g. component:default/ledger"
    )
    repository: RepositoryName | None = Field(default=None, description="Must not exist on the forge")
    namespace: str | None = Field(default=None, description="Must not belong to another team, or to nobody")
    application: str | None = Field(default=None, description="Must not exist in Argo CD")
    cluster: str | None = Field(default=None, description="Name of the configured cluster; default: the first one")
    argocd: str | None = Field(default=None, description="Name of the configured Argo CD; default: the first one")


class CheckNameOutput(ActionModel):
    """What was found free."""

    checked: list[str] = Field(description="What was looked at, in words")
    application_url: str | None = Field(
        description="Where the application's page will be, when an instance of Argo CD is configured"
    )


@action(
    "service:check-name",
    description="""
    Looks whether the names of a new service are free: catalog entity, repository, namespace, application, files in the
    GitOps repository. Reads only. Put it before the steps that make things: it fails with everything that is taken, and with
    a forge, cluster or Argo CD that does not answer.
    """,
    examples=[
        Example(
            "Before a service is created",
            {
                "team": "group:default/payments",
                "entityRef": "component:default/ledger",
                "repository": {"owner": "payments", "name": "ledger"},
                "namespace": "ledger-production",
                "application": "ledger-production",
            },
        )
    ],
    supports_dry_run=True,
)
async def check_name(ctx: ActionContext, input: CheckNameInput) -> CheckNameOutput:
    """Check everything, then raise one ConflictError that names all that is taken."""
    team = team_name(input.team)
    checked: list[str] = []
    taken: list[str] = []
    async for what, problem in _questions(ctx, input, team):
        checked.append(what)
        if problem is None:
            ctx.log.info(f"{what}: free")
        else:
            ctx.log.error(f"{what}: {problem}")
            taken.append(problem)
    if taken:
        raise ConflictError("\n".join(["The name is taken, nothing was made:", *(f"- {problem}" for problem in taken)]))
    page = None if input.application is None else application_page(ctx, input.application, instance=input.argocd)
    return CheckNameOutput(checked=checked, application_url=page)


async def _questions(ctx: ActionContext, input: CheckNameInput, team: str) -> AsyncIterator[tuple[str, str | None]]:
    """What was looked at, and why it is taken, if it is."""
    if input.namespace is not None:
        check_namespace(input.namespace)
    if input.application is not None:
        check_label(input.application, "application", limit=53)
    if input.entity_ref is not None:
        found = (await ctx.ports.catalog.get_entities([input.entity_ref]))[0]
        yield f"Catalog entity {input.entity_ref}", f"{input.entity_ref} is in the catalog" if found else None
    if input.repository is not None:
        yield await _repository(ctx, input.repository)
    if input.namespace is not None and (cluster := ctx.ports.clusters.get(input.cluster)) is not None:
        what = f"Namespace {input.namespace} in cluster {cluster.name}"
        try:
            await check_owner(cluster, input.namespace, team)
            yield what, None
        except ConflictError as error:
            yield what, error.message
    if input.application is not None:
        async for answer in _application(ctx, input, input.application):
            yield answer
    yield await _gitops_files(ctx, input, team)


async def _repository(ctx: ActionContext, name: RepositoryName) -> tuple[str, str | None]:
    forge = ctx.ports.forges.get(name.host) if name.host else ctx.ports.forges.default()
    found = await forge.get_repository(name.owner, name.name)
    what = f"Repository {name.owner}/{name.name} on {forge.host}"
    return what, f"{what} exists: {found.web_url}" if found else None


async def _application(ctx: ActionContext, input: CheckNameInput, name: str) -> AsyncIterator[tuple[str, str | None]]:
    namespace = str(ctx.defaults.get("argocdNamespace") or "argocd")
    way = choose_way(ctx, "auto", instance=input.argocd, cluster=input.cluster, namespace=namespace)
    if way is not None:
        what = f"Application {name} in {way.place}"
        yield what, f"{what} exists" if await way.get("Application", name) else None


async def _gitops_files(ctx: ActionContext, input: CheckNameInput, team: str) -> tuple[str, str | None]:
    what = "Files of the GitOps repository"
    files = [namespace_file(team, input.namespace)] if input.namespace is not None else []
    own = [application_file(team, input.application)] if input.application is not None else []
    if not ctx.defaults.get("gitopsRepository") or not [*files, *own]:
        return what, None
    target = choose_target(ctx)
    repository = await target.find()
    directory = await clone(ctx, target, repository) if repository is not None else None
    if directory is None:
        return what, None
    problems = find_foreign(directory, [*files, *own])
    problems += [f"{file} exists" for file in own if (directory / file).is_file()]
    return what, f"In the GitOps repository {target.title}: {'; '.join(problems)}" if problems else None
