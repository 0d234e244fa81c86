import asyncio
import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.unit.identity.conftest import Clock, Installation

from understage.errors import AuthenticationError, InputError, NotAllowedError
from understage.identity import tokens
from understage.identity.credentials import (
    AccessRestrictions,
    Credentials,
    NonePrincipal,
    ServicePrincipal,
    UserPrincipal,
)
from understage.identity.issuing import PluginTokenIssuer, UserTokenIssuer
from understage.identity.jwks import LocalKeys
from understage.identity.keys import KeyFile, MemoryKeyStore, RotatingKeys

ALICE = "user:default/alice"


def decode(part: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def user_issuer(tmp_path: Path, clock: Clock, **options: Any) -> UserTokenIssuer:
    return UserTokenIssuer(
        KeyFile(tmp_path / "k.json", clock=clock), issuer_url="http://b/api/auth", clock=clock, **options
    )


def test_user_token_has_the_claims_of_the_stock_auth_backend(tmp_path: Path, clock: Clock) -> None:
    issuer = user_issuer(tmp_path, clock, lifetime=600)
    token, seconds = issuer.issue(ALICE, [ALICE, "group:default/team"])
    header, claims = (decode(part) for part in token.split(".")[:2])
    assert list(header.items()) == [
        ("typ", "vnd.backstage.user"),
        ("alg", "ES256"),
        ("kid", issuer.public_jwks()["keys"][0]["kid"]),
    ]
    proof = claims.pop("uip")
    assert claims == {
        "iss": "http://b/api/auth",
        "sub": ALICE,
        "aud": "backstage",
        "iat": int(clock.now),
        "exp": int(clock.now) + 600,
    }
    assert seconds == 600
    limited, expires = tokens.limit_user_token(token)
    assert limited.split(".")[2] == proof
    assert base64.urlsafe_b64decode(limited.split(".")[0] + "==").startswith(
        b'{"typ":"vnd.backstage.limited-user","alg":"ES256",'
    )
    assert limited.split(".")[1] == base64.urlsafe_b64encode(
        f'{{"sub":"{ALICE}","iat":{int(clock.now)},"exp":{expires}}}'.encode()
    ).decode().rstrip("=")


def test_ownership_is_in_the_token_only_when_configured(tmp_path: Path, clock: Clock) -> None:
    issuer = user_issuer(tmp_path, clock, omit_ownership=False)
    assert tokens.read_claims(issuer.issue(ALICE, ["group:a/b"])[0])["ent"] == ["group:a/b"]
    with pytest.raises(InputError, match="omitIdentityTokenOwnershipClaim"):
        issuer.issue(ALICE, ["group:default/" + "x" * 60] * 1000)


def test_name_that_is_no_reference_gets_no_token(tmp_path: Path, clock: Clock) -> None:
    with pytest.raises(InputError, match="missing or empty kind"):
        user_issuer(tmp_path, clock).issue("alice", [])


def test_tokens_of_an_earlier_run_still_verify(tmp_path: Path, clock: Clock) -> None:
    token, _ = user_issuer(tmp_path, clock).issue(ALICE, [])
    again = user_issuer(tmp_path, clock)

    async def published() -> dict[str, Any]:
        return again.public_jwks()

    key = asyncio.run(LocalKeys(published).key_for(tokens.read_header(token)))
    assert tokens.verify(token, key, typ=tokens.USER, now=clock.now)["sub"] == ALICE
    other, _ = again.issue(ALICE, [])
    assert tokens.read_header(other)["kid"] != tokens.read_header(token)["kid"]
    clock.now += 3 * 3600
    assert again.public_jwks() == {"keys": []}


@pytest.fixture
def issuer(clock: Clock) -> PluginTokenIssuer:
    return PluginTokenIssuer("scaffolder", RotatingKeys(MemoryKeyStore(), clock=clock), clock=clock)


def issue(issuer: PluginTokenIssuer, credentials: Credentials, target: str = "catalog") -> str:
    return asyncio.run(issuer.issue(target, credentials))


def test_plugin_token_has_exactly_the_stock_claims(issuer: PluginTokenIssuer, clock: Clock) -> None:
    token = issue(issuer, issuer.own_credentials)
    assert tokens.read_header(token)["typ"] == "vnd.backstage.plugin"
    assert tokens.read_claims(token) == {
        "sub": "scaffolder",
        "aud": "catalog",
        "iat": int(clock.now),
        "exp": int(clock.now) + 3600,
    }


def test_plugin_token_ends_with_the_user_it_carries(issuer: PluginTokenIssuer, clock: Clock, tmp_path: Path) -> None:
    user_token, _ = user_issuer(tmp_path, clock, lifetime=700).issue(ALICE, [])
    claims = tokens.read_claims(issue(issuer, Credentials.user(ALICE, user_token)))
    assert claims["exp"] == int(clock.now) + 700
    assert claims["obo"] == tokens.limit_user_token(user_token)[0]


def test_nobody_gets_a_token_only_without_the_default_policy(issuer: PluginTokenIssuer) -> None:
    with pytest.raises(AuthenticationError, match=r"^Refused to issue service token for credential type 'none'$"):
        issue(issuer, Credentials.none())
    open_house = PluginTokenIssuer("scaffolder", RotatingKeys(MemoryKeyStore()), auth_policy_disabled=True)
    assert issue(open_house, Credentials.none()) == ""
    assert asyncio.run(open_house.headers("catalog", Credentials.none())) == {}


def test_a_token_that_another_installation_gave_is_sent_for_services_alone(clock: Clock, tmp_path: Path) -> None:
    keys = RotatingKeys(MemoryKeyStore(), clock=clock)
    issuer = PluginTokenIssuer("scaffolder", keys, given={"catalog": "theirs"}.get, clock=clock)
    assert issue(issuer, issuer.own_credentials) == "theirs"
    assert tokens.read_claims(issue(issuer, issuer.own_credentials, "search"))["aud"] == "search"
    user_token, _ = user_issuer(tmp_path, clock).issue(ALICE, [])
    assert tokens.read_claims(issue(issuer, Credentials.user(ALICE, user_token)))["aud"] == "catalog"
    limits = {"catalog": AccessRestrictions(("x",))}
    with pytest.raises(NotAllowedError, match="cannot be delegated"):
        issue(issuer, Credentials(ServicePrincipal("ci", limits["catalog"]), restrictions=limits))


def test_user_without_token_or_proof_cannot_be_represented(
    issuer: PluginTokenIssuer, clock: Clock, tmp_path: Path
) -> None:
    with pytest.raises(AuthenticationError, match="unexpectedly missing token"):
        issue(issuer, Credentials.user(ALICE))
    key = asyncio.run(RotatingKeys(MemoryKeyStore()).signing_key())
    bare = tokens.sign(key, tokens.USER, {"sub": ALICE, "exp": 5})
    with pytest.raises(AuthenticationError, match="missing user identity proof"):
        issue(issuer, Credentials.user(ALICE, bare))
    with pytest.raises(AuthenticationError, match="invalid token type"):
        issue(issuer, Credentials.user(ALICE, tokens.sign(key, tokens.PLUGIN, {"exp": 5})))


def test_restricted_external_token_is_passed_on_only_where_it_is_free(issuer: PluginTokenIssuer) -> None:
    limits = {
        "scaffolder": AccessRestrictions(("x",)),
        "catalog": AccessRestrictions(),
        "search": AccessRestrictions(("y",)),
    }
    credentials = Credentials(ServicePrincipal("ci", limits["scaffolder"]), restrictions=limits)
    assert issue(issuer, credentials, "catalog")
    with pytest.raises(NotAllowedError, match="'search' is restricted and cannot be delegated"):
        issue(issuer, credentials, "search")
    with pytest.raises(NotAllowedError, match="'techdocs' is not included in token's access restrictions"):
        issue(issuer, credentials, "techdocs")


@pytest.mark.parametrize(
    ("principal", "wire"),
    [
        (UserPrincipal(ALICE), {"type": "user", "userEntityRef": ALICE}),
        (
            UserPrincipal(ALICE, "plugin:a"),
            {"type": "user", "userEntityRef": ALICE, "actor": {"type": "service", "subject": "plugin:a"}},
        ),
        (ServicePrincipal("plugin:a"), {"type": "service", "subject": "plugin:a"}),
        (
            ServicePrincipal("ci", AccessRestrictions(("x",), ("read",))),
            {
                "type": "service",
                "subject": "ci",
                "accessRestrictions": {"permissionNames": ["x"], "permissionAttributes": {"action": ["read"]}},
            },
        ),
        (NonePrincipal(), {"type": "none"}),
    ],
)
def test_credentials_are_stored_in_backstages_form(
    principal: Any, wire: dict[str, Any], install: Callable[..., Installation]
) -> None:
    credentials = Credentials(principal, token="t")
    assert credentials.to_wire() == {
        "$$type": "@backstage/BackstageCredentials",
        "version": "v1",
        "principal": wire,
        "token": "t",
    }
    assert Credentials.from_wire(json.loads(json.dumps(credentials.to_wire()))) == credentials


def test_expiry_is_stored_to_the_millisecond(install: Callable[..., Installation]) -> None:
    installation = install()
    token, _ = installation.users.issue(ALICE, [])
    found = asyncio.run(installation.catalog.authenticate_token(token))
    wire = found.to_wire()
    assert wire["expiresAt"].endswith(".000Z")
    assert Credentials.from_wire(wire) == found


@pytest.mark.parametrize(
    "wire",
    [
        {},
        {"$$type": "x", "version": "v1"},
        {"$$type": "@backstage/BackstageCredentials", "version": "v1", "principal": {"type": "user"}},
    ],
)
def test_what_is_no_credentials_is_refused(wire: dict[str, Any]) -> None:
    with pytest.raises(AuthenticationError, match="Invalid credential type"):
        Credentials.from_wire(wire)


def test_endpoint_names_the_credentials_it_does_not_take() -> None:
    user, service = Credentials.user(ALICE), Credentials.service("plugin:a")
    assert user.require("user", "service") is user
    with pytest.raises(NotAllowedError, match=r"^This endpoint does not allow 'service' credentials$"):
        service.require("user")
    with pytest.raises(AuthenticationError, match=r"^Missing credentials$"):
        Credentials.none().require("user", "service")
