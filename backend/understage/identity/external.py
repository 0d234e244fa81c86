"""Callers from outside of Backstage: `backend.auth.externalAccess` and the old `backend.auth.keys`.

Called by `authenticator` for tokens that neither a user nor a plugin brought. Entries are tried in their order.
"""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from joserfc.util import urlsafe_b64decode

from understage.config.backend_settings import AccessRestriction, BackendAuth, ExternalAccess, ExternalAccessOptions
from understage.errors import InputError, NotAllowedError
from understage.identity import tokens
from understage.identity.credentials import AccessRestrictions, Credentials, ServicePrincipal
from understage.identity.jwks import JwksClient
from understage.identity.outgoing import Fetch
from understage.identity.tokens import TokenError

KEY = "backend.auth.externalAccess"
MIN_TOKEN_LENGTH = 8
LEGACY_SUBJECT = "backstage-server"
_ACTIONS = ("create", "read", "update", "delete")


class _Check(Protocol):
    """Recognizes the tokens of one entry."""

    async def subject_of(self, token: str) -> str | None:
        """The subject of a token of this entry, None for any other token."""


class ExternalTokens:
    """All entries of external access, for one plugin of ours."""

    def __init__(self, plugin_id: str, settings: BackendAuth, fetch: Fetch) -> None:
        """Raises InputError for entries that cannot work, as the stock backend does at start."""
        self._plugin_id = plugin_id
        self._entries: list[tuple[_Check, Mapping[str, AccessRestrictions]]] = [
            (_create_check(entry, fetch), read_restrictions(entry.access_restrictions))
            for entry in settings.external_access
        ]
        self._entries += [(_LegacySecret(key.secret, "external:backstage-plugin"), {}) for key in settings.keys]

    async def authenticate(self, token: str) -> Credentials | None:
        """Credentials of a known token, None for an unknown one.

        Raises NotAllowedError for a known token that is restricted to other plugins.
        """
        for check, restrictions in self._entries:
            subject = await check.subject_of(token)
            if subject is None:
                continue
            if not restrictions:
                return Credentials.service(subject)
            own = restrictions.get(self._plugin_id)
            if own is None:
                plugins = ", ".join(f"'{plugin}'" for plugin in restrictions)
                raise NotAllowedError(f"This token's access is restricted to plugin(s) {plugins}")
            return Credentials(ServicePrincipal(subject, own), restrictions=restrictions)
        return None


def read_restrictions(entries: Sequence[AccessRestriction]) -> dict[str, AccessRestrictions]:
    """Restrictions by plugin; empty means none. Raises InputError for a plugin named twice or an unknown action."""
    restrictions: dict[str, AccessRestrictions] = {}
    for entry in entries:
        if entry.plugin in restrictions:
            raise InputError(
                f"Attempted to declare 'accessRestrictions' twice for plugin '{entry.plugin}', which is not permitted"
            )
        if unknown := [key for key in entry.model_extra or {}]:
            raise InputError(
                f"Invalid key '{unknown[0]}' in 'accessRestrictions' config, "
                "expected one of 'plugin', 'permission', 'permissionAttribute'"
            )
        actions = entry.permission_attribute.action
        if wrong := [action for action in actions if action not in _ACTIONS]:
            raise InputError(
                f"Invalid value '{wrong[0]}' at 'action' in 'permissionAttributes' config, "
                "valid values are 'create', 'read', 'update', 'delete'"
            )
        restrictions[entry.plugin] = AccessRestrictions(entry.permission, actions)
    return restrictions


def _create_check(entry: ExternalAccess, fetch: Fetch) -> _Check:
    options = entry.options
    if entry.type == "jwks":
        return _RemoteKeys(options, fetch)
    if entry.type == "legacy":
        return _LegacySecret(
            _required(options.secret, "secret", entry.type), _required(options.subject, "subject", entry.type)
        )
    token = _required(options.token, "token", entry.type)
    if len(token) < MIN_TOKEN_LENGTH:
        raise InputError(f"Illegal token in {KEY}, must be at least {MIN_TOKEN_LENGTH} characters length")
    return _StaticToken(token, _required(options.subject, "subject", entry.type))


def _required(value: str | None, name: str, kind: str) -> str:
    if not value:
        raise InputError(f"Missing required config value at '{KEY}[].options.{name}' of type {kind}")
    if any(character.isspace() for character in value):
        raise InputError(f"Illegal {name} in {KEY}, must be a set of non-space characters")
    return value


@dataclass(frozen=True)
class _StaticToken:
    token: str
    subject: str

    async def subject_of(self, token: str) -> str | None:
        return self.subject if hmac.compare_digest(token.encode(), self.token.encode()) else None


class _LegacySecret:
    """Tokens that the old backend system signed with a shared secret."""

    def __init__(self, secret: str, subject: str) -> None:
        from joserfc.jwk import OctKey

        self._subject = subject
        try:
            # The stock backend takes base64 of either alphabet, padded or not.
            data = urlsafe_b64decode(secret.rstrip("=").replace("+", "-").replace("/", "_").encode())
            self._key = OctKey.import_key(data)
        except ValueError as error:
            raise InputError(f"Illegal secret in {KEY}, must be a valid base64 string") from error

    async def subject_of(self, token: str) -> str | None:
        try:
            if tokens.read_header(token).get("alg") != "HS256":
                return None
            claims = tokens.read_claims(token)
            if claims.get("sub") != LEGACY_SUBJECT or claims.get("aud"):
                return None
            tokens.verify(token, self._key, algorithms=["HS256"])
        except TokenError:
            return None
        return self._subject


class _RemoteKeys:
    """Tokens of an identity provider that publishes its keys."""

    def __init__(self, options: ExternalAccessOptions, fetch: Fetch) -> None:
        self._options = options
        self._keys = JwksClient(_required(options.url, "url", "jwks"), fetch)

    async def subject_of(self, token: str) -> str | None:
        options = self._options
        try:
            key = await self._keys.key_for(tokens.read_header(token))
            claims = tokens.verify(
                token,
                key,
                algorithms=options.algorithm or tokens.ASYMMETRIC,
                issuers=options.issuer or None,
                audiences=options.audience or None,
            )
        except TokenError:
            return None
        subject = claims.get("sub")
        if not isinstance(subject, str) or not subject:
            return None
        return f"external:{options.subject_prefix}:{subject}" if options.subject_prefix else f"external:{subject}"
