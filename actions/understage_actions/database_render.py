"""`database:render`: a database on request, as files for the GitOps repository, and its connection in the service's values."""

import asyncio
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from understage.sdk import (
    ActionContext,
    ActionModel,
    Cluster,
    ConflictError,
    Example,
    InputError,
    NotFoundError,
    action,
)
from understage.sdk.yaml import dump, parse_document
from understage_actions._commented_yaml import merge_keeping_comments
from understage_actions._database_manifests import (
    CNPG_VERSION,
    SIZES,
    BackupPlan,
    DatabaseSpec,
    claim_manifests,
    cloudnative_pg_manifests,
    connection,
)
from understage_actions._gitops_layout import database_file
from understage_actions._kubernetes_names import check_label, check_namespace, team_name
from understage_actions._namespace_manifests import TEAM_LABEL
from understage_actions._time_to_live import check_owner_ref, expiry_after, parse_ttl, write_time
from understage_actions._tree import write_file

Json = dict[str, Any]
LONGEST = timedelta(days=366)
QUANTITY = re.compile(r"[1-9][0-9]{0,4}(Mi|Gi|Ti)")
CRON = re.compile(r"[0-9*/,?A-Za-z-]+( [0-9*/,?A-Za-z-]+){5}")
DESTINATION = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._-]+)*/?")
EXTENSION = re.compile(r"[a-z][a-z0-9_-]{0,62}")
API_VERSION = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?/v[0-9]+((alpha|beta)[0-9]+)?")
CRDS = {
    "cloudnative-pg": "CloudNativePG (postgresql.cnpg.io/v1, kind Cluster)",
    "crossplane": "the Crossplane claim ({version}, kind {kind})",
}
Engine = Literal["cloudnative-pg", "crossplane"]


class Claim(ActionModel):
    """The kind of Crossplane's claim, as the platform's CompositeResourceDefinition offers it."""

    api_version: str = Field(default="database.understage.io/v1alpha1", description="Group and version")
    kind: str = Field(default="PostgreSQLInstance", pattern="^[A-Z][A-Za-z0-9]{0,62}$", description="Kind of the claim")


class Backup(ActionModel):
    """How it is backed up."""

    enabled: bool = Field(default=True, description="false: never")
    schedule: str = Field(default="0 0 3 * * *", description="Cron with six fields, seconds first; UTC")
    destination: str | None = Field(
        default=None, description="Object store, as s3://bucket/path; default: snapshots of the volumes"
    )
    retention: str = Field(default="30d", pattern="^[1-9][0-9]{0,3}[dwm]$", description="How long they are kept there")


class RenderInput(ActionModel):
    """Which database, for whom, how large, until when."""

    name: str = Field(description="Its name in the namespace, such as ledger-db")
    service: str = Field(description="The service that connects to it; the value of its label app.kubernetes.io/name")
    team: str = Field(description="Who owns the service: the name or the entity ref of a group")
    environment: str = Field(description="What it is for: development, staging, production …")
    namespace: str | None = Field(default=None, description="Default: <service>-<environment>")
    owner: str | None = Field(
        default=None, description="Entity ref of who answers for it; default: the task's user, else the team"
    )
    engine: Literal["auto", "cloudnative-pg", "crossplane"] = Field(
        default="auto",
        description="auto: what the cluster has, CloudNativePG first. Without a connected cluster it must be named",
    )
    cluster: str | None = Field(default=None, description="Name of a configured cluster; default: the first one")
    claim: Claim = Field(default_factory=Claim, description="What a claim of Crossplane is called here")
    size: Literal["small", "medium", "large"] = Field(default="small", description="CPU, memory, storage, instances")
    storage: str | None = Field(default=None, description="Storage of one instance; default: that of the size")
    storage_class: str | None = Field(default=None, description="Default: that of the cluster")
    version: Literal["15", "16", "17", "18"] = Field(default="17", description="Major version of PostgreSQL")
    database: str | None = Field(default=None, description="Name within PostgreSQL; default: the service's, _ for -")
    extensions: list[str] = Field(default_factory=list, description="Extensions of PostgreSQL to create")
    backup: Backup = Field(default_factory=Backup, description="Schedule and place of backups")
    ttl: str | None = Field(
        default=None, description="When it ends, from now: 8h, 3d, 2w; at most 366 days. Default: it stays"
    )
    operator_namespace: str = Field(default="cnpg-system", description="Where CloudNativePG runs")
    monitoring_namespace: str = Field(default="monitoring", description="Whose pods may read metrics")
    target_path: str = Field(default=".", description="Root of the GitOps files in the workspace")
    values_file: str | None = Field(
        default=None, description="Values file of the service in the workspace, which gets the connection secret"
    )
    values_key: str = Field(default="base-service", description="Key of the chart in it; empty for its root")
    prefix: str = Field(
        default="DATABASE_", pattern="^[A-Z][A-Z0-9_]{0,30}$", description="How the variables of the service begin"
    )


