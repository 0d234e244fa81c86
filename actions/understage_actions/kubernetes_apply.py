"""`kubernetes:apply`: objects into a cluster, by server-side apply."""

import asyncio
import copy
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from pydantic import Field

from understage.sdk import (
    ActionContext,
    ActionModel,
    Cluster,
    ConflictError,
    Example,
    InputError,
    NotAllowedError,
    NotFoundError,
    action,
)
from understage_actions._kubernetes_names import check_namespace, team_name
from understage_actions._kubernetes_wait import wait_for
from understage_actions._manifests import read_manifests, title
from understage_actions._namespace_manifests import TEAM_LABEL
from understage_actions._undoing import note_object

Json = dict[str, Any]
# What others need before they can be made.
FIRST = ("Namespace", "CustomResourceDefinition")
DISCOVERY_SECONDS = 15.0


class ApplyInput(ActionModel):
    """Which objects, to where."""

    manifests: str | dict[str, Any] | list[dict[str, Any]] = Field(
        default_factory=list, description="Objects: one, a list, or YAML text"
    )
    files: list[str] = Field(
        default_factory=list, description="Files with objects: paths, folders or globs of the workspace"
    )
    namespace: str | None = Field(default=None, description="Namespace of the objects that name none")
    cluster: str | None = Field(default=None, description="Name of a configured cluster; default: the first one")
    team: str | None = Field(
        default=None, description="Name or entity ref of a group: every namespace must be one of this team's"
    )
    cluster_scoped: bool = Field(
        default=False, description="Allow objects that are in no namespace, such as a ClusterRole"
    )
    force: bool = Field(default=False, description="Take over fields that another manager owns")
    wait: bool = Field(default=False, description="Wait until the objects are ready")
    wait_timeout: int = Field(default=300, ge=1, le=3600, description="How long to wait, in seconds")


class AppliedObject(ActionModel):
    """One object."""

    api_version: str
    kind: str
    name: str
    namespace: str | None = None
    uid: str | None = Field(default=None, description="Its identity in the cluster; absent in a dry run of a new one")
    operation: Literal["created", "changed", "unchanged"]


class ApplyOutput(ActionModel):
    """What was applied."""

    cluster: str
    applied: bool = Field(description="false: a dry run")
    objects: list[AppliedObject] = Field(description="In the order in which they were applied")


@action(
    "kubernetes:apply",
    description="""
    Applies objects by server-side apply, as the field manager `understage`: namespaces and definitions of custom resources
    first, the others as given. Run again, it changes nothing. Refuses reserved namespaces, and objects in no namespace unless
    `clusterScoped` allows them. A dry run lets the API server check every object.
    """,
    examples=[
        Example(
            "Apply the manifests of a folder and wait until they are ready",
            {"files": ["rendered"], "namespace": "ledger-production", "team": "group:default/payments", "wait": True},
        ),
        Example(
            "Apply an object that the template writes itself",
            {
                "namespace": "ledger-production",
                "manifests": {
                    "apiVersion": "v1",
                    "kind": "ConfigMap",
                    "metadata": {"name": "settings"},
                    "data": {"color": "green"},
                },
            },
        ),
    ],
    supports_dry_run=True,
)
async def apply(ctx: ActionContext, input: ApplyInput) -> ApplyOutput:
    """Check everything, then apply one by one, then wait. ConflictError for fields and namespaces of somebody else."""
    cluster = ctx.ports.clusters.get(input.cluster)
    if cluster is None:
        raise InputError(
            "No cluster is configured, so nothing can be applied: name one in kubernetes.clusterLocatorMethods or "
            "understage.kubernetes.clusters"
        )
    manifests = list(_in_order(copy.deepcopy(read_manifests(ctx, input.manifests, input.files))))
    await _place(cluster, input, manifests)
    objects: list[AppliedObject] = []
    for manifest in manifests:
        applied = await _apply(ctx, cluster, manifest, input.force, manifests)
        verb = "Would apply" if ctx.is_dry_run else "Applied"
        ctx.log.info(f"{verb} {title(manifest)} to cluster {cluster.name}: {applied.operation}")
        objects.append(applied)
    if input.wait and not ctx.is_dry_run:
        await wait_for(ctx, cluster, manifests, "ready", input.wait_timeout)
    return ApplyOutput(cluster=cluster.name, applied=not ctx.is_dry_run, objects=objects)


def _in_order(manifests: Sequence[Json]) -> Iterator[Json]:
    yield from (each for kind in FIRST for each in manifests if each["kind"] == kind)
    yield from (each for each in manifests if each["kind"] not in FIRST)


