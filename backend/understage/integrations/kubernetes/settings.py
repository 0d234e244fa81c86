"""Which clusters the configuration names, and how to sign in to each.

    kubernetes:                      # the stock key of the Kubernetes plugin
      clusterLocatorMethods:
        - type: config
          clusters:
            - {name: prod, url: https://…, authProvider: serviceAccount, serviceAccountToken: …, caData: …, skipTLSVerify: false}
    understage:
      kubernetes:
        clusters:
          - {name: laptop, kubeconfig: /path/to/kubeconfig, context: kind}
          - {name: here, inCluster: true}

A kubeconfig is used only where it is named: never `$KUBECONFIG` or `~/.kube/config` by itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from understage.errors import InputError
from understage.model.members import map_at

STOCK_KEY = "kubernetes.clusterLocatorMethods"
OWN_KEY = "understage.kubernetes.clusters"
IN_CLUSTER_SERVER = "https://kubernetes.default.svc"


@dataclass(frozen=True)
class ClusterSettings:
    """One cluster: either `url` (with `token`), or `kubeconfig`, or `in_cluster`.

    `source` is the configuration key that names it, for messages. `ca_data` is base64 of PEM. `unusable` says why tasks
    cannot use a cluster that the stock plugin can.
    """

    name: str
    source: str
    url: str | None = None
    token: str | None = field(default=None, repr=False)
    ca_data: str | None = None
    ca_file: Path | None = None
    skip_tls_verify: bool = False
    kubeconfig: Path | None = None
    context: str | None = None
    in_cluster: bool = False
    unusable: str | None = None


def read_cluster_settings(config: Mapping[str, Any], root: Path = Path()) -> list[ClusterSettings]:
    """The clusters that the merged app-config names, in its order, own key first; relative paths start at `root`.

    Locator methods other than `config` are left to the stock Kubernetes plugin. Of two entries of one name, of which one is
    unusable, the usable one counts. Raises InputError, naming the key, for an
    incomplete cluster or a name that stands there twice.
    """
    own = _list(map_at(map_at(config.get("understage")).get("kubernetes")).get("clusters"), OWN_KEY)
    found = [_own_cluster(map_at(entry), f"{OWN_KEY}[{index}]", root) for index, entry in enumerate(own)]
    methods = _list(map_at(config.get("kubernetes")).get("clusterLocatorMethods"), STOCK_KEY)
    for number, method in enumerate(methods):
        if map_at(method).get("type") == "config":
            key = f"{STOCK_KEY}[{number}].clusters"
            for index, entry in enumerate(_list(map_at(method).get("clusters"), key)):
                found.append(_stock_cluster(map_at(entry), f"{key}[{index}]", root))
    usable = {cluster.name for cluster in found if cluster.unusable is None}
    found = [cluster for cluster in found if cluster.unusable is None or cluster.name not in usable]
    names: set[str] = set()
    for cluster in found:
        if cluster.name in names:
            raise InputError(f"{cluster.source}: the cluster name {cluster.name!r} stands there twice; rename one")
        names.add(cluster.name)
    return found


def _own_cluster(entry: Mapping[str, Any], key: str, root: Path) -> ClusterSettings:
    name = _text(entry, "name", key)
    if _is_on(entry, "inCluster"):
        return ClusterSettings(name, key, in_cluster=True)
    if "kubeconfig" in entry:
        context = entry.get("context")
        return ClusterSettings(
            name,
            key,
            kubeconfig=root / Path(_text(entry, "kubeconfig", key)).expanduser(),
            context=str(context) if context is not None else None,
        )
    raise InputError(f"{key}: cluster {name!r} needs `kubeconfig` (with an optional `context`) or `inCluster: true`")


def _stock_cluster(entry: Mapping[str, Any], key: str, root: Path) -> ClusterSettings:
    token = entry.get("serviceAccountToken")
    ca_file = entry.get("caFile")
    return ClusterSettings(
        _text(entry, "name", key),
        key,
        url=_text(entry, "url", key).rstrip("/"),
        token=str(token) if token is not None else None,
        ca_data=entry.get("caData"),
        ca_file=root / str(ca_file) if ca_file else None,
        skip_tls_verify=_is_on(entry, "skipTLSVerify"),
        # Other providers sign in with the user's own token in the browser, which a task does not have.
        unusable=f"it has no serviceAccountToken: add one at {key}, or name the cluster under {OWN_KEY} with a kubeconfig"
        if token is None
        else None,
    )


def _is_on(entry: Mapping[str, Any], member: str) -> bool:
    return entry.get(member) in (True, "true")  # a value of the environment is text


def _list(value: Any, key: str) -> Sequence[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise InputError(f"{key} must be a list")
    return value


def _text(entry: Mapping[str, Any], member: str, key: str) -> str:
    value = entry.get(member)
    if not isinstance(value, str) or not value:
        raise InputError(f"{key}.{member} is missing: it must be a text")
    return value
