"""The GitOps repository: found or made, cloned, filled. Called by `gitops:commit` and `service:check-name`."""

import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from understage.sdk import (
    ActionContext,
    ConflictError,
    Forge,
    InputError,
    NotFoundError,
    Repository,
    UnderstageError,
)
from understage.sdk.members import list_at, map_at, objects_in
from understage.sdk.yaml import dump, parse_documents
from understage_actions._argocd_manifests import unite_projects
from understage_actions._gitops_layout import CLONE_ENVIRONMENT_FILE, TEAMS, clone_folder, namespace_file, team_file
from understage_actions._kubernetes_names import LABEL

OWNED = re.compile(rf"{TEAMS}/(?P<team>[^/]+)/(?P<kind>applications|namespaces)/(?P<name>[^/]+)\.yaml")
CLONE = re.compile(rf"{TEAMS}/(?P<team>[^/]+)/clones/(?P<name>[^/]+)/.+")
OF_TEAM = re.compile(rf"{TEAMS}/(?P<team>[^/]+)/.+\.(ya?ml|json)")
README = """\
# {name}

What runs where. Each team has a folder under `infrastructure/teams`: its AppProject, its namespaces with their limits, its
applications. Argo CD, or `kubectl apply`, makes it so.

Files here are written by the scaffolder; change them by commits.
"""


@dataclass(frozen=True)
class Target:
    """Where the GitOps repository is, or will be."""

    forge: Forge
    owner: str
    name: str

    @property
    def title(self) -> str:
        """For messages."""
        return f"{self.owner}/{self.name} on {self.forge.host}"

    async def find(self) -> Repository | None:
        """The repository, or None."""
        return await self.forge.get_repository(self.owner, self.name)


def choose_target(ctx: ActionContext, repository: Mapping[str, Any] | None = None) -> Target:
    """The repository that the step names, else the platform's (`gitopsRepository`). InputError when there is neither."""
    chosen = repository or ctx.defaults.get("gitopsRepository")
    if not chosen or not chosen.get("owner") or not chosen.get("name"):
        raise InputError(
            "No GitOps repository is configured: set understage.gitops, or name one in the step's `repository`"
        )
    host = chosen.get("host")
    forge = ctx.ports.forges.get(host) if host else ctx.ports.forges.default()
    return Target(forge, str(chosen["owner"]), str(chosen["name"]))


async def clone(ctx: ActionContext, target: Target, repository: Repository) -> Path | None:
    """A clone of the default branch in a temporary folder; None when the repository has no commit yet."""
    found = await clone_with_commit(ctx, target, repository)
    return found[0] if found is not None else None


async def clone_with_commit(ctx: ActionContext, target: Target, repository: Repository) -> tuple[Path, str] | None:
    """As `clone`, with the commit that was checked out."""
    directory = ctx.temporary_directory()
    try:
        commit = await ctx.ports.git.clone(repository.clone_url, directory, credentials=target.forge.credentials)
    except UnderstageError as error:
        if _means_empty(error):
            return None
        raise
    return (directory, commit) if any(path.name != ".git" for path in directory.iterdir()) else None


def _means_empty(error: UnderstageError) -> bool:
    # The forge has the repository, so what git does not find is its branch.
    message = error.message.lower()
    return isinstance(error, NotFoundError) or ("remote branch" in message and "not found" in message)


def read_source(root: Path) -> dict[str, Path]:
    """The files below `root` by relative path, sorted. InputError for links and for git's own files."""
    files: dict[str, Path] = {}
    for path in sorted(root.rglob("*")):
        relative = path.relative_to(root)
        if path.is_symlink():
            raise InputError(f"{relative} is a link: the GitOps repository takes plain files only")
        if any(part.startswith(".git") for part in relative.parts):
            raise InputError(f"{relative} is one of git's own files: the GitOps repository does not take it")
        if path.is_file():
            files[relative.as_posix()] = path
    return files


