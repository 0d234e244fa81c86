"""The sections about clusters, Argo CD and Understage itself."""

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from understage.config.duration import Duration
from understage.config.integration_settings import Secret
from understage.config.measures_settings import MeasuresSettings
from understage.config.section import Boolean, Section, Text


class KubernetesCluster(Section):
    """One cluster of a `config` cluster locator, as the stock Kubernetes plugin has it."""

    name: Text
    url: Text
    title: Text | None = None
    auth_provider: Text | None = None
    service_account_token: Secret | None = None
    skip_tls_verify: Boolean = Field(default=False, alias="skipTLSVerify")
    ca_data: Text | None = None
    ca_file: Text | None = None


class ClusterLocatorMethod(Section):
    """One entry of `kubernetes.clusterLocatorMethods`; only type `config` lists its clusters here."""

    type: Text
    clusters: tuple[KubernetesCluster, ...] = ()


class KubernetesSettings(Section):
    """The `kubernetes` section of the stock Kubernetes plugin."""

    cluster_locator_methods: tuple[ClusterLocatorMethod, ...] = ()

    @property
    def clusters(self) -> list[KubernetesCluster]:
        """The clusters that are written in the configuration."""
        return [cluster for method in self.cluster_locator_methods for cluster in method.clusters]


class ArgocdInstance(Section):
    """One Argo CD server; a token, or a username and a password."""

    name: Text
    url: Text
    frontend_url: Text | None = None
    token: Secret | None = None
    username: Text | None = None
    password: Secret | None = None
    namespace: Text = "argocd"
    insecure: Boolean = False
    skip_tls_verify: Boolean = Field(default=False, alias="skipTLSVerify")


class AppLocatorMethod(Section):
    """One entry of `argocd.appLocatorMethods`."""

    type: Text
    instances: tuple[ArgocdInstance, ...] = ()


class ArgocdSettings(Section):
    """The `argocd` section, in the shape of Roadie's Argo CD plugins."""

    username: Text | None = None
    password: Secret | None = None
    app_locator_methods: tuple[AppLocatorMethod, ...] = ()

    @property
    def instances(self) -> list[ArgocdInstance]:
        """All instances, those without credentials with the ones of the section."""
        return [
            instance
            if instance.token or instance.username
            else instance.model_copy(update={"username": self.username, "password": self.password})
            for method in self.app_locator_methods
            for instance in method.instances
        ]


class GrafanaSettings(Section):
    """The `grafana` section of the community's Grafana plugin: `domain` is the address of Grafana."""

    domain: Text | None = None


class ConfiguredCluster(Section):
    """A cluster of `understage.kubernetes.clusters`: from a kubeconfig file, or the one that the service runs in."""

    name: Text
    kubeconfig: Text | None = None
    context: Text | None = None
    in_cluster: Boolean = False

    @model_validator(mode="after")
    def _check_origin(self) -> "ConfiguredCluster":
        if self.in_cluster and self.kubeconfig:
            raise ValueError("a cluster is reached by its kubeconfig or inCluster, not by both")
        return self


class ClusterSettings(Section):
    """`understage.kubernetes`."""

    clusters: tuple[ConfiguredCluster, ...] = ()


class GitopsSettings(Section):
    """`understage.gitops`: the repository (`host?owner=…&repo=…`) that files for Argo CD are written to."""

    repo_url: Text | None = None


class EnvironmentSettings(Section):
    """`understage.environments`: how the service removes environments and databases whose time is over."""

    expire_every: Duration | None = None
    expire_by_pull_request: Boolean = False


class OwnArgocdSettings(Section):
    """`understage.argocd`: the namespace of Applications, and how Argo CD calls clusters that have another name for it.

    `destination_servers` maps names of clusters to the URLs under which Argo CD knows them.
    """

    namespace: Text = "argocd"
    destination_servers: dict[str, str] = Field(default_factory=dict)


class VaultSettings(Section):
    """`understage.vault`: where External Secrets reads from. No token: namespaces log in by their service accounts."""

    server: Text | None = None
    path: Text = "secret"
    auth_mount_path: Text = "kubernetes"


class HelmRepository(Section):
    """One entry of `understage.helm.repositories`: a repository of charts (`https://…`) or a registry (`oci://…`).

    Actions reach what is below `url`, and nothing else. `plain_http` is for a registry without TLS.
    """

    url: Text
    username: Text | None = None
    password: Secret | None = None
    plain_http: Boolean = False


class HelmSettings(Section):
    """`understage.helm`."""

    binary: Text = "helm"
    charts: Text | None = None
    repositories: tuple[HelmRepository, ...] = ()


