"""The objects of a database on request: by CloudNativePG, or as a claim of Crossplane. Called by `database:render`. Pure.

A namespace of ours denies all traffic by default, so a database brings the policies without which CloudNativePG does not run: its
instances talk to each other and to the API server, the operator asks them, the service and nobody else connects.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from understage_actions._namespace_manifests import ENVIRONMENT_LABEL, MANAGED_BY, TEAM_LABEL
from understage_actions._time_to_live import expiry_annotations, expiry_labels

Json = dict[str, Any]

CNPG_VERSION = "postgresql.cnpg.io/v1"
OBJECT_STORE_VERSION = "barmancloud.cnpg.io/v1"
BARMAN_PLUGIN = "barman-cloud.cloudnative-pg.io"
IMAGES = "ghcr.io/cloudnative-pg/postgresql"
POSTGRES_PORT = 5432
STATUS_PORT = 8000
METRICS_PORT = 9187


@dataclass(frozen=True)
class Size:
    """What one instance gets, and how many there are. Memory is request and limit at once: it cannot be taken back."""

    instances: int
    cpu: str
    cpu_limit: str
    memory: str
    storage: str


SIZES: Mapping[str, Size] = {
    "small": Size(1, "250m", "500m", "512Mi", "5Gi"),
    "medium": Size(2, "1", "2", "2Gi", "20Gi"),
    "large": Size(3, "2", "4", "4Gi", "100Gi"),
}


@dataclass(frozen=True)
class BackupPlan:
    """When a backup is made, and where it goes: an object store's URL, else snapshots of the volumes."""

    schedule: str
    destination: str | None = None
    retention: str = "30d"


@dataclass(frozen=True)
class DatabaseSpec:
    """One database of one service. `database` is its name within PostgreSQL, and its owner's."""

    name: str
    namespace: str
    service: str
    team: str
    environment: str
    owner: str
    database: str
    version: str
    size_name: str
    size: Size
    backup: BackupPlan | None
    expires_at: datetime | None
    operator_namespace: str
    monitoring_namespace: str
    storage_class: str | None = None
    extensions: Sequence[str] = ()
    claim_version: str = ""
    claim_kind: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def secret(self) -> str:
        """The Secret with what is needed to connect; either engine writes the same keys."""
        return f"{self.name}-app"


def connection(spec: DatabaseSpec, prefix: str) -> list[Json]:
    """The `envFrom` of the service's container: `DATABASE_uri`, `DATABASE_host`, `DATABASE_username` …"""
    return [{"prefix": prefix, "secretRef": {"name": spec.secret}}]


def cloudnative_pg_manifests(spec: DatabaseSpec) -> list[Json]:
    """Cluster, Database, what backs it up, who may call it."""
    manifests = [_policy(spec)]
    if spec.backup is not None and spec.backup.destination is not None:
        manifests.append(_object_store(spec, spec.backup))
    manifests.append(_cluster(spec))
    manifests.append(_database(spec))
    if spec.backup is not None:
        manifests.append(_scheduled_backup(spec, spec.backup))
    return manifests


def claim_manifests(spec: DatabaseSpec) -> list[Json]:
    """The claim; what it becomes is the composition's business. The sizes are spelled out for it."""
    size = spec.size
    parameters: Json = {
        "version": spec.version,
        "size": spec.size_name,
        "instances": size.instances,
        "cpu": size.cpu,
        "memory": size.memory,
        "storage": size.storage,
        "database": spec.database,
    }
    if spec.backup is not None:
        parameters["backup"] = {"schedule": spec.backup.schedule, "retention": spec.backup.retention}
    content: Json = {"parameters": parameters, "writeConnectionSecretToRef": {"name": spec.secret}}
    return [{"apiVersion": spec.claim_version, "kind": spec.claim_kind, "metadata": _metadata(spec), "spec": content}]


def _labels(spec: DatabaseSpec) -> Json:
    return {
        **spec.labels,
        **MANAGED_BY,
        "app.kubernetes.io/name": spec.service,
        "app.kubernetes.io/component": "database",
        TEAM_LABEL: spec.team,
        ENVIRONMENT_LABEL: spec.environment,
    }


def _metadata(spec: DatabaseSpec, name: str | None = None) -> Json:
    return {
        "name": name or spec.name,
        "namespace": spec.namespace,
        "labels": {**_labels(spec), **expiry_labels(spec.expires_at)},
        "annotations": expiry_annotations(spec.expires_at, spec.owner),
    }


