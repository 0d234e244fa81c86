"""What Applications and AppProjects of the GitOps repository may say. `gitops:commit` asks before it reaches any forge.

Argo CD acts on these files with rights of its own, so what a form's value could smuggle into them is refused here, with the
file's name: another team's project or namespace, a cluster that is not configured, values from other folders or from the
network, parameters and plugins that go round the values file which its schema, the guardrails and reviewers look at.
"""

import posixpath
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from understage.sdk import InputError, UnderstageError
from understage.sdk.members import list_at, map_at, member_at, objects_in
from understage.sdk.yaml import parse_documents
from understage_actions._argocd_manifests import API_VERSION, UNITED
from understage_actions._gitops_layout import TEAMS
from understage_actions._kubernetes_names import check_label, check_namespace

Json = dict[str, Any]

APPLICATION = re.compile(rf"{TEAMS}/(?P<team>[^/]+)/applications/(?P<name>[^/]+)\.ya?ml")
PROJECT = re.compile(rf"{TEAMS}/(?P<team>[^/]+)/project\.ya?ml")
CLONED = re.compile(rf"{TEAMS}/(?P<team>[^/]+)/clones/[^/]+/.+\.(ya?ml|json)")
SET = re.compile(rf"{TEAMS}/(?P<team>[^/]+)/application-set\.ya?ml")
OBJECT_KEYS = frozenset(("apiVersion", "kind", "metadata", "spec"))
APPLICATION_KEYS = frozenset(
    ("project", "source", "sources", "destination", "syncPolicy", "revisionHistoryLimit", "ignoreDifferences", "info")
)
SYNC_KEYS = frozenset(("automated", "retry", "syncOptions"))
SET_KEYS = frozenset(("goTemplate", "goTemplateOptions", "generators", "template", "syncPolicy"))
SOURCE_KEYS = frozenset(("repoURL", "targetRevision", "path", "chart", "ref", "helm", "directory", "name"))
HELM_KEYS = frozenset(
    (
        "valueFiles",
        "values",
        "valuesObject",
        "releaseName",
        "namespace",
        "ignoreMissingValueFiles",
        "skipCrds",
        "kubeVersion",
    )
)
INSTEAD = "write what it should say into the environment's values file"
# What makes the namespace safe is not deployed from a team's repository.
OF_THE_PLATFORM = frozenset(("LimitRange", "PolicyException", "ResourceQuota", "Role", "RoleBinding", "SecretStore"))


def check_gitops_files(files: Mapping[str, Path], *, servers: Collection[str], argocd_namespace: str) -> None:
    """InputError naming every file, and everything in it, that a team's folder must not have.

    `servers` are the API servers that may be deployed to.
    """
    problems: list[str] = []
    for name, path in files.items():
        if CLONED.fullmatch(name):
            problems += [f"{name}: {problem}" for problem in _clone(name, path)]
        application, project, made = (pattern.fullmatch(name) for pattern in (APPLICATION, PROJECT, SET))
        match = application or project or made
        for manifest in _read(name, path) if match else ():
            assert match is not None
            team, found = match["team"], list(_unknown(manifest, OBJECT_KEYS, ""))
            if application:
                found += _application(manifest, team, application["name"], servers, argocd_namespace)
            elif project:
                found += _project(manifest, team, servers, argocd_namespace)
            else:
                found += _set(manifest, team, servers, argocd_namespace)
            problems += [f"{name}: {problem}" for problem in found]
    if problems:
        raise InputError("\n".join(["Nothing was committed:", *(f"- {problem}" for problem in problems)]))


def check_repository(url: str, what: str) -> str:
    """`url`, if Argo CD may read a repository from there; InputError for patterns, credentials and other schemes.

    Charts of registries are named without a scheme, as Argo CD wants them.
    """
    parts = urlsplit(url if "://" in url else f"oci://{url}")
    if (
        parts.scheme not in ("https", "http", "ssh", "oci")
        or not parts.hostname
        or parts.password
        or any(character in "*!?[]{}\\$" or character.isspace() for character in url)
    ):
        raise InputError(
            f"{what} {url[:200]!r} must be the address of one repository (https, ssh or a registry), without credentials"
        )
    return url


