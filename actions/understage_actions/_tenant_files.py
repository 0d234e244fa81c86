"""What files below a team's folder of the GitOps repository must not hold. `gitops:commit` asks before anything is touched.

The folder says whose they are, so what is said in them cannot lie about it: another team's project or Vault path, objects of the
whole cluster, exceptions from the guardrails, a namespace without its team's label.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from understage.sdk import InputError
from understage.sdk.members import list_at, map_at, objects_in
from understage.sdk.yaml import parse_documents
from understage_actions._gitops_layout import TEAMS
from understage_actions._gitops_rules import PROJECT, SET, check_project
from understage_actions._kubernetes_names import check_namespace
from understage_actions._namespace_manifests import TEAM_LABEL
from understage_actions._vault_manifests import STORE, check_key, clones_role

Json = Mapping[str, Any]
FOLDER = re.compile(rf"{TEAMS}/(?P<team>[^/]+)/(clones/(?P<clone>[^/]+)/)?.+\.(ya?ml|json)")
# Argo CD runs these and applies what comes out, which nobody can look at before.
PROGRAM = re.compile(rf"{TEAMS}/.+\.(jsonnet|libsonnet)")
OF_THE_CLUSTER = frozenset(
    {
        "APIService",
        "ClusterExternalSecret",
        "ClusterGenerator",
        "ClusterPolicy",
        "ClusterPushSecret",
        "ClusterRole",
        "ClusterRoleBinding",
        "ClusterSecretStore",
        "CustomResourceDefinition",
        "MutatingWebhookConfiguration",
        "PersistentVolume",
        "PriorityClass",
        "StorageClass",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "ValidatingWebhookConfiguration",
    }
)
PLACES = {
    # What a folder below holds is deployed by the team's project, which takes none of these.
    "Application": (re.compile(rf"{TEAMS}/[^/]+/applications/"), "applications/<name>.yaml"),
    "AppProject": (PROJECT, "project.yaml"),
    "ApplicationSet": (SET, "application-set.yaml"),
}
POD_SECURITY = "pod-security.kubernetes.io/enforce"
ROLES = frozenset({"view", "edit", "admin"})


def check_team_files(files: Mapping[str, Path], *, argocd_namespace: str = "argocd") -> None:
    """InputError that names file, object and what to do, for the first that is not the team's."""
    for relative, path in files.items():
        if PROGRAM.fullmatch(relative):
            raise InputError(
                f"{relative}: is a program that Argo CD would run; write the objects that it makes as YAML"
            )
        match = FOLDER.fullmatch(relative)
        if match is None:
            continue
        for document in parse_documents(path.read_bytes(), relative):
            for manifest in objects_in(document.value):
                faults = chain(
                    _faults(manifest, match["team"], match["clone"], argocd_namespace),
                    _file(manifest, relative, match["clone"]),
                )
                if reason := next(faults, None):
                    name = map_at(manifest, "metadata").get("name")
                    raise InputError(f"{relative}: {manifest.get('kind')} {name}: {reason}")


def _file(manifest: Json, relative: str, clone: str | None) -> Iterator[str]:
    """Objects of Argo CD stand where `_gitops_rules` reads them; a clone has files of its own."""
    kind = str(manifest.get("kind"))
    if clone is None and kind in PLACES and not PLACES[kind][0].match(relative):
        yield f"has no place here; write it to {PLACES[kind][1]}"


def _faults(manifest: Json, team: str, clone: str | None, argocd_namespace: str) -> Iterator[str]:
    project = team if clone is None else f"clone-{clone}"  # a clone has a project of its own
    kind, metadata, spec = manifest.get("kind"), map_at(manifest, "metadata"), map_at(manifest, "spec")
    if kind in OF_THE_CLUSTER:
        yield "is an object of the whole cluster, which a team's folder must not hold; ask the platform team"
    if kind == "Secret" and (manifest.get("data") or manifest.get("stringData")):
        yield "holds values, which have no place in Git; put them into Vault, and name them by an ExternalSecret"
    if kind == "PolicyException":
        yield "would take the guardrails away; ask the platform team"
    yield from _place(manifest, argocd_namespace)
    if kind == "Namespace" and map_at(metadata, "labels").get(TEAM_LABEL) != team:
        yield f"lacks the label {TEAM_LABEL}={team}, by which the guardrails know it"
    if kind == "Namespace" and map_at(metadata, "labels").get(POD_SECURITY) not in ("restricted", "baseline"):
        yield f"lacks the label {POD_SECURITY}=restricted, as kubernetes:create-namespace sets it"
    yield from check_project(manifest, project)
    role = map_at(manifest, "roleRef")
    if kind == "RoleBinding" and role.get("kind") == "ClusterRole" and role.get("name") not in ROLES:
        yield f"binds ClusterRole {role.get('name')!r}; bind {', '.join(sorted(ROLES))} or a Role of the namespace"
    if kind == "ExternalSecret":
        yield from _foreign_secrets(spec, team)
    if kind == "SecretStore":
        login = map_at(spec, "provider", "vault", "auth", "kubernetes")
        own = metadata.get("namespace") if clone is None else clones_role(team)
        if metadata.get("name") != STORE or login.get("role") != own:
            yield f"must be the store {STORE!r} with {own!r}, the role of Vault that is its own, as Understage writes it"


def _place(manifest: Json, argocd_namespace: str) -> Iterator[str]:
    """A namespace of the cluster or the platform. Those of other teams are known to the repository (`_gitops_repository`)."""
    api_version, metadata = str(manifest.get("apiVersion")), map_at(manifest, "metadata")
    namespace = metadata.get("name" if manifest.get("kind") == "Namespace" else "namespace")
    is_of_argocd = api_version.startswith("argoproj.io/") and namespace == argocd_namespace
    # Entities are the catalog's, whose namespaces are others; dashboards may be where the platform's Grafana looks for them.
    if namespace is None or is_of_argocd or api_version.startswith("backstage.io/") or _is_dashboard(manifest):
        return
    try:
        check_namespace(str(namespace))
    except InputError as error:
        yield error.message


def _is_dashboard(manifest: Json) -> bool:
    """Whether it is an object as `dashboard:render` writes it, whose name none of the platform's has."""
    is_named = str(map_at(manifest, "metadata").get("name")).startswith(("dashboard-service-", "dashboard-team-"))
    return is_named and manifest.get("kind") in ("ConfigMap", "GrafanaDashboard")


def _foreign_secrets(spec: Json, team: str) -> Iterator[str]:
    """Stores of the cluster, and places of Vault that are not the team's."""
    entries = [entry for name in ("data", "dataFrom") for entry in list_at(spec, name) if isinstance(entry, dict)]
    stores = [map_at(spec, "secretStoreRef"), *(map_at(entry, "sourceRef", "storeRef") for entry in entries)]
    if any(store.get("kind") not in (None, "SecretStore") for store in stores):
        yield f"reads a store of the cluster; name the SecretStore {STORE} of the namespace"
    for entry in entries:
        if map_at(entry, "find"):
            yield "looks for secrets in all of Vault; name a key"
        for reference in (map_at(entry, "remoteRef"), map_at(entry, "extract")):
            if reference:
                try:
                    check_key(str(reference.get("key")), team)
                except InputError as error:
                    yield error.message
