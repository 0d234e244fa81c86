"""Globs as minimatch reads them, without regard to case, dots included: how rules name locations."""

import re
from functools import lru_cache

_TOKEN = re.compile(r"(\*\*/)|(\*\*)|(\*)|(\?)|\[(!?\^?)([^\]]+)\]|\{([^{}]*)\}|(.)", re.DOTALL)


def glob_matches(pattern: str, text: str) -> bool:
    """Whether the whole text matches: `*` and `?` stay within a path segment, `**` does not, `{a,b}` is either."""
    return _compile(pattern).fullmatch(text) is not None


@lru_cache(maxsize=512)
def _compile(pattern: str) -> re.Pattern[str]:
    return re.compile(_translate(pattern), re.IGNORECASE | re.DOTALL)


def _translate(pattern: str) -> str:
    parts: list[str] = []
    for match in _TOKEN.finditer(pattern):
        folders, deep, star, one, negation, members, alternatives, literal = match.groups()
        if folders:
            parts.append("(?:.*/)?")
        elif deep:
            parts.append(".*")
        elif star:
            parts.append("[^/]*")
        elif one:
            parts.append("[^/]")
        elif members is not None:
            inside = members.replace("\\", "\\\\").replace("[", "\\[")
            parts.append(f"[{'^' if negation else ''}{inside}]")
        elif alternatives is not None:
            parts.append("(?:" + "|".join(_translate(part) for part in alternatives.split(",")) + ")")
        else:
            parts.append(re.escape(literal))
    return "".join(parts)