async def _place(cluster: Cluster, input: ApplyInput, manifests: Sequence[Json]) -> None:
    """Give every object its namespace, and refuse what may not be touched. NotAllowedError, InputError, ConflictError."""
    team = team_name(input.team) if input.team is not None else None
    namespaces: set[str] = set()
    for manifest in manifests:
        metadata = manifest["metadata"]
        # What the server keeps by itself makes an apply fail or depend on the past.
        for member in ("managedFields", "resourceVersion", "uid", "creationTimestamp", "generation"):
            metadata.pop(member, None)
        manifest.pop("status", None)
        if await _is_namespaced(cluster, manifest, manifests):
            metadata["namespace"] = check_namespace(metadata.get("namespace") or input.namespace or "")
            namespaces.add(metadata["namespace"])
            continue
        metadata.pop("namespace", None)
        if not input.cluster_scoped:
            raise NotAllowedError(
                f"{title(manifest)} is in no namespace, so it is the whole cluster's: set `clusterScoped: true` if that is meant"
            )
        if manifest["kind"] == "Namespace" and manifest["apiVersion"] == "v1":
            namespaces.add(check_namespace(metadata["name"]))
    if team is not None:
        for namespace in sorted(namespaces):
            await _check_team(cluster, namespace, team, manifests)


async def _check_team(cluster: Cluster, namespace: str, team: str, manifests: Sequence[Json]) -> None:
    """Raise ConflictError for a namespace that is not the team's, NotFoundError for one that nobody makes."""
    found = await cluster.get("v1", "Namespace", namespace)
    if found is None:
        made = [each for each in manifests if each["kind"] == "Namespace" and each["metadata"]["name"] == namespace]
        found = made[0] if made else None
    if found is None:
        raise NotFoundError(
            f"Namespace {namespace} does not exist in cluster {cluster.name}, so it is not team {team}'s: make it by "
            "kubernetes:create-namespace first"
        )
    owner = (found["metadata"].get("labels") or {}).get(TEAM_LABEL)
    if owner != team:
        belongs = f"belongs to team {owner}" if owner else f"has no label {TEAM_LABEL!r}"
        raise ConflictError(f"Namespace {namespace} in cluster {cluster.name} {belongs}: choose one of team {team}")


async def _is_namespaced(cluster: Cluster, manifest: Json, manifests: Sequence[Json]) -> bool:
    definition = _definition(manifest, manifests)
    if definition is not None:
        return bool(definition["spec"].get("scope") == "Namespaced")
    return await cluster.is_namespaced(manifest["apiVersion"], manifest["kind"])


def _definition(manifest: Json, manifests: Sequence[Json]) -> Json | None:
    """The definition of the object's kind, when it is among what is applied."""
    group = manifest["apiVersion"].rpartition("/")[0]
    for other in manifests:
        spec = other.get("spec")
        if other["kind"] == "CustomResourceDefinition" and isinstance(spec, dict) and spec.get("group") == group:
            names = spec.get("names")
            if isinstance(names, dict) and names.get("kind") == manifest["kind"]:
                return other
    return None


async def _apply(
    ctx: ActionContext, cluster: Cluster, manifest: Json, force: bool, manifests: Sequence[Json]
) -> AppliedObject:
    metadata = manifest["metadata"]
    key = (manifest["apiVersion"], manifest["kind"], metadata["name"], metadata.get("namespace"))
    is_new_kind = _definition(manifest, manifests) is not None
    before: Json | None = None
    after: Json = manifest
    try:
        before = await _known_soon(cluster, key) if is_new_kind and not ctx.is_dry_run else await cluster.get(*key)
        if before is None:
            await note_object(ctx, cluster.name, key)
        after = await cluster.apply(manifest, force=force, dry_run=ctx.is_dry_run)
    except NotFoundError:
        # Its namespace or its kind is made by this step or one before, which a dry run does not do.
        if not ctx.is_dry_run:
            raise
        ctx.log.info(f"{title(manifest)} is not checked: its namespace or its kind is not there yet")
    operation: Literal["created", "changed", "unchanged"] = "changed"
    if before is None:
        operation = "created"
    elif _content(before) == _content(after):
        operation = "unchanged"
    uid = (before or {} if ctx.is_dry_run else after).get("metadata", {}).get("uid")
    return AppliedObject(api_version=key[0], kind=key[1], name=key[2], namespace=key[3], uid=uid, operation=operation)


async def _known_soon(cluster: Cluster, key: tuple[str, str, str, str | None]) -> Json | None:
    """The object, once the server serves its kind: it does so a moment after the definition was applied."""
    waited = 0.0
    while True:
        try:
            return await cluster.get(*key)
        except NotFoundError:
            if waited >= DISCOVERY_SECONDS:
                raise
        await asyncio.sleep(0.25)
        waited += 0.25


def _content(found: Json) -> Json:
    """What somebody set, without what the server counts."""
    content = {key: value for key, value in found.items() if key not in ("metadata", "status")}
    kept = ("name", "namespace", "labels", "annotations", "finalizers", "ownerReferences")
    metadata = found.get("metadata", {})
    return {**content, "metadata": {key: metadata.get(key) for key in kept}}
