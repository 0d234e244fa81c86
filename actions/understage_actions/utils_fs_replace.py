"""`utils:fs:replace`: texts within files of the workspace."""

import asyncio
import re
from typing import Any

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, Example, InputError, Workspace, action, compile_glob
from understage_actions._serialized import read_limited
from understage_actions._tree import walk, write_file

PATTERN_SECONDS = 2.0
MAX_PATTERN = 4096
# `$$`, `$&`, `$1`, `$<name>`: what stands in a replacement of JavaScript.
_REFERENCE = re.compile(r"\$(?:(\$)|(&)|([0-9]{1,2})|<([^>]+)>)")


class Replacement(ActionModel):
    """One replacement."""

    file: str = Field(min_length=1, description="A file or glob of the workspace")
    find: str = Field(min_length=1, description="The text, or the regular expression, that is replaced")
    match_regex: bool = Field(default=False, description="`find` is a regular expression")
    replace_with: str = Field(
        min_length=1, description="What takes its place; $1 and $& stand for what a regular expression found"
    )
    include_dot_files: bool = Field(default=False, description="Globs match names that begin with a dot, too")


class ReplaceInput(ActionModel):
    """What to replace."""

    files: list[Replacement] = Field(min_length=1, description="Replacements, made in this order")


@action(
    "utils:fs:replace",
    description="Replaces every occurrence of a text, or of a regular expression, in files of the workspace.",
    examples=[
        Example("Replace a text", {"files": [{"file": "docs/*.md", "find": "a", "replaceWith": "b"}]}),
        Example(
            "Replace by a regular expression",
            {"files": [{"file": "**/*.yaml", "find": "version: (.*)", "matchRegex": True, "replaceWith": "tag: $1"}]},
        ),
    ],
    supports_dry_run=True,
)
async def replace(ctx: ActionContext, input: ReplaceInput) -> None:
    """Replace. InputError for an expression that cannot be read, or that takes too long."""
    for each in input.files:
        ctx.workspace.resolve(each.file)  # a pattern that climbs is refused as a path
        for name, count in await asyncio.to_thread(_replace_in_files, ctx.workspace, each):
            ctx.log.info(f"Replaced {count} in {name}")


def _replace_in_files(workspace: Workspace, each: Replacement) -> list[tuple[str, int]]:
    wanted = compile_glob(each.file, dot=each.include_dot_files)
    pattern = _compile(each)
    done: list[tuple[str, int]] = []
    for relative, path in walk(workspace.path.resolve()):
        if ".git" in relative.parts or path.is_symlink() or not path.is_file() or not wanted.fullmatch(str(relative)):
            continue
        before = read_limited(workspace, relative)
        try:
            after, count = _replace(before.decode(), pattern, each)
        except UnicodeDecodeError:
            continue  # no text
        except TimeoutError:
            raise InputError(
                f"find: the regular expression took longer than {PATTERN_SECONDS:g} seconds in {relative}: make it simpler"
            ) from None
        if count:
            write_file(workspace, relative, after)
            done.append((str(relative), count))
    return done


def _compile(each: Replacement) -> Any:
    import regex

    if len(each.find) > MAX_PATTERN:
        raise InputError(f"find: longer than the {MAX_PATTERN} characters of an expression")
    try:
        return regex.compile(each.find if each.match_regex else regex.escape(each.find))
    except (regex.error, RecursionError) as error:
        raise InputError(f"find: {each.find[:100]!r} is no regular expression: {error}") from error


def _replace(text: str, pattern: Any, each: Replacement) -> tuple[str, int]:
    def substitute(match: Any) -> str:
        return _REFERENCE.sub(lambda reference: _value(match, reference), each.replace_with)

    after, count = pattern.subn(substitute, text, timeout=PATTERN_SECONDS)
    return after, count


def _value(match: Any, reference: re.Match[str]) -> str:
    dollar, whole, number, name = reference.groups()
    if dollar:
        return "$"
    if whole:
        return str(match.group())
    try:
        return str(match.group(int(number) if number else name) or "")
    except IndexError:
        return reference.group()  # JavaScript leaves alone what names no group


REPLACE = replace.with_aliases("roadiehq:utils:fs:replace")
