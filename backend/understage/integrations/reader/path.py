"""Paths inside repositories, as URLs carry them: what is decoded must not climb."""

import re
from urllib.parse import unquote

from understage.errors import InputError


def check_file_path(encoded: str) -> str:
    """The decoded path of a URL, relative and clean. Raises InputError for one that climbs, however often it is encoded."""
    path = encoded
    for _ in range(8):
        if any(part in (".", "..") for part in re.split(r"[/\\]", path)) or "\0" in path:
            raise InputError("Invalid SCM URL: path traversal is not allowed in the URL")
        decoded = unquote(path)
        if decoded == path:
            break
        path = decoded
    else:
        raise InputError("Invalid SCM URL: the path is encoded too often")
    return unquote(encoded).strip("/")


def check_name(encoded: str) -> str:
    """One decoded segment (owner, repository). Raises InputError for one that is more than a name to the forge's API."""
    name = check_file_path(encoded)
    if not name or re.search(r"[/\\?#%\s]", name):
        raise InputError(f"Invalid SCM URL: {encoded!r} is no name of an owner or repository")
    return name
