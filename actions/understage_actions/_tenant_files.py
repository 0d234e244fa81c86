"""What files below a team's folder of the GitOps repository must not hold. `gitops:commit` asks before anything is touched.

The folder says whose they are, so what is said in them cannot lie about it: another team's project or Vault path, objects of the
whole cluster, exceptions from the guardrails, a namespace without its team's label.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from understage.sdk import InputError
from understage.sdk.yaml import parse_documents
from understage_actions._gitops_layout import TEAMS
from understage_actions._namespace_manifests import TEAM_LABEL
from understage_actions._vault_manifests import STORE, check_key

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
ROLES = frozenset({"view", "edit", "admin"})


def check_team_files(files: Mapping[str, Path]) -> None:
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
            for manifest in _opened(document.value):
                if reason := next(_faults(manifest, match["team"], match["clone"]), None):
                    name = (_map(manifest, "metadata")).get("name")
                    raise InputError(f"{relative}: {manifest.get('kind')} {name}: {reason}")


def _opened(value: Any) -> Iterator[Json]:
    if isinstance(value, dict):
        items = value.get("items")
        if str(value.get("kind", "")).endswith("List") and isinstance(items, list):
            for item in items:
                yield from _opened(item)
        else:
            yield value


def _faults(manifest: Json, team: str, clone: str | None) -> Iterator[str]:
    project = team if clone is None else f"clone-{clone}"  # a clone has a project of its own
    kind, metadata, spec = manifest.get("kind"), _map(manifest, "metadata"), _map(manifest, "spec")
    if kind in OF_THE_CLUSTER:
        yield "is an object of the whole cluster, which a team's folder must not hold; ask the platform team"
    if kind == "PolicyException":
        yield "would take the guardrails away; ask the platform team"
    if kind == "Namespace" and _map(metadata, "labels").get(TEAM_LABEL) != team:
        yield f"lacks the label {TEAM_LABEL}={team}, by which the guardrails know it"
    if kind == "AppProject" and metadata.get("name") != project:
        yield f"is not the project of team {team}; its name must be {project}"
    if kind in ("Application", "ApplicationSet"):
        made = _map(_map(spec, "template"), "spec") if kind == "ApplicationSet" else spec
        if made.get("project") != project:
            yield f"is in project {made.get('project')!r}; a team deploys in its own, {project}"
    role = _map(manifest, "roleRef")
    if kind == "RoleBinding" and role.get("kind") == "ClusterRole" and role.get("name") not in ROLES:
        yield f"binds ClusterRole {role.get('name')!r}; bind {', '.join(sorted(ROLES))} or a Role of the namespace"
    if kind == "ExternalSecret":
        yield from _foreign_secrets(spec, team)
    if kind == "SecretStore":
        login = _map(_map(_map(_map(spec, "provider"), "vault"), "auth"), "kubernetes")
        if metadata.get("name") != STORE or login.get("role") != metadata.get("namespace"):
            yield f"must be the store {STORE!r} with the namespace's own role of Vault, as kubernetes:create-namespace writes it"


def _foreign_secrets(spec: Json, team: str) -> Iterator[str]:
    """Stores of the cluster, and places of Vault that are not the team's."""
    entries = [entry for name in ("data", "dataFrom") for entry in _list(spec, name)]
    stores = [_map(spec, "secretStoreRef"), *(_map(_map(entry, "sourceRef"), "storeRef") for entry in entries)]
    if any(store.get("kind") not in (None, "SecretStore") for store in stores):
        yield f"reads a store of the cluster; name the SecretStore {STORE} of the namespace"
    for entry in entries:
        if _map(entry, "find"):
            yield "looks for secrets in all of Vault; name a key"
        for reference in (_map(entry, "remoteRef"), _map(entry, "extract")):
            if reference:
                try:
                    check_key(str(reference.get("key")), team)
                except InputError as error:
                    yield error.message


def _map(value: Json, name: str) -> Json:
    found = value.get(name)
    return found if isinstance(found, dict) else {}


def _list(value: Json, name: str) -> list[Json]:
    found = value.get(name)
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []
