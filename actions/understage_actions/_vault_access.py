"""What Vault has to know of a team: policies and roles, by the namespaces that Git has. Called by `vault:access`. Pure.

A namespace reads the paths of the services that are deployed into it, and no other. All clones of a team share one role, bound to
the label that the team's namespaces have; its policy is a template that Vault fills in with the namespace that logged in. So a
clone reads its own folder only, and nothing is left over when it has gone.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from understage.sdk import InputError
from understage.sdk.members import map_at
from understage_actions._argocd_manifests import NAME_LABEL
from understage_actions._kubernetes_names import check_label
from understage_actions._namespace_manifests import ENVIRONMENT_LABEL, TEAM_LABEL
from understage_actions._vault_manifests import (
    SERVICE_ACCOUNT,
    Vault,
    check_key,
    clone_path,
    clones_role,
    service_path,
    shared_path,
)

Json = dict[str, Any]
TOKEN_TTL = "15m"
ACCESSOR = "${accessor}"
"""Stands for the accessor of the authentication mount, which only Vault knows; the script asks for it."""
NAMESPACE = "{{{{identity.entity.aliases.{accessor}.metadata.service_account_namespace}}}}"


@dataclass(frozen=True)
class Access:
    """A role and the policy of the same name, which names `paths`. `bound` says who may log in: members of the role."""

    name: str
    paths: Sequence[str]
    bound: Mapping[str, Any]

    def policy(self, vault: Vault, accessor: str) -> str:
        """The policy, in HCL."""
        paths = [path.replace(ACCESSOR, accessor) for path in self.paths]
        return "".join(f'path "{vault.path}/data/{path}" {{ capabilities = ["read"] }}\n' for path in paths)

    def role(self) -> Json:
        """The role, as the API takes it."""
        return {
            "bound_service_account_names": [SERVICE_ACCOUNT],
            **self.bound,
            "token_policies": [self.name],
            "token_ttl": TOKEN_TTL,
        }


def team_access(
    team: str, namespaces: Iterable[Mapping[str, Any]], applications: Iterable[Mapping[str, Any]]
) -> list[Access]:
    """One for each namespace, by its name, and the last for the team's clones. InputError for what is another team's."""
    services: dict[str, set[str]] = {}
    for application in applications:
        labels = map_at(application, "metadata", "labels")
        namespace = str(map_at(application, "spec", "destination").get("namespace"))
        services.setdefault(namespace, set()).add(str(labels.get(NAME_LABEL)))
    found = [_namespace(team, namespace, services) for namespace in namespaces]
    labelled = json.dumps({"matchLabels": {TEAM_LABEL: team}})
    own = clone_path(team, NAMESPACE.format(accessor=ACCESSOR))
    clones = Access(clones_role(team), [f"{own}/*"], {"bound_service_account_namespace_selector": labelled})
    return [*sorted(found, key=lambda access: access.name), clones]


def _namespace(team: str, namespace: Mapping[str, Any], services: Mapping[str, set[str]]) -> Access:
    metadata = map_at(namespace, "metadata")
    labels = map_at(metadata, "labels")
    name = check_label(str(metadata.get("name")), "namespace")
    if labels.get(TEAM_LABEL) != team:
        raise InputError(f"Namespace {name} in the folder of team {team} has not the label {TEAM_LABEL}={team}")
    environment = check_label(str(labels.get(ENVIRONMENT_LABEL)), f"label {ENVIRONMENT_LABEL} of {name}")
    deployed = {check_label(service, f"service in {name}") for service in services.get(name, ())}
    if name == team:
        paths = [shared_path(team, environment)]
    else:
        service = name.removesuffix(f"-{environment}")
        deployed = deployed if service == name else deployed | {service}
        paths = []
    paths += [service_path(team, environment, service) for service in sorted(deployed)]
    if not paths:
        raise InputError(
            f"Namespace {name} is of no service: it is not called SERVICE-{environment}, and no Application deploys into it"
        )
    for path in paths:
        check_key(path, team)
    return Access(name, paths, {"bound_service_account_namespaces": [name]})


def access_script(vault: Vault, accesses: Sequence[Access]) -> str:
    """Commands of `vault` (or `bao`) that make all of it, for an administrator; running them again changes nothing."""
    mount = vault.auth_mount_path
    lines = [
        "#!/bin/sh",
        "# Policies and roles of Vault for namespaces of the platform. Written by vault:access.",
        "set -eu",
        f'accessor="$(vault read -field=accessor sys/auth/{mount})"',
    ]
    for access in accesses:
        role = json.dumps(access.role())
        lines += [
            "",
            f"vault policy write {access.name} - <<POLICY",
            access.policy(vault, ACCESSOR).rstrip(),
            "POLICY",
            f"vault write auth/{mount}/role/{access.name} - <<'ROLE'",
            role,
            "ROLE",
        ]
    return "\n".join(lines) + "\n"
