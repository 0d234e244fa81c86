"""`/api/auth` for standalone mode: guest sign-in as plugin-auth-backend 0.30 with its guest provider 0.2 answers it.

The page calls `guest/refresh` when someone presses Enter and again before the token ends; plugins check its tokens by
`.well-known/jwks.json`. Tokens are made by the issuer that `app` hands in; group membership comes from the catalog.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse, Response

from understage.errors import AuthenticationError, NotAllowedError, NotFoundError, NotImplementedError_
from understage.identity.jwks import LocalKeys
from understage.portal.user_token import read_user_ref

DEFAULT_GUEST = "user:development/guest"

OwnershipOf = Callable[[str], Awaitable[Sequence[str] | None]]
"""User entity ref -> the refs of the groups it is a `memberOf`, None if the catalog has no such user."""


class UserTokenIssuer(Protocol):
    """Makes and vouches for user tokens."""

    def issue(self, user_entity_ref: str, ownership: list[str]) -> tuple[str, int]:
        """Return a signed token and the seconds it lives; `ownership` are entity refs."""
        ...

    def public_jwks(self) -> dict[str, Any]:
        """The JWK set `{"keys": […]}` that verifies the tokens issued."""
        ...


@dataclass(frozen=True)
class Guest:
    """`auth.providers.guest` of the app-config, and whether guests may come in at all."""

    user_entity_ref: str
    ownership_entity_refs: tuple[str, ...]
    allowed: bool

    @staticmethod
    def from_config(config: Mapping[str, Any], *, development: bool) -> "Guest | None":
        """None if sign-in is configured without a guest; with nothing configured, development has one."""
        auth = config.get("auth")
        providers = auth.get("providers") if isinstance(auth, Mapping) else None
        if isinstance(providers, Mapping) and "guest" not in providers:
            return None
        if not isinstance(providers, Mapping) and not development:
            return None
        guest = (providers or {}).get("guest") or {}
        user = str(guest.get("userEntityRef") or DEFAULT_GUEST)
        return Guest(
            user_entity_ref=user,
            ownership_entity_refs=tuple(guest.get("ownershipEntityRefs") or [user]),
            allowed=development or guest.get("dangerouslyAllowOutsideDevelopment") is True,
        )


def create_auth_router(
    guest: Guest | None, *, issuer: UserTokenIssuer, ownership_of: OwnershipOf, auth_url: str
) -> APIRouter:
    """The routes below `/api/auth`; `auth_url` is that address as the outside knows it."""
    router = APIRouter()

    async def ownership(user_ref: str) -> list[str] | None:
        """A user of the catalog owns as itself and as its groups; the guest needs no entity."""
        groups = await ownership_of(user_ref)
        if groups is not None:
            return list(dict.fromkeys([user_ref, *groups]))
        return list(guest.ownership_entity_refs) if guest and user_ref == guest.user_entity_ref else None

    @router.api_route("/guest/refresh", methods=["GET", "POST"])
    async def refresh() -> dict[str, Any]:
        if guest is None:
            raise _unknown_provider("guest")
        if not guest.allowed:
            raise NotAllowedError(
                "The guest provider cannot be used outside of a development environment: set "
                "auth.providers.guest.dangerouslyAllowOutsideDevelopment to true if everybody who reaches this address "
                "may act as the guest."
            )
        owned = await ownership(guest.user_entity_ref) or []
        token, seconds = issuer.issue(guest.user_entity_ref, owned)
        identity = {"type": "user", "userEntityRef": guest.user_entity_ref, "ownershipEntityRefs": owned}
        return {
            "profile": {},
            "backstageIdentity": {"token": token, "expiresInSeconds": seconds, "identity": identity},
        }

    @router.get("/v1/userinfo")
    async def userinfo(request: Request) -> Any:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise AuthenticationError("No token provided")
        user_ref = await read_user_ref(token.strip(), own_keys)
        owned = await ownership(user_ref)
        if owned is None:
            return PlainTextResponse("User info not found", 404)
        return {"claims": {"sub": user_ref, "ent": owned}}

    @router.get("/.well-known/jwks.json")
    async def jwks() -> dict[str, Any]:
        return issuer.public_jwks()

    own_keys = LocalKeys(jwks)

    @router.get("/.well-known/openid-configuration")
    async def openid_configuration() -> dict[str, Any]:
        return {
            "issuer": auth_url,
            "jwks_uri": f"{auth_url}/.well-known/jwks.json",
            "userinfo_endpoint": f"{auth_url}/v1/userinfo",
            "id_token_signing_alg_values_supported": ["ES256"],
            "subject_types_supported": ["public"],
            "claims_supported": ["sub", "ent"],
        }

    @router.api_route("/{provider}/{step}", methods=["GET", "POST"])
    async def other(provider: str, step: str) -> Response:
        if provider == "guest" and guest and step in ("start", "logout", "handler"):
            raise NotImplementedError_("Not implemented")
        raise _unknown_provider(provider)

    return router


def _unknown_provider(name: str) -> NotFoundError:
    return NotFoundError(f"Unknown auth provider '{name}'")