class RenderOutput(ActionModel):
    """What was written."""

    engine: Engine
    namespace: str
    secret_name: str = Field(description="The Secret with uri, host, port, dbname, username and password")
    env_from: list[dict[str, Any]] = Field(description="For the service's values")
    expires_at: str | None = Field(description="RFC 3339; null when it stays")
    manifests: list[dict[str, Any]]
    files: list[str] = Field(description="Files for the GitOps repository, relative to the workspace")
    values_changed: bool = Field(description="Whether the values file was changed")


_EXAMPLES = [
    Example(
        "A small database for a week, in the engine that the cluster has",
        {
            "name": "ledger-db",
            "service": "ledger",
            "team": "group:default/payments",
            "environment": "development",
            "ttl": "1w",
            "targetPath": "gitops",
        },
    ),
    Example(
        "For production, backed up to an object store, its secret in the service's values",
        {
            "name": "ledger-db",
            "service": "ledger",
            "team": "payments",
            "environment": "production",
            "engine": "cloudnative-pg",
            "size": "large",
            "backup": {"destination": "s3://backups/payments", "retention": "30d"},
            "targetPath": "gitops",
            "valuesFile": "service/deploy/environments/production.yaml",
        },
    ),
]


@action(
    "database:render",
    description="""
    Writes a PostgreSQL database of a service as files for the GitOps repository: CloudNativePG (Cluster, Database, backups,
    network policy) or a claim of Crossplane, whichever the cluster has. Puts the connection secret into the service's values.
    With a time to live it ends by itself (`environment:expire`). It begins empty: no data of another database is copied.
    """,
    examples=_EXAMPLES,
    supports_dry_run=True,
)
async def render(ctx: ActionContext, input: RenderInput) -> RenderOutput:
    """Check everything, choose the engine, write. InputError says what the cluster lacks."""
    spec = _specify(ctx, input)
    await _check_team(ctx.ports.clusters.get(input.cluster), spec)
    engine = await _choose_engine(ctx, input)
    if input.ttl is not None:
        spec = replace(spec, expires_at=await expiry_after(ctx, parse_ttl(input.ttl, longest=LONGEST)))
    if engine == "crossplane" and (spec.extensions or input.backup.destination):
        raise InputError(
            "A claim of Crossplane has no `extensions` and no `backup.destination`: its composition decides"
        )
    manifests = cloudnative_pg_manifests(spec) if engine == "cloudnative-pg" else claim_manifests(spec)
    wiring = connection(spec, input.prefix)
    changed = await asyncio.to_thread(_wire, ctx, input, wiring)
    relative = _write(ctx, input, spec, manifests)
    ctx.log.info(f"Wrote database {spec.namespace}/{spec.name} ({engine}, {spec.size_name}) to {relative}")
    if changed:
        ctx.log.info(f"Put the connection secret {spec.secret} into {input.values_file}")
    return RenderOutput(
        engine=engine,
        namespace=spec.namespace,
        secret_name=spec.secret,
        env_from=wiring,
        expires_at=write_time(spec.expires_at) if spec.expires_at else None,
        manifests=manifests,
        files=[relative],
        values_changed=changed,
    )


async def _check_team(cluster: Cluster | None, spec: DatabaseSpec) -> None:
    """ConflictError for the namespace of another team; one that is not there yet comes from Git."""
    found = await cluster.get("v1", "Namespace", spec.namespace) if cluster is not None else None
    owner = (found["metadata"].get("labels") or {}).get(TEAM_LABEL) if found is not None else None
    if owner not in (None, spec.team):
        raise ConflictError(f"Namespace {spec.namespace} belongs to team {owner}: a team has databases in its own only")


async def _choose_engine(ctx: ActionContext, input: RenderInput) -> Engine:
    cluster = ctx.ports.clusters.get(input.cluster)
    if cluster is None:
        if input.engine == "auto":
            raise InputError(
                "No cluster is connected that could say what it has: set `engine` to cloudnative-pg or crossplane, or name a "
                "cluster in kubernetes.clusterLocatorMethods"
            )
        return input.engine
    kinds: dict[Engine, tuple[str, str]] = {
        "cloudnative-pg": (CNPG_VERSION, "Cluster"),
        "crossplane": (input.claim.api_version, input.claim.kind),
    }
    wanted: list[Engine] = ["cloudnative-pg", "crossplane"] if input.engine == "auto" else [input.engine]
    for engine in wanted:
        if await _has(cluster, *kinds[engine]):
            ctx.log.info(f"Cluster {cluster.name} has {_describe(engine, input)}")
            return engine
    missing = " nor ".join(_describe(engine, input) for engine in wanted)
    raise InputError(f"Cluster {cluster.name} has not {missing}: install it first, or choose another `engine`")


