"""Where a fetch action's `url` leads: to a forge or web server, or, relative to a template read from a file, to the disk."""

import asyncio
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from understage.sdk import ActionContext, InputError, NotAllowedError, NotFoundError, Workspace
from understage_actions._tree import Tree, refuse_links_outside


async def fetch_tree(ctx: ActionContext, url: str, *, token: str | None = None) -> Tree:
    """The folder behind `url`: unpacked into a temporary one, or the one beside the template as it is.

    Raises InputError for a relative URL without a template location, NotAllowedError for one that leads away from it, and for
    links in the folder that lead out of it.
    """
    tree = _local(ctx, url)
    if tree is None:
        tree = Tree(Workspace(ctx.temporary_directory()))
        await ctx.ports.reader.read_tree(_resolve(ctx, url, token), tree.path, token=token)
    elif not tree.path.is_dir():
        raise NotFoundError(f"{url} is no folder beside the template")
    await asyncio.to_thread(refuse_links_outside, tree)
    return tree


async def fetch_file(ctx: ActionContext, url: str, *, token: str | None = None) -> bytes:
    """The bytes of the file behind `url`. Errors as `fetch_tree`."""
    tree = _local(ctx, url)
    if tree is None:
        return (await ctx.ports.reader.read_url(_resolve(ctx, url, token), token=token)).content
    if not tree.path.is_file():
        raise NotFoundError(f"{url} is no file beside the template")
    return await asyncio.to_thread(tree.root.read_bytes, tree.below)


def _local(ctx: ActionContext, url: str) -> Tree | None:
    """What a URL relative to a template that was read from a file leads to; None for everything else."""
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
    readable = Workspace(root)
    return Tree(readable, PurePosixPath(readable.resolve(folder / unquote(url)).relative_to(readable.root)))


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
