"""The databases of a cloned environment: of the same names, small, and empty. Called by `environment:clone`.

Nothing of the original is copied but how it is called: it is specified anew, so neither its backups nor its data can come along.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from understage.sdk import InputError
from understage.sdk.yaml import parse_documents
from understage_actions._clone_manifests import CloneSpec, describe
from understage_actions._database_manifests import (
    CNPG_VERSION,
    SIZES,
    DatabaseSpec,
    claim_manifests,
    cloudnative_pg_manifests,
)
from understage_actions._gitops_layout import TEAMS
from understage_actions._kubernetes_names import check_label

Json = dict[str, Any]


def clone_databases(
    spec: CloneSpec,
    gitops: Path | None,
    namespaces: Sequence[str],
    *,
    operator_namespace: str,
    monitoring_namespace: str,
) -> tuple[list[Json], list[str]]:
    """The manifests of new databases for those of `namespaces`, and the names of their secrets."""
    manifests: list[Json] = []
    secrets: list[str] = []
    for namespace in namespaces if gitops is not None else ():
        assert gitops is not None
        for file in sorted(gitops.glob(f"{TEAMS}/*/databases/{namespace}.*.yaml")):
            if file.is_symlink():
                continue
            objects = [document.value for document in parse_documents(file.read_bytes(), file.name)]
            database = _specify(spec, file, objects, operator_namespace, monitoring_namespace)
            made = claim_manifests(database) if database.claim_kind else cloudnative_pg_manifests(database)
            manifests += [describe(spec, manifest) for manifest in made]
            secrets.append(database.secret)
    if len(secrets) != len(set(secrets)):
        raise InputError(
            "Two of the databases have one name, and a clone has one namespace: clone the services one by one"
        )
    return manifests, secrets


def _specify(spec: CloneSpec, file: Path, objects: list[Any], operator: str, monitoring: str) -> DatabaseSpec:
    by_kind = {item["kind"]: item for item in objects if isinstance(item, dict) and "kind" in item}
    cluster = by_kind.get("Cluster")
    if cluster is not None and cluster.get("apiVersion") == CNPG_VERSION:
        version = str(cluster["spec"].get("imageName", "")).rpartition(":")[2].partition(".")[0]
        database = str(((cluster["spec"].get("bootstrap") or {}).get("initdb") or {}).get("database"))
        extensions = [
            str(item["name"]) for item in (by_kind.get("Database", {}).get("spec") or {}).get("extensions") or []
        ]
        found, claim_version, claim_kind = cluster, "", ""
    elif len(objects) == 1 and isinstance(objects[0], dict) and (objects[0].get("spec") or {}).get("parameters"):
        found = objects[0]
        parameters = found["spec"]["parameters"]
        version, database, extensions = str(parameters.get("version")), str(parameters.get("database")), []
        claim_version, claim_kind = str(found["apiVersion"]), str(found["kind"])
    else:
        raise InputError(
            f"{file.name} of the GitOps repository is no database of `database:render`: it cannot be cloned"
        )
    metadata = found["metadata"]
    return DatabaseSpec(
        name=check_label(str(metadata["name"]), "database", limit=50),
        namespace=spec.namespace,
        service=str((metadata.get("labels") or {}).get("app.kubernetes.io/name")),
        team=spec.team,
        environment=spec.namespace,
        owner=spec.owner,
        database=database,
        version=version,
        size_name="small",
        size=SIZES["small"],
        backup=None,
        expires_at=spec.expires_at,
        operator_namespace=operator,
        monitoring_namespace=monitoring,
        extensions=extensions,
        claim_version=claim_version,
        claim_kind=claim_kind,
    )