def _describe(engine: Engine, input: RenderInput) -> str:
    return CRDS[engine].format(version=input.claim.api_version, kind=input.claim.kind)


async def _has(cluster: Cluster, api_version: str, kind: str) -> bool:
    try:
        return await cluster.is_namespaced(api_version, kind)
    except NotFoundError:
        return False


def _specify(ctx: ActionContext, input: RenderInput) -> DatabaseSpec:
    team, service = team_name(input.team), check_label(input.service, "service", limit=40)
    environment = check_label(input.environment, "environment")
    size = SIZES[input.size]
    if input.storage is not None:
        size = replace(size, storage=_matching(QUANTITY, input.storage, "storage", "such as 20Gi"))
    return DatabaseSpec(
        # CloudNativePG adds suffixes to the name for Services and pods, and takes 50 characters.
        name=check_label(input.name, "name", limit=50),
        namespace=check_namespace(input.namespace or f"{service}-{environment}"),
        service=service,
        team=team,
        environment=environment,
        owner=check_owner_ref(input.owner or ctx.user.ref or f"group:default/{team}"),
        database=_database_name(input.database or service.replace("-", "_")),
        version=input.version,
        size_name=input.size,
        size=size,
        backup=_backup(input.backup),
        expires_at=None,
        operator_namespace=check_label(input.operator_namespace, "operatorNamespace"),
        monitoring_namespace=check_label(input.monitoring_namespace, "monitoringNamespace"),
        storage_class=check_label(input.storage_class, "storageClass") if input.storage_class else None,
        extensions=[_matching(EXTENSION, name, "extensions", "such as pg_trgm") for name in input.extensions],
        claim_version=_matching(API_VERSION, input.claim.api_version, "claim.apiVersion", "such as example.org/v1"),
        claim_kind=input.claim.kind,
    )


def _database_name(name: str) -> str:
    _matching(re.compile(r"[a-z][a-z0-9_]{0,62}"), name, "database", "lower-case letters, digits and _")
    if name in ("postgres", "template0", "template1") or name.startswith("pg_"):
        raise InputError(f"database {name!r} is PostgreSQL's own: choose another name")
    return name


def _backup(backup: Backup) -> BackupPlan | None:
    if not backup.enabled:
        return None
    schedule = _matching(CRON, backup.schedule, "backup.schedule", "six fields, as in 0 0 3 * * *")
    if backup.destination is not None:
        _matching(DESTINATION, backup.destination, "backup.destination", "such as s3://bucket/path")
    return BackupPlan(schedule, backup.destination, backup.retention)


def _matching(pattern: re.Pattern[str], text: str, what: str, advice: str) -> str:
    if len(text) > 200 or not pattern.fullmatch(text):
        raise InputError(f"{what} {text[:80]!r} is not allowed: {advice}")
    return text


def _wire(ctx: ActionContext, input: RenderInput, wiring: list[Json]) -> bool:
    """Put the secret into the values file, comments kept; False when it is there already, or there is no file."""
    if input.values_file is None:
        return False
    if not ctx.workspace.resolve(input.values_file).is_file():
        raise InputError(f"valuesFile: the workspace has no file {input.values_file}")
    text = ctx.workspace.read_bytes(input.values_file)
    document = parse_document(text, input.values_file)
    values = document.value if document.value is not None else {}
    part = values.get(input.values_key) or {} if isinstance(values, dict) and input.values_key else values
    known = part.get("envFrom") or [] if isinstance(part, dict) else None
    if not isinstance(known, list):
        raise document.error(f"a values file is a map, and {input.values_key or 'its root'}.envFrom in it a list")
    new = [entry for entry in wiring if entry not in known]
    if not new:
        return False
    own: Json = {"envFrom": [*known, *new]}
    content = {input.values_key: own} if input.values_key else own
    written = dump(content) if document.value is None else _merged(text, content)
    write_file(ctx.workspace, input.values_file, written)
    return True


def _merged(text: bytes, content: Json) -> str:
    return merge_keeping_comments(text, 0, content, merge_arrays=False)


def _write(ctx: ActionContext, input: RenderInput, spec: DatabaseSpec, manifests: list[Json]) -> str:
    file = Path(input.target_path, database_file(spec.team, spec.namespace, spec.name)).as_posix()
    until = f", until {write_time(spec.expires_at)}" if spec.expires_at else ""
    header = f"Database {spec.name} of service {spec.service} in {spec.namespace}{until}. Written by database:render."
    text = "---\n".join([dump(manifests[0], header=header), *(dump(manifest) for manifest in manifests[1:])])
    write_file(ctx.workspace, file, text)
    return file
