"""`team:render`: everything that a team needs, as files for the GitOps repository. Argo CD applies them after the merge."""

import re
from typing import Any

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, ConflictError, Example, InputError, action
from understage.sdk.yaml import dump
from understage_actions._argocd_manifests import IN_CLUSTER_SERVER
from understage_actions._gitops_layout import applications_folder, project_file, team_file
from understage_actions._gitops_repository import choose_target
from understage_actions._kubernetes_names import check_label, check_namespace, team_name
from understage_actions._namespace_manifests import namespace_manifests
from understage_actions._team_manifests import Person, TeamSpec, application_set_of, entities_of, project_of
from understage_actions._tree import write_file
from understage_actions._vault_manifests import check_key, read_vault, secret_manifest, store_manifests
from understage_actions.kubernetes_create_namespace import (
    ContainerDefaults,
    CreateNamespaceInput,
    Quota,
    specify_namespace,
)

Json = dict[str, Any]
USER = re.compile(r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?")
EMAIL = re.compile(r"[^@\s<>]{1,64}@[^@\s<>]{1,190}")
RESERVED_TEAMS = frozenset({"default", "platform"})
README = """\
# Applications of team {team}

- A file `<name>.yaml` is an Application, written by the golden paths.
- A folder `<name>/` of manifests, a Kustomization or a chart becomes the Application `{team}.<name>` in namespace `{namespace}`.
"""


class NewUser(ActionModel):
    """Somebody whom the catalog does not know yet."""

    name: str
    display_name: str | None = None
    email: str | None = None


class TeamRenderInput(ActionModel):
    """Which team, of whom, with which limits."""

    name: str = Field(description="The team: lower-case letters, digits and hyphens; its namespace is named so, too")
    title: str | None = Field(default=None, max_length=100, description="For people; default: the name")
    description: str | None = Field(default=None, max_length=200, description="One sentence for the catalog")
    email: str | None = Field(default=None, description="Address of the team")
    parent: str | None = Field(default=None, description="The group that it is part of: name or entity ref")
    members: list[str] = Field(default_factory=list, description="Users that the catalog knows: names or entity refs")
    new_users: list[NewUser] = Field(default_factory=list, description="Users that it does not know: they are written")
    environment: str = Field(default="development", description="What the team's own namespace is for")
    group: str | None = Field(default=None, description="Kubernetes group of the team; default: the team's name")
    role: str = Field(default="edit", description="ClusterRole of the group in the namespace: view, edit, admin")
    quota: Quota = Field(default_factory=Quota, description="Limits of the whole namespace")
    container_defaults: ContainerDefaults = Field(
        default_factory=ContainerDefaults, description="Requests and limits of containers that name none"
    )
    secret_key: str | None = Field(
        default=None, description="Vault path of the team's secrets; default: teams/<team>/<environment>/shared"
    )
    repo_url: str | None = Field(
        default=None, description="Clone URL of the GitOps repository; default: the platform's, which must exist"
    )
    cluster: str | None = Field(default=None, description="Name of the cluster it is deployed to; default: the first")
    target_path: str = Field(default=".", description="Root of the GitOps files in the workspace")


class TeamRenderOutput(ActionModel):
    """What was written."""

    team: str
    namespace: str
    files: list[str] = Field(description="Files written, relative to the workspace")
    manifests: list[dict[str, Any]] = Field(description="All objects for the cluster")
    entities: list[dict[str, Any]] = Field(description="Group and Users, as in the team's catalog-info.yaml")
    catalog_info_url: str | None = Field(
        description="Where the catalog finds them after the merge; null for a repository of another forge (`repoUrl`)"
    )


@action(
    "team:render",
    description="""
    Writes what a team needs for the GitOps repository: namespace with quota, limits, default-deny network policies and the
    group's role, AppProject, ApplicationSet over the team's folder, SecretStore and ExternalSecret where Vault is configured
    (`understage.vault`), Group and Users for the catalog. Applies nothing; refuses names that are taken or reserved.
    """,
    examples=[
        Example(
            "A team of two",
            {
                "name": "payments",
                "title": "Payments",
                "members": ["user:default/ada"],
                "newUsers": [{"name": "grace", "displayName": "Grace Hopper", "email": "grace@example.com"}],
                "repoUrl": "https://git.example.com/platform/gitops.git",
                "targetPath": "gitops",
            },
        )
    ],
    supports_dry_run=True,
)
async def render(ctx: ActionContext, input: TeamRenderInput) -> TeamRenderOutput:
    """Check everything, then write the files. ConflictError for a namespace of somebody else."""
    repo_url, revision, catalog_info_url = await _repository(ctx, input)
    team = _specify(ctx, input, repo_url, revision)
    namespace = specify_namespace(
        CreateNamespaceInput(
            namespace=team.namespace,
            team=team.name,
            environment=input.environment,
            group=input.group,
            role=input.role,
            quota=input.quota,
            container_defaults=input.container_defaults,
        )
    )
    secret_key = check_key(input.secret_key or f"teams/{team.name}/{input.environment}/shared", team.name)
    await _check_cluster(ctx, input.cluster, team)
    objects = namespace_manifests(namespace)
    files: dict[str, list[Json]] = {project_file(team.name): [project_of(team)]}
    if vault := read_vault(ctx.defaults):
        objects += store_manifests(vault, namespace=team.namespace, team=team.name)
        secret = secret_manifest(
            "team", namespace=team.namespace, team=team.name, environment=input.environment, key=secret_key
        )
        files[team_file(team.name, "secrets/external-secret.yaml")] = [secret]
    else:
        ctx.log.info("Vault is not configured (understage.vault), so the team has no SecretStore and no ExternalSecret")
    files[team_file(team.name, "namespace.yaml")] = objects
    files[team_file(team.name, "application-set.yaml")] = [application_set_of(team)]
    entities = entities_of(team)
    written = _write(ctx, input.target_path, team, files, entities)
    return TeamRenderOutput(
        team=team.name,
        namespace=team.namespace,
        files=written,
        manifests=[manifest for manifests in files.values() for manifest in manifests],
        entities=entities,
        catalog_info_url=catalog_info_url,
    )


async def _repository(ctx: ActionContext, input: TeamRenderInput) -> tuple[str, str, str | None]:
    """Clone URL and branch of the GitOps repository, and where the catalog finds the team's file in it."""
    team = team_name(input.name)
    if input.repo_url is not None:
        if not re.fullmatch(r"https?://[^\s@*{}]+", input.repo_url):
            raise InputError(f"repoUrl {input.repo_url[:120]!r} must be a clone URL by https, without credentials")
        return input.repo_url, "HEAD", None
    target = choose_target(ctx)
    found = await target.find()
    if found is None:
        raise InputError(
            f"The GitOps repository {target.title} does not exist: create it, or name another by `repoUrl`"
        )
    return found.clone_url, found.default_branch, found.contents_url(target.forge, team_file(team, "catalog-info.yaml"))


def _specify(ctx: ActionContext, input: TeamRenderInput, repo_url: str, revision: str) -> TeamSpec:
    name = check_namespace(team_name(input.name))
    if name in RESERVED_TEAMS:
        raise InputError(f"team {name!r} is reserved for the platform: choose another name")
    check_label(name, "name", limit=40)
    for email in [input.email, *(user.email for user in input.new_users)]:
        if email is not None and not EMAIL.fullmatch(email):
            raise InputError(f"email {email[:80]!r} is not an address")
    cluster = ctx.ports.clusters.get(input.cluster)
    servers = ctx.defaults.get("argocdDestinationServers") or {}
    people = [Person(_user(user.name), user.display_name, user.email) for user in input.new_users]
    members = [_user(member) for member in input.members]
    return TeamSpec(
        name=name,
        title=input.title or name,
        description=input.description or f"Team {input.title or name}",
        email=input.email,
        parent=team_name(input.parent) if input.parent else None,
        members=[member for member in dict.fromkeys(members) if member not in {person.name for person in people}],
        people=people,
        namespace=name,
        server=IN_CLUSTER_SERVER if cluster is None else str(servers.get(cluster.name) or cluster.server),
        repo_url=repo_url,
        revision=revision,
        argocd_namespace=str(ctx.defaults.get("argocdNamespace") or "argocd"),
    )


def _user(ref: str) -> str:
    kind, _, rest = ref.rpartition(":")
    namespace, _, name = rest.lower().rpartition("/")
    if kind.lower() not in ("", "user") or namespace not in ("", "default") or not USER.fullmatch(name):
        raise InputError(f"member {ref[:80]!r} is not a user of the namespace default, such as ada or user:default/ada")
    return name


async def _check_cluster(ctx: ActionContext, name: str | None, team: TeamSpec) -> None:
    """The namespace is free, or the team's already: then its files are written anew."""
    cluster = ctx.ports.clusters.get(name)
    found = await cluster.get("v1", "Namespace", team.namespace) if cluster is not None else None
    owner = (found["metadata"].get("labels") or {}).get("team") if found is not None else team.name
    if owner != team.name:
        whose = f"belongs to team {owner}" if owner else "is nobody's: it has no label team"
        raise ConflictError(f"Namespace {team.namespace} exists and {whose}: give the team another name")


def _write(
    ctx: ActionContext, target: str, team: TeamSpec, files: dict[str, list[Json]], entities: list[Json]
) -> list[str]:
    texts = {
        name: _yaml(documents, f"Team {team.name}. Written by team:render; change it by pull requests.")
        for name, documents in files.items()
    }
    texts[team_file(team.name, "catalog-info.yaml")] = _yaml(entities, f"Team {team.name}, for the catalog.")
    readme = README.format(team=team.name, namespace=team.namespace)
    texts[f"{applications_folder(team.name)}/README.md"] = readme
    written = []
    for name, text in sorted(texts.items()):
        relative = f"{target.rstrip('/')}/{name}".removeprefix("./")
        write_file(ctx.workspace, relative, text)
        ctx.log.info(f"Wrote {relative}")
        written.append(relative)
    return written


def _yaml(documents: list[Json], header: str) -> str:
    return "---\n".join([dump(documents[0], header=header), *(dump(document) for document in documents[1:])])
