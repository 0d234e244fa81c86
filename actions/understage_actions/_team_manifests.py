"""What a team is made of in Argo CD and in the catalog. Pure; `team:render` calls it.

The project allows the kinds of a service, for the GitOps repository and the team's namespace; it grows with each service.
The ApplicationSet makes an Application, in that project and that namespace, of each folder below the team's `applications/`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from understage_actions._argocd_manifests import API_VERSION, FINALIZER, NAMESPACED_KINDS
from understage_actions._gitops_layout import applications_folder
from understage_actions._namespace_manifests import MANAGED_BY, TEAM_LABEL

Json = dict[str, Any]


@dataclass(frozen=True)
class Person:
    """A user that the catalog does not know yet."""

    name: str
    display_name: str | None = None
    email: str | None = None


@dataclass(frozen=True)
class TeamSpec:
    """A team: `members` are names of users that the catalog knows, `people` those that it does not."""

    name: str
    title: str
    description: str
    email: str | None
    parent: str | None
    members: Sequence[str]
    people: Sequence[Person]
    namespace: str
    server: str
    repo_url: str
    revision: str
    argocd_namespace: str


def project_of(team: TeamSpec) -> Json:
    """The AppProject: this repository, this namespace, the kinds of a service, nothing of the cluster."""
    return {
        "apiVersion": API_VERSION,
        "kind": "AppProject",
        "metadata": _metadata(team),
        "spec": {
            "description": f"Services of team {team.name}",
            "sourceRepos": [team.repo_url],
            "destinations": [{"server": team.server, "namespace": team.namespace}],
            "clusterResourceWhitelist": [],
            "namespaceResourceWhitelist": [{"group": group, "kind": kind} for group, kind in NAMESPACED_KINDS],
        },
    }


def application_set_of(team: TeamSpec) -> Json:
    """The ApplicationSet over the folders below the team's `applications/`."""
    folders = {"path": f"{applications_folder(team.name)}/*"}
    generator = {"repoURL": team.repo_url, "revision": team.revision, "directories": [folders]}
    return {
        "apiVersion": API_VERSION,
        "kind": "ApplicationSet",
        "metadata": _metadata(team),
        "spec": {
            "goTemplate": True,
            "goTemplateOptions": ["missingkey=error"],
            "generators": [{"git": generator}],
            "template": _application_of_folder(team),
        },
    }


def _application_of_folder(team: TeamSpec) -> Json:
    """The template. A dot stands in no name of a team, so two teams never make Applications of one name."""
    return {
        "metadata": {
            "name": f"{team.name}.{{{{ .path.basename }}}}",
            "labels": {**MANAGED_BY, TEAM_LABEL: team.name},
            "finalizers": [FINALIZER],
        },
        "spec": {
            "project": team.name,
            "source": {"repoURL": team.repo_url, "targetRevision": team.revision, "path": "{{ .path.path }}"},
            "destination": {"server": team.server, "namespace": team.namespace},
            "syncPolicy": {
                "automated": {"prune": True, "selfHeal": True},
                "retry": {"limit": 5, "backoff": {"duration": "5s", "factor": 2, "maxDuration": "3m"}},
                "syncOptions": ["ServerSideApply=true", "CreateNamespace=false", "PruneLast=true"],
            },
            "revisionHistoryLimit": 10,
        },
    }


def entities_of(team: TeamSpec) -> list[Json]:
    """Group and Users for the catalog; the Group first."""
    profile = {"displayName": team.title, "email": team.email}
    spec: Json = {"type": "team", "profile": _given(profile), "children": []}
    if team.parent is not None:
        spec["parent"] = team.parent
    spec["members"] = [*team.members, *(person.name for person in team.people)]
    group = _entity("Group", {"name": team.name, "title": team.title, "description": team.description}, spec)
    return [group, *(_user(team, person) for person in team.people)]


def _user(team: TeamSpec, person: Person) -> Json:
    profile = _given({"displayName": person.display_name, "email": person.email})
    return _entity("User", {"name": person.name}, {"profile": profile, "memberOf": [team.name]})


def _entity(kind: str, metadata: Json, spec: Json) -> Json:
    return {"apiVersion": "backstage.io/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}


def _given(members: Json) -> Json:
    return {key: value for key, value in members.items() if value is not None}


def _metadata(team: TeamSpec) -> Json:
    return {"name": team.name, "namespace": team.argocd_namespace, "labels": {**MANAGED_BY, TEAM_LABEL: team.name}}
