"""The ports: everything an action may reach. Implemented in `understage.integrations`, faked in `understage.sdk.testing`.

Errors: what the other side refuses for a reason the user can mend is InputError, ConflictError, NotFoundError or
NotAllowedError with what to do; anything else is ForeignError, the cause chained.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from understage.sdk.reader import UrlReader

Json = dict[str, Any]
ForgeType = Literal["github", "gitlab", "bitbucketCloud"]
Query = Mapping[str, str | int]


class Catalog(Protocol):
    """The catalog, with the credentials of the task's initiator."""

    async def get_entities(self, refs: Sequence[str]) -> list[Json | None]:
        """Entities in the order of `refs` (full refs); None where absent or not readable."""

    async def add_location(self, target: str, *, dry_run: bool = False) -> Json:
        """Register a `url` location: `{location, entities, exists?}`. Raises ConflictError when it is registered already."""

    async def remove_location(self, target: str) -> bool:
        """Unregister a `url` location, and with it what it led to; False when it is not registered."""


@dataclass(frozen=True)
class GitAuthor:
    """Who a commit names as its author."""

    name: str
    email: str


@dataclass(frozen=True)
class GitCredentials:
    """HTTP credentials of a git remote; never part of a URL, a log line or an argument list."""

    username: str
    password: str = field(repr=False)


class Git(Protocol):
    """Git work trees and remotes, by the git binary."""

    async def publish(
        self,
        directory: Path,
        remote_url: str,
        *,
        branch: str,
        message: str,
        author: GitAuthor,
        credentials: GitCredentials | None = None,
    ) -> str:
        """Commit all of `directory` (a plain folder) as the first commit of `branch`, push it; returns the commit hash."""

    async def clone(
        self, remote_url: str, directory: Path, *, branch: str | None = None, credentials: GitCredentials | None = None
    ) -> str:
        """Clone (shallow) into the empty `directory`; returns the commit hash checked out."""

    async def read_files(
        self, remote_url: str, commit: str, paths: Sequence[str], *, credentials: GitCredentials | None = None
    ) -> Mapping[str, bytes]:
        """The files among `paths` that a commit (its whole hash) has. NotFoundError when the remote has no such commit."""

    async def push_changes(
        self,
        directory: Path,
        *,
        branch: str,
        message: str,
        author: GitAuthor,
        credentials: GitCredentials | None = None,
    ) -> str | None:
        """Commit every change of a clone on `branch` (made if absent) and push it; None when nothing changed.

        Raises ConflictError when the remote branch moved meanwhile.
        """


@dataclass(frozen=True)
class Repository:
    """A repository on a forge. URLs are absolute, for people (`web_url`) and for git (`clone_url`)."""

    owner: str
    name: str
    default_branch: str
    clone_url: str
    web_url: str

    def contents_url(self, forge: "Forge", path: str = "") -> str:
        """URL of a file or folder at the default branch, as the forge's pages and the url reader know it."""
        return forge.contents_url(self, self.default_branch, path)


@dataclass(frozen=True)
class PullRequest:
    """An opened pull request."""

    number: int
    url: str


class Forge(Protocol):
    """A git forge: repositories and pull requests. `type` is the integration's (gitea, github, …, `local`)."""

    @property
    def type(self) -> str:
        """The integration's type."""

    @property
    def host(self) -> str:
        """Host, with the port when it is not the scheme's, as in the forge's URLs."""

    @property
    def credentials(self) -> GitCredentials | None:
        """What git signs in with; None for a forge that asks for nothing."""

    async def get_repository(self, owner: str, name: str) -> Repository | None:
        """The repository, or None."""

    async def create_repository(
        self, owner: str, name: str, *, description: str = "", private: bool = True, default_branch: str = "main"
    ) -> Repository:
        """Create an empty repository. Raises ConflictError when the name is taken, NotFoundError for an unknown owner."""

    async def open_pull_request(
        self, owner: str, name: str, *, title: str, body: str, source_branch: str, target_branch: str
    ) -> PullRequest:
        """Open a pull request; returns the open one when the same branches have one. NotImplementedError_ on `local`."""

    async def branch_heads(self, owner: str, name: str) -> Mapping[str, str]:
        """The commit of each branch; none for an empty repository. Raises NotFoundError for one that is not there."""

    async def delete_repository(self, owner: str, name: str) -> None:
        """Delete a repository and all that is in it. NotFoundError for one that is not there."""

    def plan_repository(self, owner: str, name: str, *, default_branch: str = "main") -> Repository:
        """The repository as `create_repository` would make it; asks nobody, makes nothing. For plans and dry runs."""

    def contents_url(self, repository: Repository, branch: str, path: str = "") -> str:
        """URL of a file or folder of the repository at a branch."""


