"""`kubernetes:create-namespace`: a namespace with its guardrails, in a cluster or as a file for a GitOps repository."""

import re
from typing import Any, Literal

from pydantic import Field, field_validator

from understage.sdk import ActionContext, ActionModel, Cluster, ConflictError, Example, InputError, action
from understage.sdk.yaml import dump
from understage_actions._gitops_layout import namespace_file
from understage_actions._gitops_teams import is_from_git
from understage_actions._kubernetes_names import check_label, check_namespace, team_name
from understage_actions._namespace_manifests import TEAM_LABEL, NamespaceSpec, namespace_manifests
from understage_actions._tree import write_file
from understage_actions._undoing import note_object
from understage_actions._vault_manifests import read_vault, store_manifests

Json = dict[str, Any]
QUANTITY = re.compile(r"[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?")
LABEL_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
ROLES = ("view", "edit", "admin")


class Quota(ActionModel):
    """What all pods of the namespace may have together, as Kubernetes quantities."""

    requests_cpu: str = Field(default="10", description="CPU requests")
    requests_memory: str = Field(default="20Gi", description="Memory requests")
    limits_cpu: str = Field(default="20", description="CPU limits")
    limits_memory: str = Field(default="40Gi", description="Memory limits")
    pods: int = Field(default=50, ge=0, description="Number of pods")

    @field_validator("requests_cpu", "requests_memory", "limits_cpu", "limits_memory", mode="before")
    @classmethod
    def _quantity(cls, value: Any) -> str:
        return _check_quantity(value)

    def hard(self) -> dict[str, str]:
        """The members of a ResourceQuota's `hard`."""
        return {
            "requests.cpu": self.requests_cpu,
            "requests.memory": self.requests_memory,
            "limits.cpu": self.limits_cpu,
            "limits.memory": self.limits_memory,
            "pods": str(self.pods),
        }


class Amounts(ActionModel):
    """What a container has that says nothing itself."""

    cpu: str
    memory: str

    @field_validator("cpu", "memory", mode="before")
    @classmethod
    def _quantity(cls, value: Any) -> str:
        return _check_quantity(value)

    def amounts(self) -> dict[str, str]:
        """As a LimitRange holds them."""
        return {"cpu": self.cpu, "memory": self.memory}


class ContainerDefaults(ActionModel):
    """The LimitRange: defaults of containers."""

    requests: Amounts = Field(default_factory=lambda: Amounts(cpu="100m", memory="128Mi"))
    limits: Amounts = Field(default_factory=lambda: Amounts(cpu="500m", memory="512Mi"))


class CreateNamespaceInput(ActionModel):
    """Which namespace, for whom, with which limits."""

    namespace: str = Field(description="Its name: lower-case letters, digits and hyphens")
    team: str = Field(description="Who owns it: the name or the entity ref of a group")
    environment: str = Field(description="What it is for: development, staging, production …")
    cluster: str | None = Field(default=None, description="Name of a configured cluster; default: the first one")
    mode: Literal["auto", "apply", "files"] = Field(
        default="auto",
        description="auto applies when a cluster is configured and the team's AppProject is not from Git, else writes files",
    )
    target_path: str = Field(default=".", description="Root of the GitOps files in the workspace, for files")
    group: str | None = Field(default=None, description="Kubernetes group of the team; default: the team's name")
    role: str = Field(default="edit", description=f"ClusterRole of the group in the namespace: {', '.join(ROLES)}")
    quota: Quota = Field(default_factory=Quota, description="Limits of the whole namespace")
    container_defaults: ContainerDefaults = Field(
        default_factory=ContainerDefaults, description="Requests and limits of containers that name none"
    )
    pod_security: Literal["restricted", "baseline"] = Field(default="restricted", description="Pod Security standard")
    gateway_namespace: str = Field(default="gateway-system", description="Whose pods may call in: the gateway")
    monitoring_namespace: str = Field(default="monitoring", description="Whose pods may call in: the monitoring")
    labels: dict[str, str] = Field(default_factory=dict, description="More labels of the Namespace")
    annotations: dict[str, str] = Field(default_factory=dict, description="Annotations of the Namespace")
    adopt: bool = Field(default=False, description="Take over a namespace that exists and belongs to nobody")


class CreateNamespaceOutput(ActionModel):
    """What was made."""

    namespace: str
    cluster: str | None = Field(description="Where it was applied, or would be; null for files")
    applied: bool = Field(description="false: written as files, or a dry run")
    manifests: list[dict[str, Any]] = Field(description="The objects")
    files: list[str] = Field(description="Files written, relative to the workspace")


_EXAMPLES = [
    Example(
        "A namespace with the default guardrails",
        {"namespace": "ledger-production", "team": "group:default/payments", "environment": "production"},
    ),
    Example(
        "Smaller limits, as files for a GitOps repository",
        {
            "namespace": "ledger-development",
            "team": "payments",
            "environment": "development",
            "mode": "files",
            "targetPath": "gitops",
            "quota": {"requestsCpu": "2", "requestsMemory": "4Gi", "limitsCpu": "4", "limitsMemory": "8Gi", "pods": 10},
        },
    ),
]


