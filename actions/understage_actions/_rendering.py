"""Rendering a fetched folder into the workspace, file by file. Called by `fetch:template` and `fetch:template:file`.

The algorithm, its log lines and its skips are those of Backstage scaffolder-backend 4.2.0; but a link that leads out of the
template, or a name that leads out of the target folder, fails the step.
"""

import asyncio
import os
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from understage.sdk import ActionContext, InputError, NotAllowedError, SourceError, Workspace, compile_glob
from understage.sdk.workspace import open_file
from understage_actions._tree import Tree, copy_file, make_folder, write_file

_BINARY_PROBE = 8000
_TELL_SECONDS = 0.05
"""After that long the log is told what was written; to change threads for each file would cost more than the file."""


@dataclass(frozen=True)
class Renderer:
    """The template language with a step's values and options. `values` stand as `values`, or `cookiecutter`."""

    ctx: ActionContext
    values: Mapping[str, Any]
    cookiecutter_compat: bool = False
    trim_blocks: bool = False
    lstrip_blocks: bool = False

    def render(self, text: str, file: str) -> str:
        """Rendered text. Raises SourceError that names `file`, line and column."""
        try:
            return self.ctx.ports.templating.render_text(
                text,
                self.values,
                cookiecutter_compat=self.cookiecutter_compat,
                trim_blocks=self.trim_blocks,
                lstrip_blocks=self.lstrip_blocks,
            )
        except InputError as error:
            raise SourceError(
                getattr(error, "reason", error.message),
                file=file,
                line=getattr(error, "line", None),
                column=getattr(error, "column", None),
            ) from error


@dataclass(frozen=True)
class TreeRendering:
    """Renders the tree `source` into `target` (a path in the workspace).

    `extension` is the suffix, dot included, of the files whose contents are rendered; None means all but those that
    `plain` (globs, also of folders) match. Existing files stay unless `replace`.
    """

    renderer: Renderer
    source: Tree
    target: str
    extension: str | None = None
    plain: Sequence[str] = ()
    replace: bool = False

    async def run(self, entries: Sequence[tuple[PurePosixPath, bool]]) -> None:
        """Render each entry: `(path relative to the template, whether it is a folder)`.

        Files are worked on beside the event loop; the log is written on it, some entries at a time.
        """
        log = self.renderer.ctx.log
        output = self.renderer.ctx.workspace.resolve(self.target)
        make_folder(self.renderer.ctx.workspace, self.target)
        folder = Workspace(output)
        untouched = self._untouched([relative for relative, _ in entries])
        written = self._write_entries(folder, entries, untouched)
        is_over = False
        while not is_over:
            lines: list[str] = []
            try:
                is_over = await asyncio.to_thread(_write_some, written, lines)
            finally:
                for line in lines:
                    log.info(line)
        log.info(f"Template result written to {output}")

    def _untouched(self, names: Sequence[PurePosixPath]) -> set[PurePosixPath]:
        patterns = [compile_glob(pattern, dot=True) for pattern in self.plain]
        found: set[PurePosixPath] = set()
        for name in names:
            if name.parent in found or any(pattern.fullmatch(str(name)) for pattern in patterns):
                found.add(name)
        return found

    def _write_entries(
        self, folder: Workspace, entries: Sequence[tuple[PurePosixPath, bool]], untouched: set[PurePosixPath]
    ) -> Iterator[str]:
        for relative, is_folder in entries:
            line = self._write_entry(folder, relative, is_folder=is_folder, is_plain=relative in untouched)
            if line is not None:
                yield line

    def _write_entry(
        self, folder: Workspace, relative: PurePosixPath, *, is_folder: bool, is_plain: bool
    ) -> str | None:
        """Write one entry; returns what the log says of it, None for one that is left out."""
        name, renders = str(relative), not is_plain
        if self.extension is not None:
            renders = relative.suffix == self.extension
            name = name.removesuffix(self.extension) if renders and not is_folder else name
        rendered = self.renderer.render(name, f"the name of {relative}")
        # A name whose condition is false renders to nothing: the entry is left out, with all that is in it.
        if not rendered or rendered.startswith("/") or "//" in rendered or rendered.endswith("/"):
            return None
        if ".." in PurePosixPath(rendered).parts:
            raise NotAllowedError("Relative path is not allowed to refer to a directory outside its parent")
        existing = folder.path / rendered
        if is_folder:
            if existing.is_file():
                raise InputError(f"{relative} cannot be written: {rendered} is a file already")
            folder.resolve(rendered)
            make_folder(self.renderer.ctx.workspace, PurePosixPath(self.target) / rendered)
            return f"Writing directory {relative}/ to template output path."
        if not self.replace and (existing.is_symlink() or existing.exists()):
            return None
        if existing.is_dir() and not existing.is_symlink():
            raise InputError(f"{relative} cannot be written: {rendered} is a folder already")
        return self._write_file(relative, PurePosixPath(self.target) / rendered, renders=renders)

    def _write_file(self, relative: PurePosixPath, target: PurePosixPath, *, renders: bool) -> str:
        workspace = self.renderer.ctx.workspace
        if not renders:
            copy_file(self.source, relative, workspace, target)
            return f"Copying file/directory {relative} without processing."
        text, mode = self._read(relative)
        if text is None:
            copy_file(self.source, relative, workspace, target)
            return f"Copying file binary or symbolic link at {relative}, to template output path."
        content = self.renderer.render(text, str(relative))
        write_file(workspace, target, content, mode=stat.S_IMODE(mode))
        return f"Writing file {relative} to template output path with mode {mode}."

    def _read(self, relative: PurePosixPath) -> tuple[str | None, int]:
        """A file's text and mode; no text for a binary one or a link."""
        with self.source.parent(relative) as (folder, name):
            mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
            if stat.S_ISLNK(mode):
                return None, mode
            with open_file(folder, name, relative) as file:
                return as_text(file.read()), mode


def _write_some(written: Iterator[str], lines: list[str]) -> bool:
    """Write entries for a short time; `lines` gets what the log says of them. Returns whether there are no more."""
    until = time.monotonic() + _TELL_SECONDS
    for line in written:
        lines.append(line)
        if time.monotonic() > until:
            return False
    return True


def as_text(content: bytes) -> str | None:
    """`content` as UTF-8 text; None when it is binary."""
    if b"\0" in content[:_BINARY_PROBE]:
        return None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return None
