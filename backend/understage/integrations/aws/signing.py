"""Signature Version 4: what makes a request one of an AWS account. Pure; the sources give the time."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import parse_qsl, quote, urlsplit

ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True)
class AwsKeys:
    """An access key; `session_token` goes with a temporary one."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Scope:
    """Where a signature is valid."""

    region: str
    service: str


def sign(
    method: str,
    url: str,
    scope: Scope,
    keys: AwsKeys,
    now: datetime,
    *,
    headers: Mapping[str, str],
    content: bytes = b"",
) -> dict[str, str]:
    """The headers of the request, signed ones and the given, which are signed too. `url` is encoded as it is sent."""
    parts = urlsplit(url)
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    payload = hashlib.sha256(content).hexdigest()
    known = {**{name.lower(): value for name, value in headers.items()}, "host": parts.netloc, "x-amz-date": stamp}
    if scope.service == "s3":
        known["x-amz-content-sha256"] = payload
    if keys.session_token:
        known["x-amz-security-token"] = keys.session_token
    names = ";".join(sorted(known))
    # All services but S3 want the path encoded once more.
    path = (parts.path or "/") if scope.service == "s3" else quote(parts.path or "/", safe="/-_.~")
    canonical = "\n".join(
        [
            method,
            path,
            _canonical_query(parts.query),
            *(f"{name}:{' '.join(known[name].split())}" for name in sorted(known)),
            "",
            names,
            payload,
        ]
    )
    day = f"{stamp[:8]}/{scope.region}/{scope.service}/aws4_request"
    text = "\n".join([ALGORITHM, stamp, day, hashlib.sha256(canonical.encode()).hexdigest()])
    signature = hmac.new(_key(keys.secret_access_key, stamp[:8], scope), text.encode(), hashlib.sha256).hexdigest()
    known["authorization"] = (
        f"{ALGORITHM} Credential={keys.access_key_id}/{day}, SignedHeaders={names}, Signature={signature}"
    )
    del known["host"]
    return known


def _canonical_query(query: str) -> str:
    pairs = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in parse_qsl(query, True))
    return "&".join(f"{name}={value}" for name, value in pairs)


def _key(secret: str, day: str, scope: Scope) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (day, scope.region, scope.service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key