def find_foreign(directory: Path, files: Sequence[str]) -> list[str]:
    """What of `files` another team has already, as sentences."""
    found: list[str] = []
    clones = {(match["team"], match["name"]) for match in map(CLONE.fullmatch, files) if match is not None}
    for team, name in sorted(clones):
        teams = [path.parent.parent.name for path in sorted(directory.glob(f"{TEAMS}/*/clones/{name}"))]
        found += [f"environment {name} belongs to team {other}" for other in teams if other != team]
    for file in files:
        match = OWNED.fullmatch(file)
        if match is None:
            continue
        for path in sorted(directory.glob(f"{TEAMS}/*/{match['kind']}/{match['name']}.yaml")):
            owner = path.parent.parent.name
            if owner != match["team"]:
                found.append(f"{match['kind'].removesuffix('s')} {match['name']} belongs to team {owner}")
    return found


def write_files(directory: Path, files: Mapping[str, Path]) -> None:
    """Copy `files` into the clone; a team's project keeps what it allowed before.

    Raises ConflictError for a name that another team has.
    """
    if foreign := [*find_foreign(directory, list(files)), *_foreign_namespaces(directory, files)]:
        raise ConflictError(f"The GitOps repository has these names: {'; '.join(foreign)}. Choose other names")
    for relative, source in files.items():
        destination = (directory / relative).resolve()
        if not destination.is_relative_to(directory.resolve()):
            raise InputError(f"{relative} leads out of the GitOps repository")
        destination.parent.mkdir(parents=True, exist_ok=True)
        united = _united_project(destination, source) if destination.is_file() else None
        if united is not None:
            destination.write_text(united)
        else:
            shutil.copyfile(source, destination)


def _foreign_namespaces(directory: Path, files: Mapping[str, Path]) -> Iterator[str]:
    """Namespaces of other teams that something in a team's folder would change or deploy into, as sentences."""
    for file, source in files.items():
        match = OF_TEAM.fullmatch(file)
        for document in parse_documents(source.read_bytes(), file) if match else ():
            assert match is not None
            for namespace in sorted({name for each in objects_in(document.value) for name in _reached(each)}):
                owners = _owners(directory, namespace)
                if owners and match["team"] not in owners:
                    yield f"namespace {namespace}, which {file} reaches, belongs to team {', '.join(sorted(owners))}"


def _reached(manifest: Mapping[str, Any]) -> Iterator[str]:
    """The namespaces that an object is in, makes, or lets Argo CD deploy into."""
    metadata, spec = map_at(manifest, "metadata"), map_at(manifest, "spec")
    api_version = str(manifest.get("apiVersion"))
    if api_version.startswith("backstage.io/"):
        return
    if api_version.startswith("argoproj.io/"):
        places = [map_at(spec, "destination"), map_at(spec, "template", "spec", "destination")]
        places += [map_at(place) for place in list_at(spec, "destinations")]
    else:
        places = [{"namespace": metadata.get("name" if manifest.get("kind") == "Namespace" else "namespace")}]
    yield from (str(place["namespace"]) for place in places if place.get("namespace"))


def _owners(directory: Path, namespace: str) -> set[str]:
    """The teams whose namespace the repository says that it is; none for a name that no namespace has."""
    if not LABEL.fullmatch(namespace):
        return set()
    files = [*directory.glob(namespace_file("*", namespace)), *directory.glob(team_file(namespace, "namespace.yaml"))]
    if namespace.startswith("clone-"):
        files += directory.glob(f"{clone_folder('*', namespace.removeprefix('clone-'))}/{CLONE_ENVIRONMENT_FILE}")
    return {file.relative_to(directory / TEAMS).parts[0] for file in files}


def _united_project(known: Path, wanted: Path) -> str | None:
    before, after = _only_document(known), _only_document(wanted)
    if before is None or after is None or {before.get("kind"), after.get("kind")} != {"AppProject"}:
        return None
    header = "\n".join(
        line.removeprefix("#").strip() for line in wanted.read_text().splitlines() if line.startswith("#")
    )
    return dump(unite_projects(before, after), header=header or None)


def _only_document(path: Path) -> dict[str, Any] | None:
    if path.suffix not in (".yaml", ".yml"):
        return None
    try:
        documents = parse_documents(path.read_bytes(), path.name)
    except InputError:
        return None  # a template of a chart, for example
    value = documents[0].value if len(documents) == 1 else None
    return value if isinstance(value, dict) else None
