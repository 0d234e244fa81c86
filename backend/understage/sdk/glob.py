"""Globs over slash-separated relative paths, as the stock backend's actions and url readers know them (minimatch).

`*` and `?` stay within a segment, `**` as a segment spans any number of them, `[a-z]`, `[!a]` and `{a,b}` work, and a leading dot
must be written out unless `dot` is set.
"""

import re
from functools import lru_cache

from understage.errors import InputError

_MAGIC = re.compile(r"[*?\[{]")
_MAX_ALTERNATIVES = 256


def is_glob(text: str) -> bool:
    """Whether `text` holds anything but plain characters."""
    return _MAGIC.search(text) is not None


def glob_root(pattern: str) -> str:
    """The leading folders without magic, e.g. `a/b` of `a/b/*.yaml`; empty when there are none."""
    plain: list[str] = []
    for segment in pattern.split("/")[:-1]:
        if is_glob(segment):
            break
        plain.append(segment)
    return "/".join(plain)


@lru_cache(maxsize=512)
def compile_glob(pattern: str, *, dot: bool = False) -> re.Pattern[str]:
    """A regular expression to `fullmatch` paths with. Raises InputError for a pattern with too many alternatives."""
    alternatives = _expand(pattern.strip("/").removeprefix("./"))
    return re.compile("|".join(f"(?:{_translate(alternative, dot)})" for alternative in alternatives))


def _expand(pattern: str) -> list[str]:
    """`{a,b}` written out."""
    done: list[str] = []
    waiting = [pattern]
    while waiting:
        current = waiting.pop(0)
        match = re.search(r"\{([^{}]*,[^{}]*)\}", current)
        if match is None:
            done.append(current)
        else:
            waiting += [current[: match.start()] + part + current[match.end() :] for part in match[1].split(",")]
        if len(done) + len(waiting) > _MAX_ALTERNATIVES:
            raise InputError(f"the glob {pattern[:100]} has too many alternatives")
    return done


def _translate(pattern: str, dot: bool) -> str:
    """Atomic groups keep it linear: for each star the first place where the rest up to the next star fits is the right one."""
    folder = "[^/]+/" if dot else r"(?!\.)[^/]+/"
    groups: list[list[str]] = [[]]
    for segment in pattern.split("/"):
        if segment == "**":
            groups.append([])
        else:
            groups[-1].append(_segment(segment, dot))
    first, *middle = ["".join(f"{segment}/" for segment in group) for group in groups]
    if not middle:
        return first.removesuffix("/")
    last = middle.pop().removesuffix("/") or folder.removesuffix("/")
    return first + "".join(f"(?>(?:{folder})*?{group})" for group in middle) + f"(?:{folder})*{last}"


def _segment(segment: str, dot: bool) -> str:
    guard = r"(?!\.)" if not dot and segment[:1] in ("*", "?", "[") else ""
    first, *rest = (_characters(chunk) for chunk in re.split(r"\*+", segment))
    if not rest:
        return guard + first
    return guard + first + "".join(f"(?>[^/]*?{chunk})" for chunk in rest[:-1]) + f"[^/]*{rest[-1]}"


def _characters(chunk: str) -> str:
    text = ""
    index = 0
    while index < len(chunk):
        character = chunk[index]
        end = chunk.find("]", index + 2) if character == "[" else -1
        if character == "?":
            text += "[^/]"
        elif end > 0:
            inside = chunk[index + 1 : end].replace("\\", r"\\").replace("[", r"\[")
            text += f"[{'^/' + inside[1:] if inside[0] in '!^' else inside}]"
            index = end
        else:
            text += re.escape(character)
        index += 1
    return text
