"""What a clone is made of: the services that the catalog names, and how Argo CD deploys each of them today.

Called by `environment:clone`. Everything here is read; a service that cannot be found is told before anything is written.
"""

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from understage.sdk import ActionContext, ConflictError, InputError, NotFoundError
from understage.sdk.argocd import sources_of
from understage.sdk.deployed import is_deployed
from understage.sdk.yaml import parse_documents
from understage_actions._argocd_ways import choose_way
from understage_actions._gitops_layout import TEAMS
from understage_actions._helm_chart import Chart, load_chart, merge
from understage_actions._kubernetes_names import check_label, team_name

Json = dict[str, Any]
MOST_SERVICES = 30


@dataclass(frozen=True)
class Deployment:
    """How a service is deployed today: chart and values files of repositories, a namespace of a cluster."""

    service: str
    application: str
    namespace: str
    server: str
    chart_url: str
    chart_path: str
    chart_revision: str
    values_url: str
    values_revision: str
    value_files: Sequence[str] = ()


@dataclass(frozen=True)
class Source:
    """A deployment with its files at hand: the chart, its values files from the first to the last, and what they come to."""

    deployment: Deployment
    chart: Chart
    files: Sequence[Path]
    values: Mapping[str, Any] = field(default_factory=dict)


async def find_services(ctx: ActionContext, ref: str, team: str) -> list[str]:
    """The names of the services: a component, or all components of a system that are deployed by Argo CD.

    Raises NotFoundError for what the catalog does not have, ConflictError for what is another team's.
    """
    kind = ref.partition(":")[0].lower()
    if kind not in ("component", "system"):
        raise InputError(f"source {ref[:80]!r} must be a component or a system, such as component:default/ledger")
    (entity,) = await ctx.ports.catalog.get_entities([ref])
    if entity is None:
        raise NotFoundError(f"The catalog has no {ref[:200]}, or you may not see it")
    owner = str((entity.get("spec") or {}).get("owner"))
    if not _is_owned_by(owner, team):
        raise ConflictError(f"{ref} belongs to {owner[:80]}, not to team {team}: ask them for a clone")
    if kind == "component":
        return [check_label(str(entity["metadata"]["name"]), "source", limit=40)]
    refs = [
        relation["targetRef"]
        for relation in entity.get("relations") or []
        if relation.get("type") == "hasPart" and str(relation.get("targetRef")).startswith("component:")
    ]
    names: list[str] = []
    for part in await ctx.ports.catalog.get_entities(refs) if refs else []:
        if part is None or not is_deployed(part):
            continue
        names.append(check_label(str(part["metadata"]["name"]), "source", limit=40))
    if not names:
        raise InputError(
            f"{ref} has no component with the annotation argocd/app-selector or argocd/app-name: there is nothing to clone"
        )
    if len(names) > MOST_SERVICES:
        raise InputError(f"{ref} has {len(names)} services, more than the {MOST_SERVICES} of one clone")
    return sorted(set(names))


def _is_owned_by(owner: str, team: str) -> bool:
    try:
        return team_name(owner) == team
    except InputError:
        return False


async def find_deployment(
    ctx: ActionContext, service: str, environment: str, gitops: Path | None, *, argocd: str | None, cluster: str | None
) -> Deployment:
    """How `service` is deployed in `environment`: by the GitOps repository, else by what Argo CD says."""
    name = f"{service}-{environment}"
    application = _written_application(gitops, name) if gitops is not None else None
    if application is None:
        namespace = str(ctx.defaults.get("argocdNamespace") or "argocd")
        way = choose_way(ctx, "auto", instance=argocd, cluster=cluster, namespace=namespace)
        application = await way.get("Application", name) if way is not None else None
    if not isinstance(application, dict):
        raise NotFoundError(
            f"{service} is not deployed in {environment}: neither the GitOps repository nor Argo CD has an Application {name}"
        )
    return _read_application(service, name, application)


def _written_application(gitops: Path, name: str) -> Json | None:
    for file in sorted(gitops.glob(f"{TEAMS}/*/applications/{name}.yaml")):
        values = [document.value for document in parse_documents(file.read_bytes(), file.name)]
        if not file.is_symlink() and len(values) == 1 and isinstance(values[0], dict):
            return values[0]
    return None


def _read_application(service: str, name: str, application: Json) -> Deployment:
    spec = application.get("spec") or {}
    sources = sources_of(spec)
    charts = [source for source in sources if not source.get("ref")]
    refs = {str(source["ref"]): source for source in sources if source.get("ref")}
    if len(charts) != 1 or not charts[0].get("path"):
        raise InputError(f"Application {name} is not of one chart in a git repository: it cannot be cloned")
    (chart,) = charts
    helm = chart.get("helm") or {}
    if helm.get("parameters") or helm.get("values") or helm.get("valuesObject"):
        raise InputError(
            f"Application {name} has values of its own: move them into a values file, so that they can be looked at"
        )
    values, files = chart, []
    for file in map(str, helm.get("valueFiles") or []):
        ref, separator, rest = file.removeprefix("$").partition("/")
        if file.startswith("$") and separator and ref in refs:
            values = refs[ref]
            files.append(rest)
        else:
            # Relative to the chart, as Argo CD reads it.
            files.append(posixpath.normpath(f"{chart['path']}/{file}"))
    destination = spec.get("destination") or {}
    return Deployment(
        service=service,
        application=name,
        namespace=str(destination.get("namespace")),
        server=str(destination.get("server")),
        chart_url=str(chart.get("repoURL")),
        chart_path=str(chart["path"]),
        chart_revision=str(chart.get("targetRevision") or "HEAD"),
        values_url=str(values.get("repoURL")),
        values_revision=str(values.get("targetRevision") or "HEAD"),
        value_files=files,
    )


Clones = dict[tuple[str, str], tuple[Path, str]]


async def fetch_source(ctx: ActionContext, deployment: Deployment, clones: Clones) -> Source:
    """The chart and the values of a deployment; `clones` are those made so far.

    Its revisions become the commits that were read: what is looked at is what Argo CD deploys, whatever is committed later.
    """
    chart_root, chart_commit = await _checkout(ctx, deployment.chart_url, deployment.chart_revision, clones)
    values_root, values_commit = await _checkout(ctx, deployment.values_url, deployment.values_revision, clones)
    chart = load_chart(_inside(chart_root, deployment.chart_path))
    files = [_inside(values_root, file) for file in deployment.value_files]
    values: Json = {}
    for file in files:
        if not file.is_file():
            raise NotFoundError(f"Application {deployment.application}: its repository has no file {file.name}")
        own = parse_documents(file.read_bytes(), file.name)
        values = merge(values, own[0].value if own and isinstance(own[0].value, dict) else {})
    pinned = replace(deployment, chart_revision=chart_commit, values_revision=values_commit)
    return Source(pinned, chart, files, chart.coalesce(values))


async def _checkout(ctx: ActionContext, url: str, revision: str, clones: Clones) -> tuple[Path, str]:
    if (url, revision) not in clones:
        forge = ctx.ports.forges.get(urlsplit(url).netloc)
        folder = ctx.temporary_directory()
        branch = None if revision == "HEAD" else revision
        commit = await ctx.ports.git.clone(url, folder, branch=branch, credentials=forge.credentials)
        clones[(url, revision)] = (folder, commit)
    return clones[(url, revision)]


def _inside(root: Path, relative: str) -> Path:
    path = (root / relative).resolve()
    if not path.is_relative_to(root.resolve()):
        raise InputError(f"{relative[:80]!r} leads out of the service's repository")
    return path
