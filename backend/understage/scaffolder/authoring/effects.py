"""What a template does to the world, one effect a line, with its details: the plan of a template. Made by `world`."""

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from understage.model.yaml import dump

LONGEST_FILE = 200_000
State = Mapping[tuple[str, ...], Any]


@dataclass(frozen=True)
class Effect:
    """`summary` is one line, such as `apply Namespace shop on cluster east`; `detail` a diff, a manifest or a body."""

    summary: str
    detail: str = ""


def effects_of(
    before: State,
    after: State,
    commits: Sequence[tuple[str, str, str]],
    requests: Sequence[tuple[str, str, bytes | None]],
    locations: Sequence[str],
) -> list[Effect]:
    """The effects that lead from one state to the other. `commits` are (remote URL, branch, message)."""
    found: list[Effect] = []
    for key, value in after.items():
        if key in before and before[key] == value:
            continue
        kind, where, name, last = key
        if kind == "repository":
            found += _of_repository(key, before.get(key), value, commits)
        elif kind == "pull request":
            found.append(Effect(f"open pull request {name}#{last} on {where}: {value}"))
        elif kind == "object":
            verb = "change" if key in before else "apply"
            found.append(Effect(f"{verb} {name} {last} on cluster {where}", dump(value)))
        elif kind == "chart":
            found.append(Effect(f"push chart {name}"))
        else:
            found.append(Effect(f"apply {name} {last} to Argo CD {where}", dump(value)))
    for key in before.keys() - after.keys():
        found.append(Effect(f"delete {key[0]} {key[2]} {key[3]} of {key[1]}"))
    for method, url, body in requests:
        found.append(Effect(f"{method} {url}", _body(body)))
    return [*found, *(Effect(f"register {target} in the catalog") for target in locations)]


def diff_files(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> str:
    """A unified diff of all files."""
    names = sorted(before.keys() | after.keys())
    return "".join(line for name in names for line in _diff_file(name, before.get(name), after.get(name)))


def _of_repository(
    key: tuple[str, ...], before: Any, after: Mapping[str, Mapping[str, bytes]], commits: Sequence[tuple[str, str, str]]
) -> Iterator[Effect]:
    _, host, name, url = key
    if before is None:
        yield Effect(f"create repository {name} on {host}")
    for branch, files in after.items():
        old = _beginning(before or {}, branch, files)
        if files == old:
            continue
        changed = sum(old.get(path) != content for path, content in files.items()) + len(old.keys() - files.keys())
        message = "; ".join(text for remote, on, text in commits if (remote, on) == (url, branch))
        noun = "file" if changed == 1 else "files"
        yield Effect(f"commit {changed} {noun} to {name} ({branch}) on {host}: {message}", diff_files(old, files))


def _beginning(
    before: Mapping[str, Mapping[str, bytes]], branch: str, files: Mapping[str, bytes]
) -> Mapping[str, bytes]:
    """What a branch began with: a new one with the files of the branch that it is most like."""
    if branch in before or not before:
        return before.get(branch, {})
    return max(before.values(), key=lambda known: sum(files.get(path) == text for path, text in known.items()))


def _diff_file(name: str, before: bytes | None, after: bytes | None) -> Iterator[str]:
    if before == after:
        return
    texts = [_text(content) for content in (before, after)]
    old, new = f"a/{name}" if before is not None else "/dev/null", f"b/{name}" if after is not None else "/dev/null"
    if None in texts:
        yield f"--- {old}\n+++ {new}\n(no text: {len(after or b'')} bytes)\n"
        return
    first, second = ((text or "").splitlines(keepends=True) for text in texts)
    if not first and not second:
        yield f"--- {old}\n+++ {new}\n(empty)\n"
    for line in difflib.unified_diff(first, second, fromfile=old, tofile=new):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def _text(content: bytes | None) -> str | None:
    if content is None:
        return ""
    try:
        return content.decode() if len(content) <= LONGEST_FILE and b"\0" not in content else None
    except UnicodeDecodeError:
        return None


def _body(content: bytes | None) -> str:
    if not content:
        return ""
    text = content.decode("utf-8", "replace")
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False) + "\n"
    except ValueError:
        return text + "\n"