@action(
    "kubernetes:create-namespace",
    description="""
    Creates a namespace with team, environment and Pod Security labels, ResourceQuota, LimitRange, default-deny
    NetworkPolicies with the allowances a service needs, the team's RoleBinding, and a SecretStore of the namespace's own where
    Vault is configured (`understage.vault`). Run again, it brings the namespace back
    to that state. Refuses reserved names and namespaces of other teams.
    """,
    examples=_EXAMPLES,
    supports_dry_run=True,
)
async def create_namespace(ctx: ActionContext, input: CreateNamespaceInput) -> CreateNamespaceOutput:
    """Check, then apply by server-side apply or write the file. ConflictError for a namespace of somebody else."""
    spec = specify_namespace(input)
    manifests = namespace_manifests(spec)
    if vault := read_vault(ctx.defaults):
        manifests += store_manifests(vault, namespace=spec.name, team=spec.team)
    cluster = None if input.mode == "files" else ctx.ports.clusters.get(input.cluster)
    if cluster is None and input.mode == "apply":
        raise InputError(
            "No cluster is configured, so nothing can be applied: name one in kubernetes.clusterLocatorMethods or "
            "understage.kubernetes.clusters, or use `mode: files`"
        )
    if cluster is None:
        why = "as asked" if input.mode == "files" else "since no cluster is configured"
        return _write_files(ctx, input, spec, manifests, why)
    await check_owner(cluster, spec.name, spec.team, adopt=input.adopt)
    if input.mode == "auto" and await is_from_git(ctx, spec.team, cluster=cluster):
        return _write_files(ctx, input, spec, manifests, f"since Argo CD makes what team {spec.team} has, from Git")
    for manifest in manifests:
        title = f"{manifest['kind']} {manifest['metadata']['name']}"
        if ctx.is_dry_run:
            ctx.log.info(f"Would apply {title} to cluster {cluster.name}")
        else:
            metadata = manifest["metadata"]
            key = (manifest["apiVersion"], manifest["kind"], metadata["name"], metadata.get("namespace"))
            if await cluster.get(*key) is None:
                await note_object(ctx, cluster.name, key)
            await cluster.apply(manifest)
            ctx.log.info(f"Applied {title} to cluster {cluster.name}")
    return CreateNamespaceOutput(
        namespace=spec.name, cluster=cluster.name, applied=not ctx.is_dry_run, manifests=manifests, files=[]
    )


async def check_owner(cluster: Cluster, namespace: str, team: str, *, adopt: bool = False) -> bool:
    """Whether the namespace exists; ConflictError when it is another team's, or nobody's without `adopt`."""
    found = await cluster.get("v1", "Namespace", namespace)
    if found is None:
        return False
    owner = (found["metadata"].get("labels") or {}).get(TEAM_LABEL)
    if found["metadata"].get("deletionTimestamp"):
        raise ConflictError(f"Namespace {namespace} in cluster {cluster.name} is being deleted: wait, then try again")
    if owner is None and not adopt:
        raise ConflictError(
            f"Namespace {namespace} exists in cluster {cluster.name} and has no label {TEAM_LABEL!r}, so it is nobody's: "
            "choose another name, or set `adopt: true` to take it over"
        )
    if owner is not None and owner != team:
        raise ConflictError(
            f"Namespace {namespace} in cluster {cluster.name} belongs to team {owner}: choose another name"
        )
    return True


def specify_namespace(input: CreateNamespaceInput) -> NamespaceSpec:
    """The checked input; InputError for names, labels and roles that are not for a team."""
    team = team_name(input.team)
    if input.role not in ROLES:
        raise InputError(f"role {input.role!r} is not for a team: choose {', '.join(ROLES)}")
    group = input.group or team
    if group.startswith("system:"):
        raise InputError(f"group {group!r} is Kubernetes' own: name the team's group")
    for key, value in input.labels.items():
        if not LABEL_KEY.fullmatch(key) or not LABEL_VALUE.fullmatch(value):
            raise InputError(f"labels: {key[:80]!r}: {value[:80]!r} is not a Kubernetes label")
        if key.startswith("pod-security.kubernetes.io/"):
            raise InputError(f"labels: {key} is set by podSecurity")
    return NamespaceSpec(
        name=check_namespace(input.namespace),
        team=team,
        environment=check_label(input.environment, "environment"),
        group=group,
        role=input.role,
        quota=input.quota.hard(),
        default_requests=input.container_defaults.requests.amounts(),
        default_limits=input.container_defaults.limits.amounts(),
        pod_security=input.pod_security,
        gateway_namespace=check_label(input.gateway_namespace, "gatewayNamespace"),
        monitoring_namespace=check_label(input.monitoring_namespace, "monitoringNamespace"),
        labels=input.labels,
        annotations=input.annotations,
    )


def _write_files(
    ctx: ActionContext, input: CreateNamespaceInput, spec: NamespaceSpec, manifests: list[Json], why: str
) -> CreateNamespaceOutput:
    relative = f"{input.target_path.rstrip('/')}/{namespace_file(spec.team, spec.name)}".removeprefix("./")
    header = f"Namespace {spec.name} of team {spec.team}. Written by kubernetes:create-namespace."
    documents = [dump(manifests[0], header=header), *(dump(manifest) for manifest in manifests[1:])]
    write_file(ctx.workspace, relative, "---\n".join(documents))
    ctx.log.info(f"Wrote namespace {spec.name} to {relative}, {why}; nothing was applied")
    return CreateNamespaceOutput(
        namespace=spec.name, cluster=None, applied=False, manifests=manifests, files=[relative]
    )


def _check_quantity(value: Any) -> str:
    text = str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not QUANTITY.fullmatch(text):
        raise ValueError("not a Kubernetes quantity: write 500m, 2, 20Gi …")
    return text
