"""A clone as it would be: all its objects, looked at before any is written. Called by `environment:clone`."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from understage.sdk import ActionContext, InputError
from understage.sdk.yaml import dump
from understage_actions._clone_checks import Boundary, find_leaks
from understage_actions._clone_databases import clone_databases
from understage_actions._clone_input import CloneInput
from understage_actions._clone_manifests import (
    CloneSpec,
    Issued,
    describe,
    project_and_applications,
    secret_manifests,
)
from understage_actions._clone_sources import Source
from understage_actions._clone_values import Values, clone_values, secret_name
from understage_actions._kubernetes_names import check_label
from understage_actions._manifests import parse_manifests
from understage_actions._namespace_manifests import NamespaceSpec, namespace_manifests
from understage_actions._vault_manifests import clones_role, read_vault, store_manifests
from understage_actions.kubernetes_create_namespace import ContainerDefaults

Json = dict[str, Any]
MOST_PROBLEMS = 20


@dataclass
class Plan:
    """What was found out, before anything is written."""

    spec: CloneSpec
    environment: list[Json]
    applications: list[Json]
    secrets: list[Json]
    databases: list[Json]
    rendered: dict[str, list[Json]] = field(default_factory=dict)

    def objects(self) -> list[tuple[str | None, Json]]:
        own = [*self.environment, *self.databases, *self.secrets, *self.applications]
        parts = [(service, item) for service, items in self.rendered.items() for item in items]
        return [*((None, item) for item in own), *parts]


async def plan_clone(
    ctx: ActionContext, input: CloneInput, spec: CloneSpec, sources: Sequence[Source], gitops: Path | None, origin: str
) -> Plan:
    moved = {source.deployment.namespace: spec.namespace for source in sources}
    if unknown := sorted(set(input.values) - {source.deployment.service for source in sources}):
        raise InputError(f"values: {', '.join(unknown)} is not among the cloned services")
    values: dict[str, Values] = {}
    for source in sources:
        service = source.deployment.service
        values[service] = clone_values(
            source, input.values.get(service) or {}, team=spec.team, environment=spec.namespace, moved=moved
        )
    databases, database_secrets = await asyncio.to_thread(
        clone_databases,
        spec,
        gitops,
        list(moved),
        operator_namespace=check_label(input.operator_namespace, "operatorNamespace"),
        monitoring_namespace=check_label(input.monitoring_namespace, "monitoringNamespace"),
    )
    issued = _issue(input, values)
    project, applications = project_and_applications(
        spec, [source.deployment for source in sources], {service: item.overrides for service, item in values.items()}
    )
    plan = Plan(
        spec,
        [*(describe(spec, item) for item in _environment(ctx, input, spec, issued)), project],
        applications,
        secret_manifests(spec, issued, check_label(input.secret_store, "secretStore")),
        databases,
    )
    boundary = Boundary(
        namespace=spec.namespace,
        vault_path=spec.vault_path,
        secrets=frozenset([*database_secrets, *(secret_name(item.service) for item in issued)]),
        sources=[namespace for namespace in moved if namespace != spec.namespace],
        hosts=frozenset(host.lower() for host in input.shared_hosts),
        is_strict=origin == "production",
    )
    problems: list[str] = []
    for source in sources:
        service = source.deployment.service
        plan.rendered[service] = await _render(ctx, spec, source, values[service].overrides)
        problems += find_leaks(service, plan.rendered[service], boundary)
    if problems:
        shown = [f"- {problem}" for problem in problems[:MOST_PROBLEMS]]
        more = [f"- and {len(problems) - MOST_PROBLEMS} more"] if len(problems) > MOST_PROBLEMS else []
        raise InputError("\n".join(["This must not come into a clone, so nothing was written:", *shown, *more]))
    return plan


def _environment(ctx: ActionContext, input: CloneInput, spec: CloneSpec, issued: Sequence[Issued]) -> list[Json]:
    """The namespace and what stands in it before any service; the store reads the clone's own folder of Vault."""
    manifests = namespace_manifests(_namespace(input, spec))
    if (vault := read_vault(ctx.defaults)) is not None:
        return manifests + store_manifests(vault, namespace=spec.namespace, team=spec.team, role=clones_role(spec.team))
    if any(item.stored for item in issued):
        ctx.log.warn(
            f"Vault is not configured (understage.vault), so the clone has no SecretStore: make {input.secret_store} in "
            f"{spec.namespace}, or storedSecrets cannot be read"
        )
    return manifests


def _issue(input: CloneInput, values: Mapping[str, Values]) -> list[Issued]:
    known = {variable for item in values.values() for variable in item.variables}
    if unknown := sorted(set(input.stored_secrets) - known):
        raise InputError(f"storedSecrets: none of the services has {', '.join(unknown)[:200]} in its externalSecret")
    return [
        Issued(
            service,
            generated=[variable for variable in item.variables if variable not in input.stored_secrets],
            stored=[variable for variable in item.variables if variable in input.stored_secrets],
        )
        for service, item in values.items()
        if item.variables
    ]


def _namespace(input: CloneInput, spec: CloneSpec) -> NamespaceSpec:
    defaults = ContainerDefaults()
    return NamespaceSpec(
        name=spec.namespace,
        team=spec.team,
        environment=spec.namespace,
        group=spec.team,
        role="edit",
        quota=input.quota.hard(),
        default_requests=defaults.requests.amounts(),
        default_limits=defaults.limits.amounts(),
        pod_security="restricted",
        gateway_namespace=check_label(input.gateway_namespace, "gatewayNamespace"),
        monitoring_namespace=check_label(input.monitoring_namespace, "monitoringNamespace"),
    )


async def _render(ctx: ActionContext, spec: CloneSpec, source: Source, overrides: Json) -> list[Json]:
    """The objects of one service, as Argo CD will render them."""
    file = ctx.temporary_directory() / "values.yaml"
    file.write_text(dump(overrides))
    text = await ctx.ports.helm.template(
        source.chart.folder,
        release=source.deployment.service,
        namespace=spec.namespace,
        values=[*source.files, file],
    )
    return await asyncio.to_thread(parse_manifests, text, f"{source.deployment.service}.yaml")