class Forges(Protocol):
    """The configured forges; the embedded local git server is the one of type `local`."""

    def get(self, host: str) -> Forge:
        """The forge of a host. Raises InputError `No integration for host …` with the hosts there are."""

    def default(self) -> Forge:
        """The forge new repositories go to: `understage.forge`, else the only configured one, else the local git server."""


@dataclass(frozen=True)
class ApiAnswer:
    """A successful answer: `body` is parsed JSON, None where there was none. Header names are lower-case."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


class ForgeApi(Protocol):
    """The REST API of one forge, signed in with a given token or with what the configuration has for it."""

    @property
    def type(self) -> ForgeType:
        """The integration's type."""

    @property
    def host(self) -> str:
        """Host of the forge's pages."""

    @property
    def url(self) -> str:
        """Address of the API, without a slash at its end."""

    @property
    def credentials(self) -> GitCredentials | None:
        """What git signs in with, by the same token."""

    async def request(self, method: str, path: str, *, query: Query | None = None, body: Any = None) -> ApiAnswer:
        """Send one request to `path` below the API's address; `body` goes as JSON.

        A read that fails for a moment, and whatever the forge puts off for less than a minute, is sent again. Raises
        InputError (400, 422), NotAllowedError (401, 403), NotFoundError, ConflictError, ForeignError, in the forge's own
        words with what to do; never with the token.
        """


class ForgeApis(Protocol):
    """The APIs of the configured forges."""

    async def get(
        self, type: ForgeType, host: str, *, owner: str | None = None, repo: str | None = None, token: str | None = None
    ) -> ForgeApi:
        """The API of a host, signed in with `token`, else with what is configured for `owner` and `repo`.

        Raises InputError for a host that is no forge of that type, or when there is no token.
        """


class Notifications(Protocol):
    """The notifications plugin of the installation, asked as the scaffolder itself."""

    async def send(self, recipients: Json, payload: Json) -> None:
        """Send one: recipients `{type: broadcast}` or `{type: entity, entityRef: […]}`.

        Raises ForeignError where it is not taken, or nobody listens.
        """


