"""What looks like a secret: by its name, by its form, by chance. Called by `withholding`. Tells why, and never the value.

It would rather take a harmless value for a secret than the other way round: who adopts names those that are plain.
"""

import math
import re
from collections import Counter

NAME = re.compile(
    r"pass(word|wd|phrase|code)?(?![a-z])|pwd(?![a-z])|secret|token(?!s|iz)|credential|api[_-]?key|private[_-]?key|access[_-]?key|"
    r"(encryption|signing|master|shared|account|license|session|cookie|jwt|hmac|aes|ssh|gpg|pgp|auth)[_-]?key|"
    r"\bsalt\b|[_-]salt\b|(?<![a-z])dsn(?![a-z])|connection[_-]?str(ing)?|(?<![a-z])auth(orization)?(?![a-z])",
    re.IGNORECASE,
)
HARMLESS_NAME = re.compile(
    r"([_.-]?(file|path|dir|name|ref|header|ttl|seconds|minutes|days|expiry|expires|expiration|lifetime|length|issuer|audience|"
    r"algorithm|type|mode|endpoint|url|uri|host|port|enabled|required|scope|scopes|method|realm|provider|prefix|policy|count))$",
    re.IGNORECASE,
)
MADE_OF_HASHES = re.compile(
    r"sha|commit|revision|digest|checksum|hash|version|build|(uu|gu)?id$|image|class|type", re.IGNORECASE
)
FORMS = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY"), "has a private key"),
    (re.compile(r"[a-z][a-z0-9+.-]*://[^\s/@:]*:[^\s/@]+@", re.IGNORECASE), "has credentials in an address"),
    (re.compile(r"[?&](password|passwd|pwd|token|secret|api_?key|access_?key|sig)=[^&\s$]", re.IGNORECASE),
     "has credentials in an address"),
    (re.compile(r"(?<![\w-])(password|passwd|pwd|secret|accountkey|sharedaccesskey|accesskey|token|api[_-]?key)[\"']?\s*[=:]\s*"
                r"[\"']?(?![\s\"'$]|true\b|false\b|null\b|none\b)[^\s;\"',]{3,}", re.IGNORECASE),
     "has a password or a token in its text"),
    (re.compile(r"\b(Basic|Bearer)\s+[A-Za-z0-9+/=_.-]{8,}"), "has the header of a login"),
    (re.compile(r"(?<![A-Za-z0-9])(gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[a-z]-[\w-]{10,}|"
                r"(AKIA|ASIA)[0-9A-Z]{16}|AIza[\w-]{30,}|[sr]k_(live|test)_\w{10,}|hv[sbr]\.[\w-]{16,}|npm_\w{30,}|"
                r"eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*)"), "has the form of a token"),
    (re.compile(r"\"auths?\"\s*:"), "has the login of a registry"),
)  # fmt: skip
ONE_WORD = re.compile(r"[A-Za-z0-9+/=_-]{20,}")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
BITS = {"hex": 3.0, "other": 3.9}
"""Of entropy a character, from which on a word is taken for a random one."""
FLAG = re.compile(r"--?[\w.-]*(password|passwd|pwd|secret|token|credential|api-?key|private-?key)", re.IGNORECASE)


def looks_secret(name: str, value: str) -> str | None:
    """Why a named value looks like a secret, or None."""
    if not value.strip() or value.lower() in ("true", "false", "null", "none", "yes", "no"):
        return None
    if form := form_of(value):
        return form
    if names_secret(name):
        return "is called like a secret"
    return "looks like a random key" if not MADE_OF_HASHES.search(name) and _is_random(value) else None


def names_secret(name: str) -> bool:
    """Whether a name is a secret's."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return NAME.search(spaced) is not None and HARMLESS_NAME.search(spaced) is None


def form_of(text: str) -> str | None:
    """Why a text has the form of a secret, whatever it is called, or None."""
    return next((why for form, why in FORMS if form.search(text)), None)


def argument_of(arguments: list[str]) -> str | None:
    """Why the arguments of a command have a secret, or None."""
    for index, argument in enumerate(arguments):
        if form := form_of(argument):
            return form
        flag, equals, value = argument.partition("=")
        if not FLAG.match(flag) or not names_secret(flag.lstrip("-")):
            continue
        value = value if equals else next(iter(arguments[index + 1 :]), "")
        if value and not value.startswith(("$(", "${", "$", "-")) and " " not in flag:
            return "has a password or a token among its arguments"
    return None


def _is_random(value: str) -> bool:
    word = value.strip()
    if not ONE_WORD.fullmatch(word) or UUID.fullmatch(word) or "/" in word.strip("/=")[:2]:
        return False
    if re.fullmatch(r"[0-9a-fA-F]{32,}", word):
        return _entropy(word) >= BITS["hex"]
    mixed = sum(bool(re.search(some, word)) for some in ("[a-z]", "[A-Z]", "[0-9]")) == 3
    return mixed and _entropy(word) >= BITS["other"]


def _entropy(word: str) -> float:
    return -sum(count / len(word) * math.log2(count / len(word)) for count in Counter(word).values())
