"""Kubernetes manifests that a step names: inline, as text, or as files of the workspace.

Called by `kubernetes:apply`, `kubernetes:wait`, `helm:template` and `policy:check`.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from understage.sdk import ActionContext, InputError, NotFoundError, compile_glob
from understage.sdk.members import objects_in
from understage.sdk.yaml import parse_documents
from understage_actions._tree import walk

Json = dict[str, Any]
MAX_OBJECTS = 500
SUFFIXES = (".yaml", ".yml", ".json")


def parse_manifests(text: str | bytes, file: str) -> list[Json]:
    """The objects of a YAML text, lists (`kind: List`) opened, empty documents left out. Errors name file and line."""
    found: list[Json] = []
    for document in parse_documents(text, file):
        if document.value is None:
            continue
        if not isinstance(document.value, dict) or not document.value.get("kind"):
            raise document.error("is no Kubernetes object: it needs apiVersion, kind and metadata.name")
        found += objects_in(document.value)
    return found


def read_manifests(ctx: ActionContext, inline: str | Json | Sequence[Json], files: Sequence[str]) -> list[Json]:
    """All objects: the inline ones, then those of the files, in the order given. Raises InputError when there are none."""
    found: list[Json] = []
    if isinstance(inline, str):
        found += parse_manifests(inline, "manifests")
    else:
        for entry in [inline] if isinstance(inline, dict) else inline:
            found += objects_in(entry)
    for pattern in files:
        for name, content in _read(ctx, pattern):
            found += parse_manifests(content, name)
    if not found:
        raise InputError("There are no objects: give `manifests`, or `files` that hold some")
    if len(found) > MAX_OBJECTS:
        raise InputError(f"{len(found)} objects are more than the {MAX_OBJECTS} of one step: use several steps")
    for manifest in found:
        _check(manifest)
    return found


def title(manifest: Json) -> str:
    """For messages: `Deployment shop/web`."""
    metadata = manifest["metadata"]
    namespace = metadata.get("namespace")
    return (
        f"{manifest['kind']} {namespace}/{metadata['name']}" if namespace else f"{manifest['kind']} {metadata['name']}"
    )


def _check(manifest: Json) -> None:
    metadata = manifest.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    members = (manifest.get("apiVersion"), manifest.get("kind"), name)
    if not all(isinstance(member, str) and member for member in members):
        raise InputError(
            f"An object needs apiVersion, kind and metadata.name; this one has {members[0]!r}, {members[1]!r}, {members[2]!r}"
        )


def _read(ctx: ActionContext, pattern: str) -> Iterator[tuple[str, bytes]]:
    """A file, the manifests of a folder, or what a glob matches, in the order of their names."""
    path = ctx.workspace.resolve(pattern)
    root = ctx.workspace.path.resolve()
    if path.is_file():
        yield pattern, ctx.workspace.read_bytes(pattern)
        return
    wanted = compile_glob(
        f"{pattern.rstrip('/')}/**" if path.is_dir() and path != root else "**" if path == root else pattern
    )
    matching = [
        str(relative)
        for relative, file in walk(root)
        if wanted.fullmatch(str(relative)) and file.suffix in SUFFIXES and file.is_file() and not file.is_symlink()
    ]
    if not matching:
        raise NotFoundError(
            f"The workspace has no manifest {pattern}: no file of that name, none below it, none that matches"
        )
    for name in matching:
        yield name, ctx.workspace.read_bytes(name)
