"""Time to live of what is made for a while: how it is asked for, written onto objects, and read from them.

Called by `database:render`, `environment:clone` and `environment:expire`. The annotation holds the time for people and programs
(RFC 3339, UTC, seconds), the label the same in the basic form of ISO 8601, which a label may hold, for selecting.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from understage.sdk import ActionContext, InputError

EXPIRES_AT = "understage.io/expires-at"
OWNER = "understage.io/owner"
_TTL = re.compile(r"([1-9][0-9]{0,3})([hdw])")
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(Z|\+00:00)")
_ENTITY_REF = re.compile(r"(user|group):[a-z0-9-]{1,63}/[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")


def parse_ttl(text: str, *, longest: timedelta) -> timedelta:
    """`8h`, `3d`, `2w` as a length of time. InputError for anything else, and for more than `longest`."""
    match = _TTL.fullmatch(text)
    if match is None:
        raise InputError(
            f"ttl {text[:20]!r} is not a time to live: write whole hours, days or weeks, as in 8h, 3d or 2w"
        )
    length = int(match[1]) * _UNITS[match[2]]
    if length > longest:
        raise InputError(
            f"ttl {text} is longer than the {longest.days} days that are allowed: ask for less, and renew it later"
        )
    return length


async def expiry_after(ctx: ActionContext, length: timedelta) -> datetime:
    """When it ends; the same however often this step runs again."""

    async def count() -> str:
        return write_time(datetime.now(UTC) + length)

    return read_time(await ctx.checkpoint("expires-at", count))


def write_time(time: datetime) -> str:
    """As the annotation holds it."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_time(text: str) -> datetime:
    """The inverse of `write_time`. InputError for any other form."""
    if not _TIME.fullmatch(text):
        raise InputError(f"{text[:40]!r} is not a time in UTC as 2030-01-31T08:00:00Z")
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"{text!r} is not a time: {error}") from error


def expiry_labels(expires_at: datetime | None) -> dict[str, str]:
    """The label; none for what stays."""
    return {} if expires_at is None else {EXPIRES_AT: expires_at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")}


def expiry_annotations(expires_at: datetime | None, owner: str) -> dict[str, str]:
    """Whose it is, and until when."""
    ends = {} if expires_at is None else {EXPIRES_AT: write_time(expires_at)}
    return {**ends, OWNER: owner}


def expiry_of(manifest: Mapping[str, Any]) -> datetime | None:
    """When an object ends; None for one that stays. InputError for a time that cannot be read."""
    metadata = manifest.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    text = annotations.get(EXPIRES_AT) if isinstance(annotations, dict) else None
    return None if text is None else read_time(str(text))


def check_owner_ref(ref: str) -> str:
    """The ref, if it is one of a user or a group."""
    if not _ENTITY_REF.fullmatch(ref):
        raise InputError(f"owner {ref[:80]!r} is no entity ref of a user or a group, such as user:default/ada")
    return ref
