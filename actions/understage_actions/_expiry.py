"""What of the GitOps repository has ended: environments and databases whose time is over. Called by `environment:expire`.

Only these two have an end, and only where `environment:clone` and `database:render` put them: an annotation elsewhere removes
nothing, whoever wrote it. What cannot be read stays, and is told.
"""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from understage.sdk import InputError, UnderstageError
from understage.sdk.yaml import parse_documents
from understage_actions._gitops_layout import CLONE_ENVIRONMENT_FILE, TEAMS, clone_namespace
from understage_actions._kubernetes_names import check_label
from understage_actions._time_to_live import OWNER, expiry_of

MAX_BYTES = 1 << 20


@dataclass(frozen=True)
class Lasting:
    """An environment or a database with an end. `path` is the folder or file that it is, relative to the repository."""

    kind: Literal["environment", "database"]
    team: str
    name: str
    path: str
    expires_at: datetime
    owner: str


@dataclass(frozen=True)
class Survey:
    """What was found, by path, and what could not be read."""

    found: Sequence[Lasting]
    problems: Sequence[str]


def survey(directory: Path) -> Survey:
    """Everything in the clone that has an end."""
    found: list[Lasting] = []
    problems: list[str] = []
    for path in sorted(_candidates(directory)):
        try:
            lasting = _read(directory, path)
        except UnderstageError as error:
            problems.append(f"{path.relative_to(directory).as_posix()}: {error.message}")
            continue
        if lasting is not None:
            found.append(lasting)
    return Survey(found, problems)


def remove(directory: Path, ended: Sequence[Lasting]) -> None:
    """Delete their files from the clone, and nothing else."""
    for lasting in ended:
        path = directory / lasting.path
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _candidates(directory: Path) -> Iterator[Path]:
    for team in (directory / TEAMS).glob("*"):
        for path in (*team.glob("clones/*"), *team.glob("databases/*")):
            parents = (path, path.parent, team)
            if not any(part.is_symlink() for part in parents) and (path.is_dir() or path.suffix == ".yaml"):
                yield path


def _read(directory: Path, path: Path) -> Lasting | None:
    """None for what stays for ever."""
    team = path.parent.parent.name
    check_label(team, "team")
    if path.parent.name == "databases":
        objects = _objects(path)
        return _lasting(directory, path, "database", team, path.stem, objects)
    name = check_label(path.name, "environment")
    file = path / CLONE_ENVIRONMENT_FILE
    if not file.is_file() or file.is_symlink():
        raise InputError(f"has no {CLONE_ENVIRONMENT_FILE}, so nobody knows when it ends")
    namespaces = [item for item in _objects(file) if item.get("kind") == "Namespace"]
    if [(item.get("metadata") or {}).get("name") for item in namespaces] != [clone_namespace(name)]:
        raise InputError(f"{CLONE_ENVIRONMENT_FILE} must hold the Namespace {clone_namespace(name)}, and no other")
    lasting = _lasting(directory, path, "environment", team, name, namespaces)
    if lasting is None:
        raise InputError("has no time to live: every environment has one")
    return lasting


def _lasting(
    directory: Path, path: Path, kind: Literal["environment", "database"], team: str, name: str, objects: list[Any]
) -> Lasting | None:
    ends = [expiry_of(item) for item in objects]
    times = [end for end in ends if end is not None]
    if not times or len(times) < len(ends):
        return None
    owner = str((objects[0]["metadata"]["annotations"]).get(OWNER) or "nobody")
    return Lasting(kind, team, name, path.relative_to(directory).as_posix(), max(times), owner)


def _objects(file: Path) -> list[dict[str, Any]]:
    if file.stat().st_size > MAX_BYTES:
        raise InputError(f"is larger than {MAX_BYTES >> 20} MiB")
    values = [document.value for document in parse_documents(file.read_bytes(), file.name)]
    return [value for value in values if isinstance(value, dict)]
