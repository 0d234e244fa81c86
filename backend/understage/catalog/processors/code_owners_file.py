"""CODEOWNERS files: who owns a path, by the last line that matches it. Read by `code_owners`.

Patterns as GitHub documents them, sections with default owners as GitLab does.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

MOST_LINES = 10_000
DEEPEST_PATH = 100
LONGEST_PATTERN = 1000
_SECTION = re.compile(r"\^?\[[^\]]*\](?:\[\d+\])?")
_WORD = re.compile(r"(?:\\.|[^\s\\])+")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


@dataclass(frozen=True)
class Ownership:
    """One line: a pattern of paths, and its owners as they stand there."""

    pattern: str
    owners: tuple[str, ...]


def parse_code_owners(text: str) -> list[Ownership]:
    """The lines of a file, at most 10 000; what is none is left out."""
    found: list[Ownership] = []
    defaults: tuple[str, ...] = ()
    for line in text.splitlines()[:MOST_LINES]:
        line = line.strip()
        section = _SECTION.match(line)
        if section is not None:
            defaults = _owners(line[section.end() :])
            continue
        word = _WORD.match(line)
        if word is None or line.startswith("#"):
            continue
        pattern = re.sub(r"\\(.)", r"\1", word[0])
        if len(pattern) <= LONGEST_PATTERN:
            found.append(Ownership(pattern, _owners(line[word.end() :]) or defaults))
    return found


def find_owner(lines: list[Ownership], path: str) -> str | None:
    """The first owner of the last line whose pattern matches, as a catalog reference; None when nobody is.

    A path of more than 100 folders has no owner: each line would be compared with each of them.
    """
    if path.count("/") > DEEPEST_PATH:
        return None
    for line in reversed(lines):
        if matches(line.pattern, path):
            return next((owner for owner in map(normalize_owner, line.owners) if owner), None)
    return None


def normalize_owner(owner: str) -> str | None:
    """`@org/team` is the group `team`, `@name` the user `name`, of an address counts what stands before the @.

    None for a role (`@@developer`), which names nobody.
    """
    if owner.startswith("@@"):
        return None
    if owner.startswith("@"):
        return owner.rpartition("/")[2] if "/" in owner else f"User:{owner[1:]}"
    return owner.partition("@")[0] if _EMAIL.fullmatch(owner) else owner


def _owners(text: str) -> tuple[str, ...]:
    return tuple(text.partition(" #")[0].split())


def matches(pattern: str, path: str) -> bool:
    """Whether a pattern is about a path: `docs/*` are the files of the folder, `docs` and `docs/` all that is below it.

    The time grows with segments of the pattern times segments of the path, whatever they hold.
    """
    names = [name for name in path.split("/") if name]
    tokens = [token for token in pattern.split("/") if token]
    if not tokens:
        return pattern == "/"
    if "/" not in pattern.rstrip("/"):
        tokens.insert(0, "**")
    is_below = pattern.endswith("/") or tokens[-1] == "**"
    if tokens[-1] == "**":
        tokens.pop()
    is_flat = len(tokens) > 1 and tokens[-1] == "*" and "/" in pattern
    ends = {0}
    for token in tokens:
        if token == "**":
            ends = set(range(min(ends), len(names) + 1))
        else:
            fits = _segment(token).fullmatch if "*" in token or "?" in token else token.__eq__
            ends = {end + 1 for end in ends if end < len(names) and fits(names[end])}
        if not ends:
            return False
    if is_below:
        return min(ends) < len(names)
    return len(names) in ends if is_flat else True


@lru_cache(maxsize=4096)
def _segment(text: str) -> re.Pattern[str]:
    """Atomic groups keep it linear: between stars, the first place that fits is the right one."""
    head, *rest = [re.escape(part).replace(r"\?", ".") for part in re.split(r"\*+", text)]
    if not rest:
        return re.compile(head, re.DOTALL)
    *middle, tail = rest
    return re.compile(head + "".join(f"(?>.*?{part})" for part in middle) + ".*" + tail, re.DOTALL)
