"""Where a fetch action's `url` leads: to a forge or web server, or, relative to a template read from a file, to the disk."""

import asyncio
import shutil
from pathlib import Path
from urllib.parse import unquote, urlsplit

from understage.sdk import ActionContext, InputError, NotAllowedError, NotFoundError, Workspace
from understage_actions._tree import refuse_links_outside


async def fetch_tree(ctx: ActionContext, url: str, destination: Path, *, token: str | None = None) -> None:
    """Write the folder behind `url` into the empty `destination`.

    Raises InputError for a relative URL without a template location, NotAllowedError for one that leads away from it.
    """
    local = _local_path(ctx, url)
    if local is None:
        await ctx.ports.reader.read_tree(_resolve(ctx, url, token), destination, token=token)
        await asyncio.to_thread(refuse_links_outside, destination)
        return
    await asyncio.to_thread(_copy_folder, local, destination, url)


async def fetch_file(ctx: ActionContext, url: str, *, token: str | None = None) -> bytes:
    """The bytes of the file behind `url`. Errors as `fetch_tree`."""
    local = _local_path(ctx, url)
    if local is None:
        return (await ctx.ports.reader.read_url(_resolve(ctx, url, token), token=token)).content
    return await asyncio.to_thread(_read_file, local, url)


def _local_path(ctx: ActionContext, url: str) -> Path | None:
    """The path of a URL relative to a template that was read from a file; None for everything else."""
    if urlsplit(url).scheme:
        if urlsplit(url).scheme not in ("http", "https"):
            raise NotAllowedError(f"Reading from '{url}' is not allowed: use an http or https URL, or a relative one")
        return None
    base = ctx.template.base_url if ctx.template else None
    if base is None:
        raise InputError(
            f"Failed to fetch, template location could not be determined and the fetch URL is relative, {url}"
        )
    if not base.startswith("file://"):
        return None
    folder = Path(unquote(urlsplit(base).path)).resolve().parent
    roots = [Path(root).resolve() for root in ctx.defaults.get("templateRoots", ())]
    root = next((root for root in roots if folder.is_relative_to(root)), folder)
    return Workspace(root).resolve(folder / unquote(url))


def _resolve(ctx: ActionContext, url: str, token: str | None) -> str:
    """The absolute URL. Raises InputError where a user must bring a token of their own and brought none."""
    base = ctx.template.base_url if ctx.template else None
    absolute = ctx.ports.reader.resolve_url(url, base) if base and not urlsplit(url).scheme else url
    host = urlsplit(absolute).netloc.lower()
    if token is None and host in ctx.defaults.get("userCredentialsHosts", ()):
        raise InputError(
            f"No user credentials provided for host {host}, but scaffolder.requireScmUserCredentials is enabled: "
            "let the template ask for them (requestUserCredentials) and pass them as `token`"
        )
    return absolute


def _copy_folder(source: Path, destination: Path, url: str) -> None:
    if not source.is_dir():
        raise NotFoundError(f"{url} is no folder beside the template")
    refuse_links_outside(source)
    shutil.copytree(source, destination, symlinks=True, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".git"))


def _read_file(path: Path, url: str) -> bytes:
    if not path.is_file():
        raise NotFoundError(f"{url} is no file beside the template")
    return path.read_bytes()
