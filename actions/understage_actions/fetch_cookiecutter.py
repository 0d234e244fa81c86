"""`fetch:cookiecutter`: a folder into the workspace, names and contents rendered by the cookiecutter library.

As in Backstage's scaffolder-backend-module-cookiecutter 0.3: the fetched folder is the project itself, its `cookiecutter.json`
(if any) holds defaults, and hooks are not run. The library works in a process of its own (`_cookiecutter_process`).
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from pydantic import Field

from understage.sdk import (
    ActionContext,
    ActionModel,
    Example,
    InputError,
    NotAllowedError,
    SourceError,
    Workspace,
    action,
)
from understage_actions._cookiecutter_process import Order
from understage_actions._fetch import fetch_tree
from understage_actions._tree import Tree, copy_tree

TIME_LIMIT = 120.0
_PROGRAM = Path(__file__).with_name("_cookiecutter_process.py")


class FetchCookiecutterInput(ActionModel):
    """What to fetch, and the variables of the template."""

    url: str = Field(description="Relative path or absolute URL pointing to the directory tree to fetch")
    target_path: str | None = Field(
        default=None,
        description="Target path within the working directory to download the contents to. Defaults to the working directory "
        "root.",
    )
    values: dict[str, Any] = Field(
        description="Values to pass on to cookiecutter for templating. They stand above those of cookiecutter.json, and are "
        "rendered as those are; of a list, the first member is taken."
    )
    copy_without_render: list[str] | None = Field(
        default=None,
        description="An array of glob patterns. Matched files and directories are copied without being rendered, but their "
        "paths are. Stands in place of _copy_without_render of cookiecutter.json.",
    )
    extensions: list[str] | None = Field(
        default=None,
        description="Jinja2 extensions the template needs; those of cookiecutter itself are always there. Allowed beside them: "
        "jinja2.ext.do and jinja2.ext.loopcontrols.",
    )
    image_name: str | None = Field(default=None, description="Ignored: cookiecutter runs without a container")


@action(
    "fetch:cookiecutter",
    description="Downloads a template from the given URL into the workspace, and runs cookiecutter on it. Hooks are not run.",
    examples=[
        Example(
            "Render the cookiecutter template beside the template",
            {"url": "./skeleton", "targetPath": "service", "values": {"name": "web", "owner": "group:default/team-a"}},
        ),
        Example(
            "Copy Helm templates as they are, and use `{% do %}` in the others",
            {
                "url": "./skeleton",
                "values": {"name": "web"},
                "copyWithoutRender": ["charts/*/templates/*"],
                "extensions": ["jinja2.ext.do"],
            },
        ),
    ],
    supports_dry_run=True,
)
async def fetch_cookiecutter(ctx: ActionContext, input: FetchCookiecutterInput) -> None:
    """Fetch a folder and have cookiecutter render it into the workspace."""
    ctx.log.info("Fetching and then templating using cookiecutter")
    if input.image_name:
        ctx.log.warn("imageName is ignored: cookiecutter runs without a container")
    target = input.target_path or "."
    ctx.workspace.resolve(target)
    work = ctx.temporary_directory()
    contents, output = work / "contents", work / "output"
    for folder in (contents, output):
        folder.mkdir()
    await asyncio.to_thread(copy_tree, await fetch_tree(ctx, input.url), Workspace(contents))
    if (contents / "hooks").is_dir():
        ctx.log.warn("The hooks of the template are not run")
    order = Order(
        url=input.url,
        contents=str(contents),
        output=str(output),
        values=input.values,
        copy_without_render=input.copy_without_render,
        extensions=input.extensions,
    )
    _raise_refusal(await _run(order, work), input.url)
    written = await asyncio.to_thread(copy_tree, Tree(Workspace(output / contents.name)), ctx.workspace, target)
    ctx.log.info(f"cookiecutter has written {len(written)} files to {ctx.workspace.resolve(target)}")


async def _run(order: Order, home: Path) -> dict[str, Any]:
    """The answer of the process. It sees nothing of the service's environment, and takes the step's folder for its home."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-B", "-X", "utf8", str(_PROGRAM),
        cwd=home, env={"HOME": str(home)}, start_new_session=True,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(TIME_LIMIT):
            answer, _ = await process.communicate(json.dumps(order).encode())
    except TimeoutError:
        raise InputError(
            f"cookiecutter did not finish {order['url']} within {TIME_LIMIT:g} seconds: look for an endless loop in the template"
        ) from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise InputError(
            f"cookiecutter broke off on {order['url']} (exit code {process.returncode}): the template is too large, or needs "
            "too much memory"
        )
    result: dict[str, Any] = json.loads(answer)
    return result


def _raise_refusal(answer: dict[str, Any], url: str) -> None:
    if not answer:
        return
    kind, message, file, line = answer["kind"], answer["message"], answer["file"], answer["line"]
    if kind == "source" and file:
        raise SourceError(message, file=file, line=line)
    place = ":".join(str(part) for part in (file, line) if part is not None)
    text = f"{place}: {message}" if place else message
    if kind == "forbidden":
        raise NotAllowedError(f"The cookiecutter template {url} asks for what is not allowed: {text}")
    if kind == "limit":
        raise InputError(f"The cookiecutter template {url} needs too much: {text}")
    raise InputError(f"cookiecutter cannot render {url}: {text}")
