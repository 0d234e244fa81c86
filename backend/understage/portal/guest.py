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


@dataclass(frozen=True)
class SignIn:
    """What signing in means here: the guest, who makes tokens, and who knows the groups."""

    guest: Guest | None
    issuer: UserTokenIssuer
    ownership_of: OwnershipOf

    async def refresh(self) -> dict[str, Any]:
        """The guest's session: `{"profile", "backstageIdentity": {"token", "expiresInSeconds", "identity"}}`."""
        guest = self.guest
        if guest is None:
            raise _unknown_provider("guest")
        if not guest.allowed:
            raise NotAllowedError(
                "The guest provider cannot be used outside of a development environment: set "
                "auth.providers.guest.dangerouslyAllowOutsideDevelopment to true if everybody who reaches this address "
                "may act as the guest."
            )
        owned = await self.find_ownership(guest.user_entity_ref) or []
        token, seconds = self.issuer.issue(guest.user_entity_ref, owned)
        identity = {"type": "user", "userEntityRef": guest.user_entity_ref, "ownershipEntityRefs": owned}
        return {
            "profile": {},
            "backstageIdentity": {"token": token, "expiresInSeconds": seconds, "identity": identity},
        }

    async def find_user(self, authorization: str) -> str:
        """The user entity ref of an Authorization header; AuthenticationError if it holds no good user token."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise AuthenticationError("No token provided")
        return await read_user_ref(token.strip(), LocalKeys(self.public_jwks))

    async def find_ownership(self, user_ref: str) -> list[str] | None:
        """A user of the catalog owns as itself and as its groups; the guest needs no entity; None for strangers."""
        groups = await self.ownership_of(user_ref)
        if groups is not None:
            return list(dict.fromkeys([user_ref, *groups]))
        if self.guest and user_ref == self.guest.user_entity_ref:
            return list(self.guest.ownership_entity_refs)
        return None

    async def public_jwks(self) -> dict[str, Any]:
        """The keys of the tokens made here."""
        return self.issuer.public_jwks()


def create_auth_router(sign_in: SignIn, *, auth_url: str) -> APIRouter:
    """The routes below `/api/auth`; `auth_url` is that address as the outside knows it."""
    router = APIRouter()
    router.add_api_route("/guest/refresh", sign_in.refresh, methods=["GET", "POST"])
    router.add_api_route("/.well-known/jwks.json", sign_in.public_jwks)

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

    @router.get("/v1/userinfo")
    async def userinfo(request: Request) -> Any:
        user_ref = await sign_in.find_user(request.headers.get("authorization", ""))
        owned = await sign_in.find_ownership(user_ref)
        if owned is None:
            return PlainTextResponse("User info not found", 404)
        return {"claims": {"sub": user_ref, "ent": owned}}

    @router.api_route("/{provider}/{step}", methods=["GET", "POST"])
    async def other(provider: str, step: str) -> Response:
        if provider == "guest" and sign_in.guest and step in ("start", "logout", "handler"):
            raise NotImplementedError_("Not implemented")
        raise _unknown_provider(provider)

    return router


def _unknown_provider(name: str) -> NotFoundError:
    return NotFoundError(f"Unknown auth provider '{name}'")
