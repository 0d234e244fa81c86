"""What must be the same in two answers: the answer with everything taken out that is each backend's own.

uids, ids, etags, times, addresses and stack traces are replaced by their names or left out; cursors are decoded first, so that
what a client may find in one is compared too.
"""

import base64
import binascii
import difflib
import json
import re
from collections.abc import Set
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import httpx

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)?")
STACK = re.compile(r"(\n    at [^\n]*)+$")
LOG_ID = re.compile(r"logId=[0-9a-f]+")
CURSORS = frozenset({"nextCursor", "prevCursor", "nextPageCursor"})
LISTS = frozenset({"items", "errors"})
HEADERS = ("content-type", "link")
# The difference `status-notes`: what only ours tells in the status of entities.
NOTES = frozenset({"LastGoodState", "NameConflict", "NotAdmitted"})


@dataclass(frozen=True)
class Answer:
    """What a client gets to see of a response, normalised."""

    status: int
    headers: dict[str, str]
    body: Any

    def lines(self) -> list[str]:
        """Text to show and to compare by line."""
        headers = [f"{name}: {value}" for name, value in self.headers.items()]
        body = (
            self.body
            if isinstance(self.body, str)
            else json.dumps(self.body, indent=1, sort_keys=True, ensure_ascii=False)
        )
        return [f"HTTP {self.status}", *headers, "", *body.splitlines()]

    def difference(self, other: "Answer", names: tuple[str, str]) -> str:
        """A unified diff, empty when equal."""
        if self == other:
            return ""
        return "\n".join(difflib.unified_diff(self.lines(), other.lines(), *names, n=3, lineterm=""))


def normalise(
    response: httpx.Response, base: str, *, any_order: bool = False, shared: Set[str] = frozenset()
) -> Answer:
    """The comparable part of a response of the backend at `base`.

    `any_order`: the outermost list of the body (or its `items` or `errors`) has no order that clients may rely on.
    `shared`: uids that both backends have for the same entity; they stay.
    """
    try:
        body = json.loads(response.text, parse_int=_number)
    except ValueError:
        body = response.text
    body = _normalise(body, base, shared)
    if any_order:
        body = _sorted(body)
    headers = {
        name: _cursor_in_link(_text(response.headers[name], base, shared))
        for name in HEADERS
        if name in response.headers
    }
    return Answer(response.status_code, headers, body)


def without_notes(entity: dict[str, Any]) -> dict[str, Any]:
    """The entity (or a part of one) with the status that the stock backend would give it."""
    status = entity.get("status")
    if not isinstance(status, dict) or not isinstance(status.get("items"), list):
        return entity
    items = [item for item in status["items"] if (item.get("error") or {}).get("name") not in NOTES]
    if items:
        return {**entity, "status": {**status, "items": items}}
    return {name: value for name, value in entity.items() if name != "status"}


def _normalise(value: Any, base: str, shared: Set[str], key: str = "") -> Any:
    if isinstance(value, dict):
        value = without_notes(value)
        return {name: _normalise(item, base, shared, name) for name, item in value.items()}
    if isinstance(value, list):
        return [_normalise(item, base, shared, key) for item in value]
    if not isinstance(value, str):
        return value
    if key == "etag":
        return "<etag>"
    if key in CURSORS:
        return _normalise(decode_cursor(value), base, shared)
    return _text(value, base, shared)


def _text(value: str, base: str, shared: Set[str]) -> str:
    value = UUID.sub(lambda found: found[0] if found[0] in shared else "<uuid>", value.replace(base, "<base>"))
    return LOG_ID.sub("logId=<id>", TIME.sub("<time>", STACK.sub("", value)))


def _cursor_in_link(value: str) -> str:
    return re.sub(r"after=([^&>]+)", lambda found: f"after={decode_cursor(unquote(found[1]))}", value)


def decode_cursor(cursor: str) -> Any:
    """The inside of a cursor, or the cursor when it is not base64 of JSON."""
    try:
        return json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), validate=True), parse_int=_number)
    except (ValueError, binascii.Error):
        return cursor


def _number(digits: str) -> float:
    """The number that JavaScript reads: there 123456789012345680000 and 1.2345678901234568e+20 are one."""
    return int(digits) if abs(int(digits)) < 2**53 else float(digits)


def _sorted(body: Any) -> Any:
    if isinstance(body, dict):
        return {
            key: _sorted(value) if key in LISTS and isinstance(value, list) else value for key, value in body.items()
        }
    if isinstance(body, list):
        return sorted(body, key=lambda item: json.dumps(item, sort_keys=True))
    return body