def check_inside(path: str, what: str) -> str:
    """`path` without leading `./`; InputError for one that leads out of the repository or is a URL."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if path.startswith("/") or ".." in parts or "\\" in path or ":" in path or "$" in path:
        raise InputError(f"{what} {path!r} must be a path inside of the repository")
    return "/".join(parts) or "."


def check_project(manifest: Mapping[str, Any], project: str) -> Iterator[str]:
    """What is wrong with an AppProject, Application or ApplicationSet of those whose project that is."""
    kind, spec = manifest.get("kind"), map_at(manifest, "spec")
    if kind == "AppProject" and (name := member_at(manifest, "metadata", "name")) != project:
        yield f"the project {str(name)[:60]!r} is not the team's: its name must be {project!r}"
    if kind in ("Application", "ApplicationSet"):
        made, place = (
            (map_at(spec, "template", "spec"), "spec.template.spec") if kind == "ApplicationSet" else (spec, "spec")
        )
        if made.get("project") != project:
            yield f"{place}.project {str(made.get('project'))[:60]!r} is not the team's: it must be {project!r}"


def _read(name: str, path: Path) -> Iterator[Json]:
    for document in parse_documents(path.read_bytes(), name):
        if not isinstance(document.value, dict):
            raise InputError(f"{name} must hold one Kubernetes object")
        yield document.value


def _application(
    manifest: Json, team: str, name: str, servers: Collection[str], argocd_namespace: str
) -> Iterator[str]:
    if (manifest.get("apiVersion"), manifest.get("kind")) != (API_VERSION, "Application"):
        yield f"{str(manifest.get('kind'))[:60]} has no place among the team's applications"
        return
    yield from _metadata(manifest, name, argocd_namespace)
    yield from check_project(manifest, team)
    yield from _deployment(map_at(manifest, "spec"), "spec", servers)


def _set(manifest: Json, team: str, servers: Collection[str], argocd_namespace: str) -> Iterator[str]:
    if (manifest.get("apiVersion"), manifest.get("kind")) != (API_VERSION, "ApplicationSet"):
        yield f"{str(manifest.get('kind'))[:60]} is no ApplicationSet"
        return
    yield from _metadata(manifest, team, argocd_namespace)
    yield from check_project(manifest, team)
    spec = map_at(manifest, "spec")
    yield from _unknown(spec, SET_KEYS, "spec.")
    for generator in list_at(spec, "generators"):
        yield from _unknown(map_at(generator), frozenset(("git",)), "spec.generators.")
    yield from _deployment(map_at(spec, "template", "spec"), "spec.template.spec", servers)


def _clone(name: str, path: Path) -> Iterator[str]:
    """Objects of Argo CD in the folder of a clone: its project is its own (`_tenant_files`), its cluster that of the original."""
    for document in parse_documents(path.read_bytes(), name):
        for manifest in objects_in(document.value):
            kind, spec = manifest.get("kind"), map_at(manifest, "spec")
            if kind in ("Application", "AppProject"):
                yield from _unknown(manifest, OBJECT_KEYS, "")
                yield from _deployment(spec, "spec", None) if kind == "Application" else _allowed(spec, None)
            if kind == "ApplicationSet":
                yield "ApplicationSet has no place in a clone"


def _deployment(spec: Json, place: str, servers: Collection[str] | None) -> Iterator[str]:
    """What is wrong with the spec of an Application."""
    yield from _unknown(spec, APPLICATION_KEYS, f"{place}.")
    yield from _unknown(map_at(spec, "syncPolicy"), SYNC_KEYS, f"{place}.syncPolicy.")
    yield from _destination(map_at(spec, "destination"), f"{place}.destination", servers)
    # Argo CD takes `source` where `sources` is empty.
    several = [(f"{place}.sources[{index}]", source) for index, source in enumerate(list_at(spec, "sources"))]
    if "source" in spec or not several:
        several.append((f"{place}.source", spec.get("source")))
    for where, source in several:
        yield from _source(map_at(source), where)
    if "CreateNamespace=true" in list_at(spec, "syncPolicy", "syncOptions"):
        yield "CreateNamespace=true makes a namespace without quota and policies: kubernetes:create-namespace writes one"


def _unknown(part: Json, known: Collection[str], place: str) -> Iterator[str]:
    """Members that nobody has looked at, such as an operation that deploys something else at once."""
    return (f"{place}{key} is not for teams: leave it out" for key in sorted(map(str, part.keys() - set(known))))


def _metadata(manifest: Json, name: str, argocd_namespace: str) -> Iterator[str]:
    metadata = map_at(manifest.get("metadata"))
    try:
        check_label(name, "the file's name")
    except InputError as error:
        yield error.message
    if metadata.get("name") != name:
        yield f"metadata.name {str(metadata.get('name'))[:60]!r} must be the file's: {name!r}"
    if metadata.get("namespace") not in (None, argocd_namespace):
        yield f"metadata.namespace must be {argocd_namespace!r}, where Argo CD is"


def _destination(destination: Json, place: str, servers: Collection[str] | None) -> Iterator[str]:
    """`servers` are those that may be deployed to; None leaves it to what is there already."""
    if servers is not None and (server := destination.get("server")) not in servers:
        said = destination.get("name") if server is None else server
        yield f"{place} {str(said)[:100]!r} is no configured cluster: {', '.join(sorted(servers))}"
    try:
        check_namespace(str(destination.get("namespace") or ""))
    except InputError as error:
        yield f"{place}: {error.message}"


def _source(source: Json, place: str) -> Iterator[str]:
    for key in sorted(source.keys() - SOURCE_KEYS):
        yield f"{place}.{key} is not for teams: {INSTEAD}"
    helm = map_at(source.get("helm"))
    for key in sorted(helm.keys() - HELM_KEYS):
        yield f"{place}.helm.{key} is not for teams: {INSTEAD}"
    files = helm.get("valueFiles") or []
    for file in files if isinstance(files, list) else [files]:
        inside = _in_repository(str(file), str(source.get("path") or ""))
        yield from _said(lambda inside=inside: check_inside(inside, f"{place}.helm.valueFiles"))
    if (path := source.get("path")) is not None:
        yield from _said(lambda: check_inside(str(path), f"{place}.path"))
    yield from _said(lambda: check_repository(str(source.get("repoURL") or ""), f"{place}.repoURL"))


def _project(manifest: Json, team: str, servers: Collection[str], argocd_namespace: str) -> Iterator[str]:
    if (manifest.get("apiVersion"), manifest.get("kind")) != (API_VERSION, "AppProject"):
        yield f"{str(manifest.get('kind'))[:60]} is no AppProject"
        return
    yield from _metadata(manifest, team, argocd_namespace)
    yield from _allowed(map_at(manifest, "spec"), servers)


def _allowed(spec: Json, servers: Collection[str] | None) -> Iterator[str]:
    """What is wrong with the spec of an AppProject."""
    yield from _unknown(spec, {*UNITED, "description"}, "spec.")
    for member in UNITED:
        if not isinstance(spec.get(member) or [], list):
            yield f"spec.{member} must be a list"
    for url in list_at(spec.get("sourceRepos")):
        yield from _said(lambda url=url: check_repository(str(url), "spec.sourceRepos"))
    for destination in list_at(spec.get("destinations")):
        yield from _destination(map_at(destination), "spec.destinations", servers)
    for each in list_at(spec.get("clusterResourceWhitelist")):
        yield f"spec.clusterResourceWhitelist: {str(map_at(each).get('kind'))[:60]!r} is the cluster's, not a team's"
    for each in list_at(spec.get("namespaceResourceWhitelist")):
        if "*" in str(map_at(each).get("kind")) or "*" in str(map_at(each).get("group")):
            yield "spec.namespaceResourceWhitelist: name each kind, a pattern would take in quotas and roles"
        if map_at(each).get("kind") in OF_THE_PLATFORM:
            yield f"spec.namespaceResourceWhitelist: {map_at(each).get('kind')!r} is the platform's, not a team's"


def _said(check: Any) -> Iterator[str]:
    try:
        check()
    except UnderstageError as error:
        yield error.message


def _in_repository(file: str, chart: str) -> str:
    """Where a values file is: `$values/a/b.yaml` is a file of the source of that name, others stand beside the chart."""
    if match := re.match(r"\$[A-Za-z0-9_-]+/", file):
        return file[match.end() :]
    return posixpath.normpath(f"{chart}/{file}") if chart and not file.startswith("/") else file
