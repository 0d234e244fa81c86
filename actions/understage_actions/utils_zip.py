"""`utils:zip` and `utils:unzip`: archives of the workspace."""

import asyncio
import os
import stat
import zipfile
from pathlib import Path, PurePosixPath

from pydantic import Field

from understage.sdk import (
    ActionContext,
    ActionModel,
    Example,
    InputError,
    NotAllowedError,
    NotFoundError,
    Workspace,
    action,
)
from understage_actions._tree import Tree, frozen, open_new, refuse_links_outside, walk

MAX_FILES = 10_000
MAX_BYTES = 256 * 1024 * 1024
CHUNK = 1024 * 1024
EPOCH = (1980, 1, 1, 0, 0, 0)


class ZipInput(ActionModel):
    """What to pack, where to."""

    path: str = Field(description="Relative path of the file or folder that is packed")
    output_path: str = Field(description="Relative path of the zip file that is written")


class ZipOutput(ActionModel):
    """What was written."""

    output_path: str = Field(description="The zip file, relative to the workspace")


class UnzipInput(ActionModel):
    """What to unpack, where to."""

    path: str = Field(description="Relative path of the zip file")
    target_path: str = Field(default=".", description="Relative path of the folder that it is unpacked into")


class UnzipOutput(ActionModel):
    """What was unpacked."""

    files: list[str] = Field(description="The files, relative to the workspace")


@action(
    "utils:zip",
    description="Packs a file or a folder of the workspace into a zip file. The same files give the same bytes.",
    examples=[Example("Pack a folder", {"path": "service", "outputPath": "dist/service.zip"})],
    supports_dry_run=True,
)
async def zip(ctx: ActionContext, input: ZipInput) -> ZipOutput:
    """Pack. NotAllowedError for links that lead out of the folder."""
    if not ctx.workspace.resolve(input.path).exists():
        raise NotFoundError(f"File {input.path} does not exist: no such file to zip")
    source = await frozen(ctx, input.path)
    count = await asyncio.to_thread(_pack, ctx.workspace, source, input)
    ctx.log.info(f"Packed {count} files of {input.path} into {input.output_path}")
    return ZipOutput(output_path=input.output_path)


@action(
    "utils:unzip",
    description="Unpacks a zip file of the workspace. Refuses names that lead elsewhere, links, and archives that swell.",
    examples=[Example("Unpack an archive", {"path": "archive.zip", "targetPath": "vendor"})],
    supports_dry_run=True,
)
async def unzip(ctx: ActionContext, input: UnzipInput) -> UnzipOutput:
    """Check every name and size first, then unpack."""
    source = ctx.workspace.resolve(input.path)
    if not source.is_file():
        raise NotFoundError(f"The file {input.path} does not exist in the workspace")
    files = await asyncio.to_thread(_unpack, ctx.workspace, input.path, input.target_path)
    ctx.log.info(f"Unpacked {len(files)} files of {input.path} into {input.target_path}")
    return UnzipOutput(files=files)


def _pack(workspace: Workspace, source: Path, input: ZipInput) -> int:
    if source.is_dir():
        refuse_links_outside(Tree(Workspace(source)))
        # An archive of an earlier run is no part of the next one.
        old = workspace.resolve(input.output_path)
        place = workspace.resolve(input.path)
        found = [(str(each), path) for each, path in walk(source) if path.is_file() and place / each != old]
    else:
        found = [(source.name, source)]
    with (
        open_new(workspace, input.output_path) as target,
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name, path in found:
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (stat.S_IFREG | (0o755 if path.stat().st_mode & 0o100 else 0o644)) << 16
            with path.open("rb") as content, archive.open(entry, "w", force_zip64=True) as packed:
                while chunk := content.read(CHUNK):
                    packed.write(chunk)
    return len(found)


def _unpack(workspace: Workspace, shown: str, target: str) -> list[str]:
    try:
        with workspace.open(shown) as source, zipfile.ZipFile(source) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            _check(entries, shown)
            left = MAX_BYTES
            files: list[str] = []
            for entry in entries:
                name = str(PurePosixPath(target) / entry.filename)
                if workspace.resolve(name).is_dir():
                    raise InputError(f"{name} is a folder: a file of that name cannot be written")
                with archive.open(entry) as packed, open_new(workspace, name) as file:
                    while chunk := packed.read(CHUNK):
                        left -= len(chunk)
                        if left < 0:
                            raise InputError(f"{shown} unpacks to more than {MAX_BYTES} bytes")
                        file.write(chunk)
                    if entry.external_attr >> 16 & 0o100:
                        os.fchmod(file.fileno(), 0o755)
                files.append(name)
            return files
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, OSError) as error:
        raise InputError(f"{shown} cannot be unpacked: {error}") from error


def _check(entries: list[zipfile.ZipInfo], shown: str) -> None:
    if len(entries) > MAX_FILES:
        raise InputError(f"{shown} holds more than {MAX_FILES} files")
    if sum(entry.file_size for entry in entries) > MAX_BYTES:
        raise InputError(f"{shown} unpacks to more than {MAX_BYTES} bytes")
    seen: set[str] = set()
    for entry in entries:
        pure = PurePosixPath(entry.filename)
        if pure.is_absolute() or {"..", ".git"} & set(pure.parts) or "\\" in entry.filename or ":" in entry.filename:
            raise NotAllowedError(f"{shown} holds {entry.filename[:200]!r}, which does not belong into a workspace")
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            raise NotAllowedError(f"{shown} holds {entry.filename[:200]!r}, which is no plain file")
        if entry.filename.casefold() in seen:
            raise InputError(f"{shown} holds {entry.filename[:200]!r} more than once")
        seen.add(entry.filename.casefold())


ZIP = zip.with_aliases("roadiehq:utils:zip")
