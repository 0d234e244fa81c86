"""How long a forge wants to be left alone, as its answers say. Asked by whoever sends to forges."""

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from understage.sdk.ports import HttpResponse

UNKNOWN_WAIT_SECONDS = 60.0


def pause_of(answer: HttpResponse, attempt: int) -> float | None:
    """For how many seconds the forge wants to be left alone; None when it does not ask for that."""
    headers = answer.headers
    if answer.status in (502, 503, 504):
        return retry_after(headers) or 2.0 ** (attempt - 1)
    is_spent = headers.get("x-ratelimit-remaining", headers.get("ratelimit-remaining")) == "0"
    if answer.status != 429 and not (answer.status == 403 and (is_spent or "retry-after" in headers)):
        return None
    named = retry_after(headers)
    if named is not None:
        return named
    reset = headers.get("x-ratelimit-reset", headers.get("ratelimit-reset", ""))
    return max(1.0, int(reset) - time.time() + 1) if reset.isdecimal() else UNKNOWN_WAIT_SECONDS


def retry_after(headers: Mapping[str, str]) -> float | None:
    """For how many seconds the header of that name asks; None without one that can be read."""
    text = headers.get("retry-after", "").strip()
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time()) if text else None
    except ValueError:
        return None
