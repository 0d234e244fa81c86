"""Who a request comes from, once that is established.

Made by `authenticator`, carried through both roads, stored with a task (with its token, as a secret) to act for its
creator later.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, Self

from understage.errors import AuthenticationError, NotAllowedError

_TYPE = "@backstage/BackstageCredentials"
_VERSION = "v1"


@dataclass(frozen=True, slots=True)
class AccessRestrictions:
    """What an external token may do in one plugin; empty means everything."""

    permission_names: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()

    def to_wire(self) -> dict[str, Any]:
        """`{permissionNames?, permissionAttributes?: {action}}`."""
        wire: dict[str, Any] = {}
        if self.permission_names:
            wire["permissionNames"] = list(self.permission_names)
        if self.actions:
            wire["permissionAttributes"] = {"action": list(self.actions)}
        return wire


@dataclass(frozen=True, slots=True)
class UserPrincipal:
    """A person; `actor` is the service (`plugin:scaffolder`) that calls for them, None if they call themselves."""

    user_entity_ref: str
    actor: str | None = None
    type: Literal["user"] = "user"


@dataclass(frozen=True, slots=True)
class ServicePrincipal:
    """A service: `plugin:<id>`, or the subject of an external token."""

    subject: str
    access_restrictions: AccessRestrictions | None = None
    type: Literal["service"] = "service"


@dataclass(frozen=True, slots=True)
class NonePrincipal:
    """Nobody; only where the default auth policy is switched off."""

    type: Literal["none"] = "none"


Principal = UserPrincipal | ServicePrincipal | NonePrincipal


@dataclass(frozen=True, slots=True)
class Credentials:
    """A principal, and what is needed to act for it.

    `token` is the user's token (limited, when a service calls for them). `restrictions` are those of an external token
    for every plugin, which decide whether it may be passed on.
    """

    principal: Principal
    token: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None
    restrictions: Mapping[str, AccessRestrictions] | None = field(default=None, repr=False)

    @classmethod
    def none(cls) -> Self:
        """Credentials of nobody."""
        return cls(NonePrincipal())

    @classmethod
    def service(cls, subject: str) -> Self:
        """Credentials of a service, such as `plugin:catalog` for the plugin's own work."""
        return cls(ServicePrincipal(subject))

    @classmethod
    def user(cls, user_entity_ref: str, token: str | None = None, expires_at: datetime | None = None) -> Self:
        """Credentials of a person who calls directly."""
        return cls(UserPrincipal(user_entity_ref), token, expires_at)

    @property
    def user_ref(self) -> str | None:
        """The entity reference of the person, None for services and nobody."""
        return self.principal.user_entity_ref if isinstance(self.principal, UserPrincipal) else None

    @property
    def actor_id(self) -> str | None:
        """Who is named in audit logs: the person, else the service, else nobody."""
        return self.principal.subject if isinstance(self.principal, ServicePrincipal) else self.user_ref

    def require(self, *allowed: Literal["user", "service", "none"]) -> Self:
        """The same credentials; raises if an endpoint for `allowed` principals must not take them."""
        kind = self.principal.type
        if kind in allowed:
            return self
        if kind == "none":
            raise AuthenticationError("Missing credentials")
        raise NotAllowedError(f"This endpoint does not allow '{kind}' credentials")

    def to_wire(self) -> dict[str, Any]:
        """JSON in Backstage's form, **with the token**: for storing as a secret, not for answers."""
        wire: dict[str, Any] = {"$$type": _TYPE, "version": _VERSION, "principal": _principal_to_wire(self.principal)}
        if self.expires_at is not None:
            wire["expiresAt"] = self.expires_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        if self.token is not None:
            wire["token"] = self.token
        return wire

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> Self:
        """The inverse of `to_wire`. Raises AuthenticationError for anything else."""
        if wire.get("$$type") != _TYPE or wire.get("version") != _VERSION:
            raise AuthenticationError("Invalid credential type")
        principal = _principal_from_wire(wire.get("principal") or {})
        expires_at = wire.get("expiresAt")
        return cls(
            principal,
            wire.get("token"),
            datetime.fromisoformat(expires_at).astimezone(UTC) if isinstance(expires_at, str) else None,
        )


def _principal_to_wire(principal: Principal) -> dict[str, Any]:
    match principal:
        case UserPrincipal(user_entity_ref, actor):
            wire: dict[str, Any] = {"type": "user", "userEntityRef": user_entity_ref}
            return {**wire, "actor": {"type": "service", "subject": actor}} if actor else wire
        case ServicePrincipal(subject, restrictions):
            wire = {"type": "service", "subject": subject}
            return {**wire, "accessRestrictions": restrictions.to_wire()} if restrictions else wire
        case _:
            return {"type": "none"}


def _principal_from_wire(wire: Mapping[str, Any]) -> Principal:
    match wire:
        case {"type": "user", "userEntityRef": str(ref)}:
            return UserPrincipal(ref, (wire.get("actor") or {}).get("subject"))
        case {"type": "service", "subject": str(subject)}:
            limits = wire.get("accessRestrictions")
            if limits is None:
                return ServicePrincipal(subject)
            actions = (limits.get("permissionAttributes") or {}).get("action") or ()
            return ServicePrincipal(
                subject, AccessRestrictions(tuple(limits.get("permissionNames") or ()), tuple(actions))
            )
        case {"type": "none"}:
            return NonePrincipal()
    raise AuthenticationError("Invalid credential type")
