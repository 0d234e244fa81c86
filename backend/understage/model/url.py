"""Whether a text is an absolute URL to a browser (`new URL(text)` of the WHATWG URL standard).

Called by the entity's field formats. Python's own parser takes nearly anything, so the rules that reject are here.
"""

import re
from ipaddress import IPv6Address

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_SPECIAL = frozenset(("http", "https", "ws", "wss", "ftp"))
_CONTROL_OR_SPACE = "".join(map(chr, range(0x21)))
_REMOVED = {ord(character): None for character in "\t\r\n"}
_FORBIDDEN_IN_HOST = re.compile(r"[\x00-\x20#/<>?@\[\\\]^|%\x7f:]")
_FORBIDDEN_IN_OPAQUE_HOST = re.compile(r"[\x00\t\n\r #/:<>?@\[\\\]^|]")
_NUMBER_LIKE = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*")


def is_absolute_url(text: str) -> bool:
    """True for `https://host/x`, `mailto:a@b`, `foo:bar`; false for relative ones, empty hosts and bad ports."""
    text = text.strip(_CONTROL_OR_SPACE).translate(_REMOVED)
    match = _SCHEME.match(text)
    if not match:
        return False
    scheme = match[1].lower()
    rest = text[match.end() :]
    if scheme in _SPECIAL:
        rest = rest.replace("\\", "/").lstrip("/")
        return _is_authority(re.split(r"[/?#]", rest, maxsplit=1)[0], special=True)
    if scheme == "file" or not rest.startswith("//"):
        return True
    return _is_authority(re.split(r"[/?#]", rest[2:], maxsplit=1)[0], special=False)


def _is_authority(authority: str, *, special: bool) -> bool:
    host_and_port = authority.rpartition("@")[2]
    host, port = _split_port(host_and_port)
    if port and not (port.isascii() and port.isdigit() and int(port) <= 65535):
        return False
    if host.startswith("["):
        return _is_ipv6(host)
    if not special:
        return not _FORBIDDEN_IN_OPAQUE_HOST.search(host) and bool(host or not authority)
    decoded = re.sub(r"%([0-9A-Fa-f]{2})", lambda escape: chr(int(escape[1], 16)), host)
    return decoded != "" and not _FORBIDDEN_IN_HOST.search(decoded) and _is_host_number(decoded)


def _is_ipv6(host: str) -> bool:
    try:
        IPv6Address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return host.endswith("]")


def _split_port(text: str) -> tuple[str, str]:
    if text.startswith("["):
        host, bracket, rest = text.partition("]")
        return host + bracket, rest.removeprefix(":")
    host, _, port = text.partition(":")
    return host, port


def _is_host_number(host: str) -> bool:
    """A host whose last part is a number must be an IPv4 address; other hosts pass."""
    parts = host.removesuffix(".").split(".")
    if not _NUMBER_LIKE.fullmatch(parts[-1]):
        return True
    if len(parts) > 4 or not all(_NUMBER_LIKE.fullmatch(part) for part in parts):
        return False
    numbers = [int(part, 16) if part[:2].lower() == "0x" and len(part) > 2 else _octal(part) for part in parts]
    return all(0 <= number <= 255 for number in numbers[:-1]) and 0 <= numbers[-1] < 256 ** (5 - len(numbers))


def _octal(part: str) -> int:
    try:
        return int(part, 8) if part[0] == "0" and len(part) > 1 and part[1:].isdigit() else int(part)
    except ValueError:
        return -1 if part.lower() != "0x" else 0
