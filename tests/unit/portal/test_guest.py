"""Guest sign-in and what else `/api/auth` answers, over HTTP."""

import time
from typing import Any

import pytest
from fastapi import FastAPI
from joserfc import jwt
from joserfc.jwk import KeySet
from tests.portal.issuer import MemoryIssuer
from tests.unit.portal.client import Client

from understage.portal import create_portal

GUEST = {"auth": {"providers": {"guest": {"userEntityRef": "user:default/guest"}}}}


def auth(config: dict[str, Any], *, issuer: MemoryIssuer | None = None, development: bool = True) -> Client:
    """The catalog behind it knows one user, `user:default/guest`, a member of the shop team."""

    async def ownership_of(user_ref: str) -> list[str] | None:
        return ["group:default/shop-team"] if user_ref == "user:default/guest" else None

    async def authenticate(_request: Any) -> None:
        return None

    app = FastAPI()
    portal = create_portal(config, issuer=issuer or MemoryIssuer(), ownership_of=ownership_of, development=development)
    portal.mount(app, authenticate=authenticate)
    return Client(app)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_guest_gets_a_token_and_owns_what_the_group_owns(method: str) -> None:
    client = auth(GUEST)

    answer = client.request(method, "/api/auth/guest/refresh").json()

    token = answer["backstageIdentity"].pop("token")
    assert answer == {
        "profile": {},
        "backstageIdentity": {
            "expiresInSeconds": 3600,
            "identity": {
                "type": "user",
                "userEntityRef": "user:default/guest",
                "ownershipEntityRefs": ["user:default/guest", "group:default/shop-team"],
            },
        },
    }
    keys = KeySet.import_key_set(client.get("/api/auth/.well-known/jwks.json").json())
    assert jwt.decode(token, keys, algorithms=["ES256"]).claims["sub"] == "user:default/guest"


@pytest.mark.parametrize(
    ("guest", "user", "owned"),
    [
        (None, "user:development/guest", ["user:development/guest"]),
        ({}, "user:development/guest", ["user:development/guest"]),
        ({"userEntityRef": "user:default/new"}, "user:default/new", ["user:default/new"]),
        (
            {"userEntityRef": "user:default/new", "ownershipEntityRefs": ["group:default/all"]},
            "user:default/new",
            ["group:default/all"],
        ),
    ],
)
def test_a_guest_without_an_entity_owns_what_the_configuration_says(guest: Any, user: str, owned: list[str]) -> None:
    identity = auth({"auth": {"providers": {"guest": guest}}}).get("/api/auth/guest/refresh").json()

    assert identity["backstageIdentity"]["identity"] == {
        "type": "user",
        "userEntityRef": user,
        "ownershipEntityRefs": owned,
    }


def test_development_has_a_guest_without_any_configuration() -> None:
    assert auth({}).get("/api/auth/guest/refresh").status_code == 200


def test_outside_of_development_a_guest_must_be_allowed() -> None:
    refused = auth(GUEST, development=False).get("/api/auth/guest/refresh")
    allowed = {"userEntityRef": "user:default/guest", "dangerouslyAllowOutsideDevelopment": True}

    assert refused.status_code == 403
    assert refused.json()["error"]["name"] == "NotAllowedError"
    assert "dangerouslyAllowOutsideDevelopment" in refused.json()["error"]["message"]
    config = {"auth": {"providers": {"guest": allowed}}}
    assert auth(config, development=False).get("/api/auth/guest/refresh").status_code == 200


@pytest.mark.parametrize(
    ("config", "development", "path"),
    [
        ({"auth": {"providers": {"github": {}}}}, True, "/api/auth/guest/refresh"),
        ({}, False, "/api/auth/guest/refresh"),
        (GUEST, True, "/api/auth/guesst/refresh"),
    ],
)
def test_a_provider_that_is_not_configured_is_unknown(config: dict[str, Any], development: bool, path: str) -> None:
    answer = auth(config, development=development).get(path)

    assert answer.status_code == 404
    provider = path.split("/")[3]
    assert answer.json()["error"] == {"name": "NotFoundError", "message": f"Unknown auth provider '{provider}'"}
    assert answer.json()["request"] == {"method": "GET", "url": f"/{provider}/refresh"}


def test_a_guest_has_no_other_steps() -> None:
    answer = auth(GUEST).get("/api/auth/guest/start")

    assert (answer.status_code, answer.json()["error"]["name"]) == (501, "NotImplementedError")


def test_user_info_of_a_token() -> None:
    client = auth(GUEST)
    token = client.get("/api/auth/guest/refresh").json()["backstageIdentity"]["token"]

    answer = client.get("/api/auth/v1/userinfo", headers={"Authorization": f"Bearer {token}"})

    assert answer.json() == {
        "claims": {"sub": "user:default/guest", "ent": ["user:default/guest", "group:default/shop-team"]}
    }


def test_user_info_of_a_user_that_nobody_knows() -> None:
    issuer = MemoryIssuer()
    token, _ = issuer.issue("user:default/stranger", [])

    answer = auth(GUEST, issuer=issuer).get("/api/auth/v1/userinfo", headers={"Authorization": f"Bearer {token}"})

    assert (answer.status_code, answer.text) == (404, "User info not found")


NOW = int(time.time())
CLAIMS = {"sub": "user:default/guest", "iat": NOW - 100, "exp": NOW + 100_000}  # signed before the whole run
ISSUER = MemoryIssuer()


def without(claim: str) -> dict[str, Any]:
    return {name: value for name, value in CLAIMS.items() if name != claim}


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(ISSUER.sign({**CLAIMS, "exp": NOW - 90}), id="expired"),
        pytest.param(ISSUER.sign(without("exp")), id="without an end"),
        pytest.param(ISSUER.sign(without("sub")), id="without a user"),
        pytest.param(ISSUER.sign(CLAIMS, typ="vnd.backstage.plugin"), id="of a plugin"),
        pytest.param(MemoryIssuer().sign(CLAIMS), id="of another key"),
        pytest.param("eyJhbGciOiJub25lIn0." + ISSUER.sign(CLAIMS).split(".")[1] + ".", id="unsigned"),
        pytest.param("garbage", id="garbage"),
        pytest.param("a.b.c", id="three parts"),
    ],
)
def test_user_info_is_for_good_tokens_only(token: str) -> None:
    client = auth(GUEST, issuer=ISSUER)

    answer = client.get("/api/auth/v1/userinfo", headers={"Authorization": f"Bearer {token}"})

    assert (answer.status_code, answer.json()["error"]["name"]) == (401, "AuthenticationError")
    good = client.get("/api/auth/v1/userinfo", headers={"Authorization": f"Bearer {ISSUER.sign(CLAIMS)}"})
    assert good.status_code == 200


@pytest.mark.parametrize("header", [{}, {"Authorization": "Basic abc"}, {"Authorization": "Bearer "}])
def test_user_info_needs_a_token(header: dict[str, str]) -> None:
    answer = auth(GUEST).get("/api/auth/v1/userinfo", headers=header)

    assert (answer.status_code, answer.json()["error"]["message"]) == (401, "No token provided")


def test_the_openid_configuration_names_the_addresses_from_outside() -> None:
    config = {**GUEST, "backend": {"baseUrl": "https://acme.example/"}}

    answer = auth(config).get("/api/auth/.well-known/openid-configuration").json()

    assert answer["issuer"] == "https://acme.example/api/auth"
    assert answer["jwks_uri"] == "https://acme.example/api/auth/.well-known/jwks.json"
