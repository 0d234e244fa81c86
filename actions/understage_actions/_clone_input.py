"""What is asked of a clone, and what is told of one. Shared by `environment:clone` and the modules that plan and write it."""

from typing import Any

from pydantic import Field

from understage.sdk import ActionModel
from understage_actions._vault_manifests import STORE
from understage_actions.kubernetes_create_namespace import Quota

LONGEST_NAME = 20


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
        "teams/<team>/clones/clone-<name>/<service>; all others are made up",
    )
    shared_hosts: list[str] = Field(
        default_factory=list, description="Hosts outside of the clone that it may use, although it is a clone"
    )
    secret_store: str = Field(
        default=STORE,
        description="SecretStore of the namespace, for `storedSecrets`: `vault` is made where Vault is configured, any other "
        "is yours",
    )
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
