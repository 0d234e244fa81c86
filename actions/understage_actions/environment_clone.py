"""`environment:clone`: a service, or all services of a system, once more, for a while, in a namespace of their own."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, ConflictError, Example, InputError, action
from understage.sdk.yaml import dump
from understage_actions._clone_checks import Boundary, find_leaks
from understage_actions._clone_databases import clone_databases
from understage_actions._clone_manifests import (
    CloneSpec,
    Issued,
    application_name,
    describe,
    project_and_applications,
    secret_manifests,
)
from understage_actions._clone_sources import Clones, Source, fetch_source, find_deployment, find_services
from understage_actions._clone_values import Values, clone_values, secret_name
from understage_actions._gitops_layout import CLONE_ENVIRONMENT_FILE, TEAMS, clone_folder
from understage_actions._gitops_repository import choose_target, clone
from understage_actions._kubernetes_names import check_label, team_name
from understage_actions._manifests import parse_manifests
from understage_actions._namespace_manifests import NamespaceSpec, namespace_manifests
from understage_actions._time_to_live import check_owner_ref, expiry_after, parse_ttl, write_time
from understage_actions._tree import write_file
from understage_actions.kubernetes_create_namespace import ContainerDefaults, Quota, check_owner

Json = dict[str, Any]
LONGEST = timedelta(days=30)
LONGEST_NAME = 20
MOST_PROBLEMS = 20


class CloneQuota(Quota):
    """What all pods of the environment may have together, as Kubernetes quantities."""

    requests_cpu: str = Field(default="4", description="CPU requests")
    requests_memory: str = Field(default="8Gi", description="Memory requests")
    limits_cpu: str = Field(default="8", description="CPU limits")
    limits_memory: str = Field(default="16Gi", description="Memory limits")
    pods: int = Field(default=30, ge=1, description="Number of pods")


class CloneInput(ActionModel):
    """Of what, as what, for how long, for whom."""

    source: str = Field(description="Entity ref of a component, or of a system: all its components")
    from_: str = Field(default="development", alias="from", description="The environment that is cloned")
    name: str = Field(description=f"What the clone is called; at most {LONGEST_NAME} letters, digits and hyphens")
    team: str = Field(description="The team that owns the source, and the clone")
    owner: str | None = Field(default=None, description="Who answers for it; default: the task's user, else the team")
    ttl: str = Field(default="3d", description="When it ends, from now: 8h, 3d, 2w; at most 30 days")
    quota: CloneQuota = Field(default_factory=CloneQuota, description="Limits of the whole environment")
    values: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="By service, values of base-service that are different in the clone"
    )
    stored_secrets: list[str] = Field(
        default_factory=list,
        description="Variables of secrets that are read from the clone's own path in Vault, "
        "teams/<team>/clone-<name>/<service>; all others are made up",
    )
    shared_hosts: list[str] = Field(
        default_factory=list, description="Hosts outside of the clone that it may use, although it is a clone"
    )
    secret_store: str = Field(default="vault", description="SecretStore of the namespace, for `storedSecrets`")
    cluster: str | None = Field(default=None, description="Name of the configured cluster; default: the first one")
    argocd: str | None = Field(default=None, description="Name of the configured Argo CD; default: the first one")
    operator_namespace: str = Field(default="cnpg-system", description="Where CloudNativePG runs")
    gateway_namespace: str = Field(default="gateway-system", description="Whose pods may call in: the gateway")
    monitoring_namespace: str = Field(default="monitoring", description="Whose pods may call in: the monitoring")
    target_path: str = Field(default=".", description="Root of the GitOps files in the workspace")
    manifests_path: str = Field(
        default="rendered.yaml",
        description="Where all objects are written, for looking at them and for `cost:estimate`",
    )


class ClonedObject(ActionModel):
    """One object of the plan."""

    kind: str
    namespace: str | None
    name: str
    service: str | None = Field(description="null: it is the environment's")


class CloneOutput(ActionModel):
    """The plan, and the files that make it true."""

    namespace: str
    services: list[str]
    applications: list[str]
    expires_at: str
    owner: str
    objects: list[ClonedObject] = Field(description="Everything that will be made")
    plan: str = Field(description="The same as Markdown")
    files: list[str] = Field(description="Files for the GitOps repository, relative to the workspace")
    manifests_path: str


@dataclass
class _Plan:
    """What was found out, before anything is written."""

    spec: CloneSpec
    environment: list[Json]
    applications: list[Json]
    secrets: list[Json]
    databases: list[Json]
    rendered: dict[str, list[Json]] = field(default_factory=dict)

    def objects(self) -> list[tuple[str | None, Json]]:
        own = [*self.environment, *self.databases, *self.secrets, *self.applications]
        parts = [(service, item) for service, items in self.rendered.items() for item in items]
        return [*((None, item) for item in own), *parts]


@action(
    "environment:clone",
    description="""
    Writes a clone of a service, or of all services of a system, as files for the GitOps repository: a namespace with quota, owner
    and time to live, an AppProject that reaches nothing else, an Application for each service, empty databases. Secrets are
    issued anew. Refuses whatever would bring secrets or data of the cloned environment along, or lead back to it. Tells first
    what will be made.
    """,
    examples=[
        Example(
            "A service for three days",
            {
                "source": "component:default/ledger",
                "from": "staging",
                "name": "refunds",
                "team": "group:default/payments",
                "targetPath": "gitops",
            },
        ),
        Example(
            "A whole system as it is in production, with a payment provider's sandbox",
            {
                "source": "system:default/checkout",
                "from": "production",
                "name": "load-test",
                "team": "payments",
                "ttl": "8h",
                "values": {"ledger": {"env": {"PROVIDER_URL": "https://sandbox.provider.example"}}},
                "storedSecrets": ["PROVIDER_TOKEN"],
                "sharedHosts": ["sandbox.provider.example"],
                "targetPath": "gitops",
            },
        ),
    ],
    supports_dry_run=True,
)
async def clone_environment(ctx: ActionContext, input: CloneInput) -> CloneOutput:
    """Look at everything, then write. InputError names all that must not come along."""
    team, name = team_name(input.team), check_label(input.name, "name", limit=LONGEST_NAME)
    origin = check_label(input.from_, "from")
    length = parse_ttl(input.ttl, longest=LONGEST)
    owner = check_owner_ref(input.owner or ctx.user.ref or f"group:default/{team}")
    if not ctx.ports.helm.is_available():
        raise InputError("Helm is not installed: without it nobody can tell what a clone would be made of")
    services = await find_services(ctx, input.source, team)
    gitops = await _gitops(ctx)
    _check_free(gitops, team, name)
    argocd_namespace = str(ctx.defaults.get("argocdNamespace") or "argocd")
    spec = CloneSpec(name, team, owner, await expiry_after(ctx, length), argocd_namespace)
    if (cluster := ctx.ports.clusters.get(input.cluster)) is not None:
        await check_owner(cluster, spec.namespace, team)
    for service in services:
        check_label(application_name(spec, service), "the application's name")
    clones: Clones = {}
    sources = [
        await fetch_source(
            ctx,
            await find_deployment(ctx, service, origin, gitops, argocd=input.argocd, cluster=input.cluster),
            clones,
        )
        for service in services
    ]
    plan = await _plan(ctx, input, spec, sources, gitops, origin)
    return _write(ctx, input, plan, services)


async def _gitops(ctx: ActionContext) -> Path | None:
    """A clone of the GitOps repository, where there is one."""
    if not ctx.defaults.get("gitopsRepository"):
        return None
    target = choose_target(ctx)
    repository = await target.find()
    return await clone(ctx, target, repository) if repository is not None else None


def _check_free(gitops: Path | None, team: str, name: str) -> None:
    for folder in sorted(gitops.glob(f"{TEAMS}/*/clones/{name}")) if gitops is not None else ():
        if (other := folder.parent.parent.name) != team:
            raise ConflictError(f"Environment {name} belongs to team {other}: choose another name")


async def _plan(
    ctx: ActionContext, input: CloneInput, spec: CloneSpec, sources: Sequence[Source], gitops: Path | None, origin: str
) -> _Plan:
    moved = {source.deployment.namespace: spec.namespace for source in sources}
    if unknown := sorted(set(input.values) - {source.deployment.service for source in sources}):
        raise InputError(f"values: {', '.join(unknown)} is not among the cloned services")
    values: dict[str, Values] = {}
    for source in sources:
        service = source.deployment.service
        values[service] = clone_values(
            source, input.values.get(service) or {}, team=spec.team, environment=spec.namespace, moved=moved
        )
    databases, database_secrets = await asyncio.to_thread(
        clone_databases,
        spec,
        gitops,
        list(moved),
        operator_namespace=check_label(input.operator_namespace, "operatorNamespace"),
        monitoring_namespace=check_label(input.monitoring_namespace, "monitoringNamespace"),
    )
    issued = _issue(input, values)
    project, applications = project_and_applications(
        spec, [source.deployment for source in sources], {service: item.overrides for service, item in values.items()}
    )
    plan = _Plan(
        spec,
        [
            *(describe(spec, item) for item in namespace_manifests(_namespace(input, spec))),
            project,
        ],
        applications,
        secret_manifests(spec, issued, check_label(input.secret_store, "secretStore")),
        databases,
    )
    boundary = Boundary(
        namespace=spec.namespace,
        vault_path=spec.vault_path,
        secrets=frozenset([*database_secrets, *(secret_name(item.service) for item in issued)]),
        sources=[namespace for namespace in moved if namespace != spec.namespace],
        hosts=frozenset(host.lower() for host in input.shared_hosts),
        is_strict=origin == "production",
    )
    problems: list[str] = []
    for source in sources:
        service = source.deployment.service
        plan.rendered[service] = await _render(ctx, spec, source, values[service].overrides)
        problems += find_leaks(service, plan.rendered[service], boundary)
    if problems:
        shown = [f"- {problem}" for problem in problems[:MOST_PROBLEMS]]
        more = [f"- and {len(problems) - MOST_PROBLEMS} more"] if len(problems) > MOST_PROBLEMS else []
        raise InputError("\n".join(["This must not come into a clone, so nothing was written:", *shown, *more]))
    return plan


def _issue(input: CloneInput, values: Mapping[str, Values]) -> list[Issued]:
    known = {variable for item in values.values() for variable in item.variables}
    if unknown := sorted(set(input.stored_secrets) - known):
        raise InputError(f"storedSecrets: none of the services has {', '.join(unknown)[:200]} in its externalSecret")
    return [
        Issued(
            service,
            generated=[variable for variable in item.variables if variable not in input.stored_secrets],
            stored=[variable for variable in item.variables if variable in input.stored_secrets],
        )
        for service, item in values.items()
        if item.variables
    ]


def _namespace(input: CloneInput, spec: CloneSpec) -> NamespaceSpec:
    defaults = ContainerDefaults()
    return NamespaceSpec(
        name=spec.namespace,
        team=spec.team,
        environment=spec.namespace,
        group=spec.team,
        role="edit",
        quota=input.quota.hard(),
        default_requests=defaults.requests.amounts(),
        default_limits=defaults.limits.amounts(),
        pod_security="restricted",
        gateway_namespace=check_label(input.gateway_namespace, "gatewayNamespace"),
        monitoring_namespace=check_label(input.monitoring_namespace, "monitoringNamespace"),
    )


async def _render(ctx: ActionContext, spec: CloneSpec, source: Source, overrides: Json) -> list[Json]:
    """The objects of one service, as Argo CD will render them."""
    file = ctx.temporary_directory() / "values.yaml"
    file.write_text(dump(overrides))
    text = await ctx.ports.helm.template(
        source.chart.folder,
        release=source.deployment.service,
        namespace=spec.namespace,
        values=[*source.files, file],
    )
    return await asyncio.to_thread(parse_manifests, text, f"{source.deployment.service}.yaml")


def _write(ctx: ActionContext, input: CloneInput, plan: _Plan, services: Sequence[str]) -> CloneOutput:
    spec = plan.spec
    folder = Path(input.target_path, clone_folder(spec.team, spec.name))
    until = f"until {write_time(spec.expires_at)}"
    # The same files each time, so that a clone that is made again with less leaves nothing behind.
    contents = {
        CLONE_ENVIRONMENT_FILE: plan.environment,
        "applications.yaml": plan.applications,
        "secrets.yaml": plan.secrets,
        "databases.yaml": plan.databases,
    }
    files: list[str] = []
    for name, manifests in contents.items():
        file = (folder / name).as_posix()
        header = (
            f"Environment {spec.name} of {input.source} as in {input.from_}, {until}. Written by environment:clone."
        )
        write_file(ctx.workspace, file, _text(header, manifests))
        files.append(file)
    objects = plan.objects()
    everything = [item for _, item in objects]
    write_file(ctx.workspace, input.manifests_path, _text("Everything that will be made.", everything))
    listed = [
        ClonedObject(
            kind=str(item["kind"]),
            namespace=item["metadata"].get("namespace") or (spec.namespace if service else None),
            name=str(item["metadata"]["name"]),
            service=service,
        )
        for service, item in objects
    ]
    ctx.log.info(f"Environment {spec.namespace} {until}: {len(listed)} objects for {', '.join(services)}")
    for item in listed:
        ctx.log.info(f"  {item.kind} {f'{item.namespace}/' if item.namespace else ''}{item.name}")
    return CloneOutput(
        namespace=spec.namespace,
        services=list(services),
        applications=[application_name(spec, service) for service in services],
        expires_at=write_time(spec.expires_at),
        owner=spec.owner,
        objects=listed,
        plan=_describe(spec, input, services, listed),
        files=files,
        manifests_path=input.manifests_path,
    )


def _text(header: str, manifests: Sequence[Json]) -> str:
    if not manifests:
        return f"# {header} None.\n"
    first, *others = manifests
    return "---\n".join([dump(first, header=header), *(dump(manifest) for manifest in others)])


def _describe(spec: CloneSpec, input: CloneInput, services: Sequence[str], objects: Sequence[ClonedObject]) -> str:
    lines = [
        f"Namespace `{spec.namespace}` for {', '.join(services)} as in {input.from_}, owned by `{spec.owner}`, "
        f"until {write_time(spec.expires_at)}.",
        "",
        "| Object | Name | Of |",
        "|---|---|---|",
        *(f"| {item.kind} | {item.name} | {item.service or 'the environment'} |" for item in objects),
    ]
    return "\n".join(lines) + "\n"
