"""Making tokens: for people who sign in here (standalone mode), and for our calls to other plugins.

`portal` issues user tokens; whatever calls another plugin (catalog, permission, remote actions) asks a
`PluginTokenIssuer` for a token, on behalf of the caller it works for.
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from understage.errors import AuthenticationError, InputError, NotAllowedError
from understage.identity import tokens
from understage.identity.credentials import Credentials, NonePrincipal, ServicePrincipal
from understage.identity.keys import PUBLISHED_LIFETIMES, Clock, KeyFile, SigningKeys, generate_key, publish
from understage.model.ref import EntityRef

if TYPE_CHECKING:
    from joserfc.jwk import ECKey

PLUGIN_TOKEN_LIFETIME = 3600
REUSE_SECONDS = 5.0
"""A token is given out again for as long as whoever gets it remembers that it was verified, see `verified`."""
_MOST_KEPT = 1024


class UserTokenIssuer:
    """Issues user tokens as the stock auth backend does; its public keys live in `file`.

    `issuer_url` is the external address of the auth plugin, `lifetime` is in seconds. Without `omit_ownership` the
    token names the entities the user owns as.
    """

    def __init__(
        self,
        file: KeyFile,
        *,
        issuer_url: str,
        lifetime: int = 3600,
        omit_ownership: bool = True,
        clock: Clock = time.time,
    ) -> None:
        self._file = file
        self._issuer_url = issuer_url
        self._lifetime = lifetime
        self._omit_ownership = omit_ownership
        self._clock = clock
        self._key: ECKey | None = None
        self._ends_at = 0.0

    def issue(self, user_entity_ref: str, ownership: list[str]) -> tuple[str, int]:
        """A signed token of the user, and the seconds it lives. Raises InputError for what is no entity reference."""
        EntityRef.parse(user_entity_ref)
        key = self._signing_key()
        issued = int(self._clock())
        expires = issued + self._lifetime
        claims = {
            "iss": self._issuer_url,
            "sub": user_entity_ref,
            **({} if self._omit_ownership else {"ent": ownership}),
            "aud": tokens.USER_AUDIENCE,
            "iat": issued,
            "exp": expires,
            "uip": tokens.identity_proof(key, sub=user_entity_ref, iat=issued, exp=expires),
        }
        token = tokens.sign(key, tokens.USER, claims)
        if len(token) > tokens.MAX_TOKEN_LENGTH:
            raise InputError(
                f"The user token of {user_entity_ref} would be too large with {len(ownership)} ownership references; "
                "leave them out with auth.omitIdentityTokenOwnershipClaim"
            )
        return token, self._lifetime

    def public_jwks(self) -> dict[str, list[dict[str, object]]]:
        """The JWK set that verifies the tokens issued, those of earlier runs included."""
        now = self._clock()
        return {"keys": [key.jwk for key in self._file.read() if key.expires_at > now]}

    def _signing_key(self) -> "ECKey":
        now = self._clock()
        if self._key is None or now >= self._ends_at:
            key = generate_key()
            self._file.append(publish(key, now + PUBLISHED_LIFETIMES * self._lifetime))
            self._key, self._ends_at = key, now + self._lifetime
        return self._key


class PluginTokenIssuer:
    """Issues the tokens with which one of our plugins calls another plugin.

    `given` has the token that another installation gave us for a plugin of its own, which knows no keys of ours. It is sent
    for services only: in a person's name it would open what the person may not see.
    """

    def __init__(
        self,
        plugin_id: str,
        keys: SigningKeys,
        *,
        auth_policy_disabled: bool = False,
        lifetime: int = PLUGIN_TOKEN_LIFETIME,
        given: Callable[[str], str | None] = lambda _plugin_id: None,
        clock: Clock = time.time,
    ) -> None:
        self._plugin_id = plugin_id
        self._keys = keys
        self._auth_policy_disabled = auth_policy_disabled
        self._lifetime = lifetime
        self._given = given
        self._clock = clock
        self._issued: dict[tuple[str, str | None], tuple[float, str]] = {}

    @property
    def own_credentials(self) -> Credentials:
        """The plugin itself, for work that nobody asked for."""
        return Credentials.service(f"plugin:{self._plugin_id}")

    async def issue(self, target_plugin_id: str, on_behalf_of: Credentials) -> str:
        """A token for calling `target_plugin_id`; empty for nobody while the default auth policy is off.

        For a person it carries their limited token and ends with it. Raises NotAllowedError for restricted external
        credentials that may not go there, AuthenticationError for nobody or a person without token.
        """
        principal = on_behalf_of.principal
        if isinstance(principal, NonePrincipal):
            if self._auth_policy_disabled:
                return ""
            raise AuthenticationError("Refused to issue service token for credential type 'none'")
        if isinstance(principal, ServicePrincipal):
            _check_delegation(on_behalf_of, principal, target_plugin_id)
            return self._given(target_plugin_id) or await self._signed(target_plugin_id)
        if not on_behalf_of.token:
            raise AuthenticationError("User credentials is unexpectedly missing token")
        return await self._signed(target_plugin_id, on_behalf_of.token)

    async def headers(self, target_plugin_id: str, on_behalf_of: Credentials) -> dict[str, str]:
        """The request headers that carry `issue`'s token."""
        token = await self.issue(target_plugin_id, on_behalf_of)
        return {"Authorization": f"Bearer {token}"} if token else {}

    async def _signed(self, target_plugin_id: str, user_token: str | None = None) -> str:
        """A token for the target, of the user if there is one; the same one for some seconds."""
        now = self._clock()
        reuse_until, token = self._issued.get((target_plugin_id, user_token), (0.0, ""))
        if now < reuse_until:
            return token
        limited, expires = (None, None) if user_token is None else tokens.limit_user_token(user_token)
        token = await self._sign(target_plugin_id, limited, expires)
        if len(self._issued) >= _MOST_KEPT:
            self._issued.clear()
        until = now + min(REUSE_SECONDS, self._lifetime)
        self._issued[target_plugin_id, user_token] = (until if expires is None else min(until, expires), token)
        return token

    async def _sign(self, target_plugin_id: str, limited: str | None = None, expires: int | None = None) -> str:
        issued = int(self._clock())
        ends = issued + self._lifetime
        claims: dict[str, object] = {
            "sub": self._plugin_id,
            "aud": target_plugin_id,
            "iat": issued,
            "exp": ends if expires is None else min(ends, expires),
        }
        if limited is not None:
            claims["obo"] = limited
        return tokens.sign(await self._keys.signing_key(), tokens.PLUGIN, claims)


def _check_delegation(credentials: Credentials, principal: ServicePrincipal, target_plugin_id: str) -> None:
    if principal.access_restrictions is None:
        return
    for_target = (credentials.restrictions or {}).get(target_plugin_id)
    if for_target is None:
        raise NotAllowedError(
            f"Access to target plugin '{target_plugin_id}' is not included in token's access restrictions"
        )
    if for_target.permission_names or for_target.actions:
        raise NotAllowedError(f"Access to target plugin '{target_plugin_id}' is restricted and cannot be delegated")
