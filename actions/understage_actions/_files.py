"""The files of a folder as forges' APIs take them: those that `.gitignore` leaves, with content and git's id of it.

Called by the actions that make pull and merge requests.
"""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

import pathspec

from understage.sdk import InputError, Workspace
from understage_actions._tree import Tree, refuse_links_outside, walk

BYTES_LIMIT = 100 * 1024 * 1024
"""What all files of a request may hold together; forges refuse more."""

Mode = Literal["100644", "100755", "120000"]


@dataclass(frozen=True)
class PlacedFile:
    """A file for a repository. `mode` is git's: a file, an executable, or a link, whose content is its target."""

    path: str
    mode: Mode
    content: bytes

    def blob_id(self, algorithm: str = "sha1") -> str:
        """Git's id of the content."""
        digest = hashlib.new(algorithm, usedforsecurity=False)
        digest.update(b"blob %d\0" % len(self.content))
        digest.update(self.content)
        return digest.hexdigest()

    def text(self) -> str | None:
        """The content as text; None where it is none."""
        if b"\0" in self.content:
            return None
        try:
            return self.content.decode("utf-8")
        except UnicodeDecodeError:
            return None


def read_files(folder: Path, target: str | None = None) -> list[PlacedFile]:
    """The files below `folder`, placed below `target`, sorted; without `.git` and what a `.gitignore` names.

    Raises InputError for a target that leads out of the repository and for more than forges take, NotAllowedError for links
    that lead out of the folder.
    """
    refuse_links_outside(Tree(Workspace(folder)))
    files: list[PlacedFile] = []
    total = 0
    for relative, path in _unignored(folder):
        link = path.is_symlink()
        if path.is_dir() and not link:
            continue
        content = os.fsencode(path.readlink()) if link else path.read_bytes()
        total += len(content)
        if total > BYTES_LIMIT:
            raise InputError(
                f"The files to send hold more than {BYTES_LIMIT >> 20} MiB: narrow them down with sourcePath or .gitignore"
            )
        mode: Mode = "120000" if link else "100755" if os.access(path, os.X_OK) else "100644"
        files.append(PlacedFile(place(str(relative), target), mode, content))
    return files


def place(path: str, target: str | None) -> str:
    """`path` below `target`, as a path of the repository. Raises InputError for one that leads out of it."""
    parts = [part for part in (PurePosixPath(target or ".") / path).parts if part != "/"]
    if not parts or ".." in parts or ".git" in parts:
        raise InputError(f"{target}/{path} is no path of the repository")
    return "/".join(parts)


def _unignored(folder: Path) -> Iterator[tuple[PurePosixPath, Path]]:
    rules: dict[PurePosixPath, pathspec.GitIgnoreSpec] = {}
    dropped: set[PurePosixPath] = set()

    def read_rules(relative: PurePosixPath, path: Path) -> None:
        file = path / ".gitignore"
        if file.is_file() and not file.is_symlink():
            lines = file.read_text("utf-8", "replace").splitlines()
            rules[relative] = pathspec.GitIgnoreSpec.from_lines(lines)

    read_rules(PurePosixPath("."), folder)
    for relative, path in walk(folder):
        is_folder = path.is_dir() and not path.is_symlink()
        if ".git" in relative.parts or relative.parent in dropped or _is_ignored(relative, is_folder, rules):
            dropped.add(relative)
            continue
        if is_folder:
            read_rules(relative, path)
        yield relative, path


def _is_ignored(relative: PurePosixPath, is_folder: bool, rules: dict[PurePosixPath, pathspec.GitIgnoreSpec]) -> bool:
    """As git decides: the rules nearest to the file that say anything about it."""
    for parent in relative.parents:
        spec = rules.get(parent)
        if spec is None:
            continue
        said = spec.check_file(f"{relative.relative_to(parent)}{'/' if is_folder else ''}").include
        if said is not None:
            return said
    return False