def _object(
    spec: DatabaseSpec, kind: str, content: Json, *, name: str | None = None, version: str = CNPG_VERSION
) -> Json:
    return {"apiVersion": version, "kind": kind, "metadata": _metadata(spec, name), "spec": content}


def _cluster(spec: DatabaseSpec) -> Json:
    size = spec.size
    content: Json = {
        "instances": size.instances,
        "imageName": f"{IMAGES}:{spec.version}",
        # With one instance a budget would block the drain of its node for ever.
        "enablePDB": size.instances > 1,
        "storage": {"size": size.storage, **({"storageClass": spec.storage_class} if spec.storage_class else {})},
        "resources": {
            "requests": {"cpu": size.cpu, "memory": size.memory},
            "limits": {"cpu": size.cpu_limit, "memory": size.memory},
        },
        # Empty, always: a database is never begun from the data of another one.
        "bootstrap": {"initdb": {"database": spec.database, "owner": spec.database, "dataChecksums": True}},
        # The pods are the database's, not the service's: its Service must not select them.
        "inheritedMetadata": {"labels": {**_labels(spec), "app.kubernetes.io/name": spec.name}},
    }
    if spec.backup is not None and spec.backup.destination is None:
        content["backup"] = {"volumeSnapshot": {"snapshotOwnerReference": "backup"}}
    elif spec.backup is not None:
        parameters = {"barmanObjectName": spec.name}
        content["plugins"] = [{"name": BARMAN_PLUGIN, "isWALArchiver": True, "parameters": parameters}]
    return _object(spec, "Cluster", content)


def _database(spec: DatabaseSpec) -> Json:
    content: Json = {
        "name": spec.database,
        "owner": spec.database,
        "cluster": {"name": spec.name},
        "ensure": "present",
        "databaseReclaimPolicy": "retain",
    }
    if spec.extensions:
        content["extensions"] = [{"name": name, "ensure": "present"} for name in spec.extensions]
    return _object(spec, "Database", content)


def _scheduled_backup(spec: DatabaseSpec, backup: BackupPlan) -> Json:
    content: Json = {
        "schedule": backup.schedule,
        "immediate": True,
        "backupOwnerReference": "self",
        "cluster": {"name": spec.name},
        "method": "volumeSnapshot",
    }
    if backup.destination is not None:
        content |= {"method": "plugin", "pluginConfiguration": {"name": BARMAN_PLUGIN}}
    return _object(spec, "ScheduledBackup", content)


def _object_store(spec: DatabaseSpec, backup: BackupPlan) -> Json:
    # Signed in by the identity of the pod's service account, so that no key has to be copied into the namespace.
    configuration = {
        "destinationPath": f"{str(backup.destination).rstrip('/')}/{spec.namespace}",
        "s3Credentials": {"inheritFromIAMRole": True},
    }
    content = {"retentionPolicy": backup.retention, "configuration": configuration}
    return _object(spec, "ObjectStore", content, version=OBJECT_STORE_VERSION)


def _policy(spec: DatabaseSpec) -> Json:
    pods = {"matchLabels": {"cnpg.io/cluster": spec.name}}
    peers = {"podSelector": pods}
    service = {"podSelector": {"matchLabels": {"app.kubernetes.io/name": spec.service}}}
    ingress = [
        {"from": [service], "ports": [_port(POSTGRES_PORT)]},
        {"from": [peers, _namespace(spec.operator_namespace)], "ports": [_port(POSTGRES_PORT), _port(STATUS_PORT)]},
        {"from": [_namespace(spec.monitoring_namespace)], "ports": [_port(METRICS_PORT)]},
    ]
    egress = [
        {"to": [peers], "ports": [_port(POSTGRES_PORT), _port(STATUS_PORT)]},
        # The API server and the object store have no labels to be named by.
        {"ports": [_port(443), _port(6443)]},
    ]
    content = {"podSelector": pods, "policyTypes": ["Ingress", "Egress"], "ingress": ingress, "egress": egress}
    return _object(spec, "NetworkPolicy", content, name=f"{spec.name}-database", version="networking.k8s.io/v1")


def _namespace(name: str) -> Json:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


def _port(number: int) -> Json:
    return {"port": number, "protocol": "TCP"}
