"""Hiding the secrets of a configuration before it is printed or logged.

Called by `config:print` and at start. Backstage marks secrets in schemas; here names tell, so that the keys of foreign
plugins are covered too.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

REDACTED = "<redacted>"

_SECRET_NAME = re.compile(
    r"token|password|passphrase|secret|credential|authorization|cookie|private_?-?key|api_?-?key|access_?-?key|"
    r"account_?-?key|signing_?-?key|encryption_?-?key|connection_?-?string|ca_?-?data|sas_?-?token",
    re.IGNORECASE,
)
_HARMLESS_NAME = re.compile(
    r"(?:expiration|expiry|lifetime|ttl|name|names|file|path|url|algorithm|subject|offset_?time|enabled|limit|"
    r"policy|type|provider)$",
    re.IGNORECASE,
)
_USER_INFO = re.compile(r"(?<=://)[^/@\s]*:[^/@\s]*(?=@)")
_SECRETS_BY_NAME = "secrets"
"""An object of this name holds nothing but secrets, whatever they are called."""
_PRIVATE_KEY = "PRIVATE KEY-----"
_NO_SECRETS = frozenset(("", "yes", "no", "on", "off", "true", "false"))
_LONGEST_HARMLESS = 3
"""Texts up to this length occur by chance, so that hiding them everywhere would only confuse."""


def redact(value: Any) -> Any:
    """A copy of the configuration with every secret replaced by `<redacted>`; user and password of URLs as well."""
    return _redact(value, secret=False)


def secret_values(value: Any) -> set[str]:
    """All texts that `redact` would hide, for whoever filters logs."""
    return {text for text in _secrets(value, secret=False) if len(text) > _LONGEST_HARMLESS}


def is_secret_name(key: str) -> bool:
    """Whether a key of this name holds a secret."""
    return bool(_SECRET_NAME.search(key)) and not _HARMLESS_NAME.search(key)


def _redact(value: Any, *, secret: bool) -> Any:
    if isinstance(value, Mapping):
        return {key: _redact_child(str(key), child) for key, child in value.items()}
    if isinstance(value, list):
        return [_redact(item, secret=secret) for item in value]
    if isinstance(value, bool) or value is None or value in _NO_SECRETS:
        return value
    if secret or (isinstance(value, str) and _PRIVATE_KEY in value):
        return REDACTED
    return _USER_INFO.sub(REDACTED, value) if isinstance(value, str) else value


def _redact_child(key: str, child: Any) -> Any:
    if key == _SECRETS_BY_NAME and isinstance(child, Mapping):
        return {name: _redact(value, secret=True) for name, value in child.items()}
    return _redact(child, secret=is_secret_name(key))


def _secrets(value: Any, *, secret: bool) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, child in value.items():
            yield from _secrets_of_child(str(key), child)
    elif isinstance(value, list):
        for item in value:
            yield from _secrets(item, secret=secret)
    elif isinstance(value, str) and (secret or _PRIVATE_KEY in value):
        yield value
    elif isinstance(value, str):
        yield from (match[0].partition(":")[2] for match in _USER_INFO.finditer(value))


def _secrets_of_child(key: str, child: Any) -> Iterator[str]:
    if key == _SECRETS_BY_NAME and isinstance(child, Mapping):
        for value in child.values():
            yield from _secrets(value, secret=True)
    else:
        yield from _secrets(child, secret=is_secret_name(key))