class Cluster(Protocol):
    """One Kubernetes cluster. Manifests are plain dicts as in YAML."""

    @property
    def name(self) -> str:
        """The name in the configuration."""

    @property
    def server(self) -> str:
        """The API server's URL."""

    async def apply(self, manifest: Json, *, force: bool = False, dry_run: bool = False) -> Json:
        """Server-side apply with the field manager `understage`; returns the stored object.

        Raises ConflictError naming the other field manager unless `force`.
        """

    async def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> Json | None:
        """The object, or None."""

    async def list(
        self, api_version: str, kind: str, *, namespace: str | None = None, labels: str | None = None
    ) -> Sequence[Json]:
        """The objects of a kind, in one namespace or in all, chosen by a selector of labels (`team=payments,a=b`).

        Raises NotFoundError for a kind that the cluster does not know.
        """

    async def delete(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> bool:
        """Delete the object (its dependents in the foreground); False when it was not there."""

    async def is_namespaced(self, api_version: str, kind: str) -> bool:
        """Whether objects of the kind are in namespaces. Raises NotFoundError for a kind that the cluster does not know."""


class Clusters(Protocol):
    """The configured clusters, by name."""

    def names(self) -> list[str]:
        """Names, in configuration order."""

    def get(self, name: str | None = None) -> Cluster | None:
        """A cluster by name, or the first one; None when no cluster is configured.

        Raises InputError for an unknown name, listing those there are.
        """


@dataclass(frozen=True)
class PackedChart:
    """A packed chart in a registry: the digest of its manifest there, and the SHA-256 (hex) of the package itself."""

    digest: str
    sha256: str


class Helm(Protocol):
    """The helm binary. Charts are folders; what leads out of them by links is refused (InputError).

    Repositories and registries are those of the configuration (`understage.helm.repositories`), with their credentials;
    any other raises NotAllowedError. InputError has Helm's own words for what it refuses.
    """

    def is_available(self) -> bool:
        """Whether a helm binary was found."""

    async def template(
        self,
        chart: Path,
        *,
        release: str,
        namespace: str,
        values: Sequence[Path] = (),
        include_crds: bool = False,
        kube_version: str | None = None,
        api_versions: Sequence[str] = (),
        timeout: float = 60.0,
    ) -> str:
        """Rendered manifests (YAML documents); later files of `values` win."""

    async def lint(
        self, chart: Path, *, values: Sequence[Path] = (), namespace: str = "default", timeout: float = 60.0
    ) -> list[tuple[str, str]]:
        """What `helm lint` finds: pairs of severity (INFO, WARNING, ERROR) and message. Findings raise nothing."""

    async def update_dependencies(self, chart: Path, *, root: Path, timeout: float = 120.0) -> None:
        """Bring what Chart.yaml depends on into `charts/` and write Chart.lock; `file://` leads nowhere out of `root`."""

    async def package(
        self,
        chart: Path,
        directory: Path,
        *,
        version: str | None = None,
        app_version: str | None = None,
        timeout: float = 60.0,
    ) -> Path:
        """Pack the chart into `directory`; returns the file, named `<name>-<version>.tgz`."""

    async def find_published(
        self, repository: str, name: str, version: str, *, timeout: float = 120.0
    ) -> PackedChart | None:
        """The chart of this version in the registry folder `repository` (`oci://…`), or None."""

    async def push(self, package: Path, repository: str, *, timeout: float = 120.0) -> str:
        """Push a packed chart to the registry folder `repository` (`oci://…`); returns its digest there."""


@dataclass(frozen=True)
class Violation:
    """One rule of the platform that one object breaks; `message` says by what, and what to do."""

    rule: str
    kind: str
    name: str
    message: str


class Guardrails(Protocol):
    """The rules of the platform for what teams deploy: those with which the cluster itself refuses."""

    def is_configured(self) -> bool:
        """Whether there are any."""

    def check(self, objects: Iterable[Json]) -> list[Violation]:
        """What is wrong with manifests, object by object in their order; members of a `List` are objects of their own."""


@dataclass(frozen=True)
class AdoptionRequest:
    """What to adopt, and how. Paths are relative to `folder`, the root of the service's repository.

    `path` is a file or folder of manifests, a kustomization or a chart; `base_chart` the folder of `base-service`; `gateway`
    namespace and name of the Gateway that Ingresses are said as routes of; `as_is` leaves the pods as they are; `plain` are names
    of variables and keys that look like a secret and are none; `argocd_url` and `grafana_url` are the addresses that the entity
    links.
    """

    folder: Path
    base_chart: Path
    owner: str
    team: str
    environment: str
    path: str = "."
    system: str | None = None
    namespace: str | None = None
    target: str = "deploy"
    release: str | None = None
    value_files: Sequence[str] = ()
    gateway: tuple[str, str] | None = None
    as_is: bool = False
    argocd_url: str | None = None
    grafana_url: str | None = None
    plain: Sequence[str] = ()


@dataclass(frozen=True)
class AdoptionProposal:
    """What is proposed: files by path, the report, and the same for programs, service by service.

    A service is `{name, namespace, release, folder, equal, keepsPods, differences, violations, secrets}`.
    """

    files: Mapping[str, str]
    report: str
    services: Sequence[Json]
    not_adopted: Sequence[Json]


class Adoption(Protocol):
    """From the objects of a service that runs to values of `base-service`."""

    async def propose(self, request: AdoptionRequest) -> AdoptionProposal:
        """Read, propose, render, compare; changes nothing.

        Raises InputError or SourceError for what cannot be read, is hostile, or would overwrite what the repository has;
        ServiceUnavailableError where helm or kustomize is needed and not installed.
        """


@dataclass(frozen=True)
class Application:
    """State of an Argo CD Application: `sync` (Synced, OutOfSync, Unknown), `health` (Healthy, Progressing, Degraded …).

    `message` is Argo CD's own reason (conditions, failed operation, unhealthy resources), empty when there is none.
    """

    name: str
    sync: str
    health: str
    message: str = ""
    revision: str | None = None


class ArgoCd(Protocol):
    """One Argo CD by its REST API."""

    @property
    def name(self) -> str:
        """The name in the configuration."""

    @property
    def url(self) -> str:
        """Its address, for people and for requests."""

    async def get_project(self, name: str) -> Json | None:
        """The AppProject object, or None."""

    async def apply_project(self, project: Json) -> None:
        """Create or update an AppProject (manifest as in YAML)."""

    async def apply_application(self, application: Json) -> None:
        """Create or update an Application (manifest as in YAML)."""

    async def get_application(self, name: str) -> Json | None:
        """The Application object, or None."""

    async def list_applications(self) -> list[Json]:
        """All that may be seen, in short: name, labels, annotations, `status.health`, `status.operationState.finishedAt`."""

    async def get_revision_date(self, name: str, revision: str, *, history_id: int, source: int = 0) -> str | None:
        """When a revision of an Application's history was committed (RFC 3339); None where Argo CD cannot tell.

        `source` is the position of its repository among the sources of that entry.
        """

    async def get_revision(self, name: str, revision: str, *, history_id: int, source: int = 0) -> Json | None:
        """`author`, `date` and `message` of the commit, as far as Argo CD knows them; None as `get_revision_date`."""

    async def list_project_applications(self, *, project: str) -> Sequence[Json]:
        """The Application objects of an AppProject."""

    async def sync_application(self, name: str, *, revision: str | None = None, prune: bool = False) -> None:
        """Begin to sync an Application, to `revision` or to the one that it names. ConflictError while another sync runs."""

    async def delete_application(self, name: str, *, cascade: bool = True) -> None:
        """Begin to delete an Application, with `cascade` together with what it deployed."""


class ArgoCds(Protocol):
    """The configured Argo CD instances, by name."""

    def names(self) -> list[str]:
        """Names, in configuration order."""

    def get(self, name: str | None = None) -> ArgoCd | None:
        """An instance by name, or the first one; None when none is configured. InputError for an unknown name."""


class Templating(Protocol):
    """The template language, for files."""

    def render_text(
        self,
        text: str,
        values: Mapping[str, Any],
        *,
        cookiecutter_compat: bool = False,
        trim_blocks: bool = False,
        lstrip_blocks: bool = False,
    ) -> str:
        """Render a file's text or name; root variable `values` (or `cookiecutter`). Raises InputError at line and column."""


@dataclass(frozen=True)
class HttpResponse:
    """An HTTP answer, read whole. Header names are lower-case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Http(Protocol):
    """HTTP under the policy of outgoing requests: allowed hosts, time and size limits, redirects checked hop by hop."""

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        timeout: float = 60.0,
    ) -> HttpResponse:
        """Send one request; any status is an answer, only a failed exchange raises ForeignError."""


class Backstage(Protocol):
    """The plugins of the installation, asked on behalf of the task's creator, or as the scaffolder itself.

    As itself for what plugins take from other plugins only; where to and what is then the action's word, not the template's.
    """

    async def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        timeout: float = 60.0,
        as_service: bool = False,
    ) -> HttpResponse:
        """Send one request; `path` is the plugin's id and a path within it, such as `proxy/sonar/api`.

        Any status is an answer. Raises InputError for a path that names no plugin or climbs, ForeignError when nobody answers.
        """


@dataclass(frozen=True)
class Ports:
    """All ports of an action's context."""

    catalog: Catalog
    reader: UrlReader
    git: Git
    forges: Forges
    apis: ForgeApis
    notifications: Notifications
    clusters: Clusters
    helm: Helm
    guardrails: Guardrails
    adoption: Adoption
    argocd: ArgoCds
    templating: Templating
    http: Http
    backstage: Backstage
