"""How a namespace reaches Vault by External Secrets, and which places of Vault are a team's. Pure.

Called by `kubernetes:create-namespace`, `team:render` and `environment:clone`; `vault:access` says what Vault has to know for it.
A namespace has a SecretStore, a service account and a role of Vault of its own, the role named after the namespace: names of
namespaces are unique in a cluster, and Vault binds the role to the namespace's service account. So a store that names another
namespace's role gets nothing. All clones of a team log in by one role: they come and go without anybody touching Vault, and its
policy names the folder of the namespace that logged in.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from understage.sdk import InputError
from understage_actions._namespace_manifests import MANAGED_BY, TEAM_LABEL

Json = dict[str, Any]

API_VERSION = "external-secrets.io/v1"
STORE = "vault"
SERVICE_ACCOUNT = "vault"
# The API server adds these where they are missing, and then Argo CD finds the object changed for ever.
AS_IT_IS = {"conversionStrategy": "Default", "decodingStrategy": "None", "metadataPolicy": "None"}
TEAMS_PATH = "teams"
CLONES = "clones"
SHARED = "shared"
SEGMENT = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?")
MOUNT = re.compile(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*")


@dataclass(frozen=True)
class Vault:
    """Where Vault is: its URL, the path of its key-value engine (version 2), the mount of its Kubernetes authentication."""

    server: str
    path: str = "secret"
    auth_mount_path: str = "kubernetes"


def read_vault(defaults: Mapping[str, Any]) -> Vault | None:
    """The configured one (`understage.vault`), or None. InputError for a URL or path that is none."""
    configured = defaults.get("vault") or {}
    server = str(configured.get("server") or "")
    if not server:
        return None
    vault = Vault(
        server, configured.get("path") or Vault.path, configured.get("authMountPath") or Vault.auth_mount_path
    )
    parts = urlsplit(server)
    if parts.scheme not in ("https", "http") or not parts.netloc or parts.username or parts.password:
        raise InputError("understage.vault.server must be the URL of Vault, without credentials")
    for name, value in (("path", vault.path), ("authMountPath", vault.auth_mount_path)):
        if not MOUNT.fullmatch(value):
            raise InputError(f"understage.vault.{name} {value[:80]!r} is not the path of a mount, such as {Vault.path}")
    return vault


def clones_role(team: str) -> str:
    """Vault's role for all clones of a team. No namespace has a dot in its name, so no namespace's role is called so."""
    return f"{team}.{CLONES}"


def service_path(team: str, environment: str, service: str) -> str:
    """Where the secrets of a service in an environment are."""
    return f"{TEAMS_PATH}/{team}/{environment}/{service}"


def shared_path(team: str, environment: str) -> str:
    """Where the secrets of a team's own namespace are."""
    return service_path(team, environment, SHARED)


def clone_path(team: str, namespace: str) -> str:
    """The folder of a clone's secrets: of no environment, whatever the namespace is called."""
    return f"{TEAMS_PATH}/{team}/{CLONES}/{namespace}"


def store_manifests(vault: Vault, *, namespace: str, team: str, role: str | None = None) -> list[Json]:
    """The service account that Vault knows the namespace by, and the SecretStore `vault`; `role` is not the namespace's own."""
    labels = {**MANAGED_BY, TEAM_LABEL: team}
    login = {
        "mountPath": vault.auth_mount_path,
        "role": role or namespace,
        "serviceAccountRef": {"name": SERVICE_ACCOUNT},
    }
    provider = {"server": vault.server, "path": vault.path, "version": "v2", "auth": {"kubernetes": login}}
    return [
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": SERVICE_ACCOUNT, "namespace": namespace, "labels": dict(labels)},
            "automountServiceAccountToken": False,
        },
        {
            "apiVersion": API_VERSION,
            "kind": "SecretStore",
            "metadata": {"name": STORE, "namespace": namespace, "labels": dict(labels)},
            "spec": {"provider": {"vault": provider}},
        },
    ]


def secret_manifest(name: str, *, namespace: str, team: str, environment: str, key: str) -> Json:
    """An ExternalSecret that makes a Secret of everything at `key`. It holds no value, only where the values are."""
    return {
        "apiVersion": API_VERSION,
        "kind": "ExternalSecret",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {**MANAGED_BY, TEAM_LABEL: team, "environment": environment},
        },
        "spec": {
            "refreshInterval": "1h",
            "secretStoreRef": {"kind": "SecretStore", "name": STORE},
            "target": secret_target(name),
            "dataFrom": [{"extract": {**AS_IT_IS, "key": check_key(key, team)}}],
        },
    }


def secret_target(name: str) -> Json:
    """Which Secret an ExternalSecret makes."""
    return {"name": name, "creationPolicy": "Owner", "deletionPolicy": "Retain"}


def check_key(key: str, team: str) -> str:
    """`key`, if it is a place below `teams/<team>/`. InputError says whose places there are."""
    parts = key.split("/")
    mine = len(parts) > 2 and parts[:2] == [TEAMS_PATH, team] and all(SEGMENT.fullmatch(part) for part in parts)
    if not mine or ".." in key:
        raise InputError(
            f"Vault path {key[:120]!r} is not of team {team}: name one below {TEAMS_PATH}/{team}/, "
            f"such as {TEAMS_PATH}/{team}/production/ledger"
        )
    return key