class PolicySettings(Section):
    """`understage.policies`: the file of the platform's rules, and settings over its own."""

    rules: Text | None = None
    settings: dict[str, str | tuple[str, ...]] = Field(default_factory=dict)


Price = Annotated[float, Field(ge=0, lt=10**9, allow_inf_nan=False)]


class PriceSettings(Section):
    """`understage.costs.prices`: of a core and a GiB of memory an hour, of a GiB of storage and a load balancer a month."""

    cpu_hour: Price
    memory_gib_hour: Price
    storage_gib_month: Price
    load_balancer_month: Price = 0
    storage_classes: dict[str, Price] = Field(default_factory=dict)


class OpenCostSettings(Section):
    """`understage.costs.openCost`: where OpenCost answers, over which time it is asked, and how often.

    `label` is what pods of one service have in common. `annotate` puts what services cost on their entities, anew once in
    `annotate_every` at most.
    """

    url: Text
    path: Text = "/allocation/compute"
    token: Secret | None = None
    currency: Text | None = None
    window: Duration = timedelta(days=7)
    refresh: Duration = timedelta(hours=1)
    label: Text = "app.kubernetes.io/name"
    annotate: Boolean = True
    annotate_every: Duration = timedelta(days=1)


class CostSettings(Section):
    """`understage.costs`: what estimates count with, and who tells what was spent."""

    currency: Text = "USD"
    prices: PriceSettings | None = None
    job_minutes: int = Field(default=5, ge=1, le=44640)
    nodes: int = Field(default=1, ge=1, le=100_000)
    open_cost: OpenCostSettings | None = None

    @model_validator(mode="after")
    def _check_currency(self) -> "CostSettings":
        if self.prices is None and self.currency != "USD":
            raise ValueError(f"the default prices are in USD: give prices in {self.currency}")
        return self


class WorkspaceSettings(Section):
    """`understage.tasks.workspaces`: where workspaces are kept between steps that are too large for the database."""

    url: Text | None = None
    options: dict[str, Any] = Field(default_factory=dict, repr=False)


class TemporalSettings(Section):
    """`understage.tasks.temporal`: the server that schedules tasks where `understage.tasks.engine` is `temporal`."""

    address: Text = "127.0.0.1:7233"
    namespace: Text = "default"
    task_queue: Text = "understage"
    api_key: Secret | None = None
    tls: Boolean = False
    server_ca_file: Text | None = None
    client_cert_file: Text | None = None
    client_key_file: Text | None = None


class TaskEngineSettings(Section):
    """`understage.tasks`: for how long a worker owns a task, and how often it says that it still does.

    A task whose worker is silent for longer than `lease` is continued by another one.
    """

    lease: Duration | None = None
    heartbeat: Duration | None = None
    engine: Literal["database", "temporal"] = "database"
    temporal: TemporalSettings = TemporalSettings()
    workspaces: WorkspaceSettings = WorkspaceSettings()


class CommandSettings(Section):
    """`understage.commands`: `token` is what commands send to the plugins that `discovery.endpoints` places elsewhere.

    A service does not: it works for people, with their rights.
    """

    token: Secret | None = None


class TelemetrySettings(Section):
    """`understage.telemetry`; traces and OTLP follow the usual `OTEL_…` variables."""

    prometheus: Boolean = True


class UnderstageSettings(Section):
    """The `understage` section: everything that the stock backend has no key for.

    `forge` is the host that new repositories go to, where several forges are configured. `template_roots` are folders whose
    templates may fetch from anywhere below them, not only from beside themselves.
    `encryption_key` (any text; from it the key is derived that secrets are stored under) is generated into the data
    directory when absent, which is enough for one replica. `catalog_memory` is in megabytes of entities' JSON.
    """

    data_directory: Text = ".understage"
    forge: Text | None = None
    template_roots: tuple[Text, ...] = ()
    encryption_key: Secret | None = None
    kubernetes: ClusterSettings = ClusterSettings()
    gitops: GitopsSettings = GitopsSettings()
    environments: EnvironmentSettings = EnvironmentSettings()
    argocd: OwnArgocdSettings = OwnArgocdSettings()
    vault: VaultSettings = VaultSettings()
    helm: HelmSettings = HelmSettings()
    policies: PolicySettings = PolicySettings()
    costs: CostSettings = CostSettings()
    tasks: TaskEngineSettings = TaskEngineSettings()
    commands: CommandSettings = CommandSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    measures: MeasuresSettings = MeasuresSettings()
    catalog_memory: int = Field(default=256, ge=0)
