"""Names as segments of a URL's path. Called wherever a name from outside becomes a part of a request."""

from urllib.parse import quote

from understage.errors import InputError


def path_segment(name: str, problem: str) -> str:
    """The name, quoted. InputError that it `problem` (`is no name of …`) for one that would be no segment, or another one."""
    if name in ("", ".", "..") or "\0" in name:
        raise InputError(f"{name!r} {problem}")
    return quote(name, safe="")
