"""The forms in which a secret may turn up again: encoded, escaped, hashed, turned round. Called by `redaction`.

An action, a library or a server may have made them; none of them knows that the text is a secret. Case is the business of the
search. What is shorter than SHORTEST is no secret worth the words it would hide.
"""

import base64
import codecs
import hashlib
import html
import json
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

SHORTEST = 6
LONGEST = 16 * 1024
"""Longer texts are looked for as they are, and line by line."""
_HASHES = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha3_256", "sha3_512", "blake2b", "blake2s")
_SPACED = (" ", "-", ".", ",", ", ", ":")


def disguises(secret: str) -> set[str]:
    """All forms of at least SHORTEST characters, the secret itself not among them."""
    found = {line.strip() for line in secret.splitlines()}
    if SHORTEST <= len(secret) <= LONGEST:
        content = secret.encode("utf-8", "surrogatepass")
        found.update(_texts(secret), _bytes(content), _digests(content))
        encoded = base64.b64encode(content)
        found.update(_base64(content), _base64(encoded), _base64(secret.encode("utf-16-le", "surrogatepass")))
        found.update(
            quote(form, safe="") for form in (encoded.decode(), quote(secret, safe=""), json.dumps(secret)[1:-1])
        )
    found.discard(secret)
    return {form for form in found if len(form) >= SHORTEST}


def _texts(secret: str) -> Iterator[str]:
    yield secret[::-1]
    yield "".join(secret.split())
    escaped = json.dumps(secret)[1:-1]
    yield from (escaped, json.dumps(secret, ensure_ascii=False)[1:-1], json.dumps(escaped)[1:-1])
    yield from (repr(secret)[1:-1], secret.encode("unicode_escape", "surrogatepass").decode())
    yield from (html.escape(secret), html.escape(secret, quote=False), html.escape(secret).replace("&#x27;", "&#39;"))
    if secret.isprintable():
        yield from (
            quote(secret, safe=""),
            quote(secret),
            quote_plus(secret),
            quote(secret, safe="!~*'()"),
            quote(quote(secret)),
        )
    yield codecs.encode(secret, "rot13")
    yield from (between.join(secret) for between in _SPACED)


def _bytes(content: bytes) -> Iterator[str]:
    yield content.hex()
    yield from (content.hex(between) for between in (":", " ", "-"))
    yield "\\x" + content.hex("\\").replace("\\", "\\x")
    yield from (between.join(map(str, content)) for between in (", ", ",", " "))
    yield from (base64.b85encode(content).decode(), base64.a85encode(content).decode())
    for offset in range(5):
        # Five bytes are eight letters: what does not depend on the bytes before and after.
        encoded = base64.b32encode(b"\0" * offset + content).decode().rstrip("=")
        yield encoded[-(-offset * 8 // 5) : (offset + len(content)) * 8 // 5]


def _base64(content: bytes) -> Iterator[str]:
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + content).decode()
        inner = encoded[-(-offset * 8 // 6) : (offset + len(content)) * 8 // 6]
        yield inner
        yield inner.replace("+", "-").replace("/", "_")


def _digests(content: bytes) -> Iterator[str]:
    for name in _HASHES:
        digest = hashlib.new(name, content, usedforsecurity=False).digest()
        yield digest.hex()
        encoded = base64.b64encode(digest).decode().rstrip("=")
        yield from (encoded, encoded.replace("+", "-").replace("/", "_"))
