import asyncio
import base64
import json
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey
from tests.unit.identity.conftest import Installation

from understage.errors import AuthenticationError, InputError, NotAllowedError
from understage.identity import tokens
from understage.identity.credentials import AccessRestrictions, Credentials, ServicePrincipal, UserPrincipal
from understage.identity.keys import generate_key

Install = Callable[..., Installation]
ALICE = "user:default/alice"


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(coroutine)


def check(installation: Installation, header: str | None, **options: Any) -> Credentials:
    return asyncio.run(installation.catalog.authenticate(header, **options))


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    return {"sub": ALICE, "iat": now, "exp": now + 60, "aud": "backstage", **changes}


def test_user_token_gives_the_user_until_it_expires(install: Install) -> None:
    installation = install()
    token, seconds = installation.users.issue(ALICE, [ALICE])
    found = check(installation, f"bearer   {token}")
    assert found.principal == UserPrincipal(ALICE)
    assert found.token == token
    assert found.expires_at is not None
    assert 0 < (found.expires_at - datetime.now(UTC)).total_seconds() <= seconds
    assert token not in repr(found)


@pytest.mark.parametrize("header", [None, "", "Basic abc", "Bearer", "Bearer a b", "Token x"])
def test_no_bearer_token_means_missing_credentials(install: Install, header: str | None) -> None:
    with pytest.raises(AuthenticationError, match=r"^Missing credentials$"):
        check(install(), header)


def test_without_default_policy_nobody_may_call_but_a_bad_token_is_still_refused(install: Install) -> None:
    installation = install(
        backend={
            "baseUrl": "http://localhost:7007",
            "auth": {"dangerouslyDisableDefaultAuthPolicy": True},
        }
    )
    assert check(installation, None).principal.type == "none"
    with pytest.raises(AuthenticationError, match=r"^Illegal token$"):
        check(installation, "Bearer nonsense")


def test_token_of_a_foreign_key_is_refused(install: Install) -> None:
    installation = install()
    installation.users.issue(ALICE, [])
    kid = installation.users.public_jwks()["keys"][0]["kid"]
    forged = tokens.sign(ECKey.generate_key("P-256", {"kid": str(kid)}), tokens.USER, claims())
    with pytest.raises(AuthenticationError, match=r"^Failed user token verification$"):
        check(installation, f"Bearer {forged}")


@pytest.mark.parametrize(
    ("header", "change"),
    [
        ({"alg": "none", "typ": tokens.USER}, {}),
        ({"alg": "HS256", "typ": tokens.USER}, {}),
        ({"alg": "ES256", "typ": tokens.USER}, {"exp": 1}),
        ({"alg": "ES256", "typ": tokens.USER}, {"exp": "soon"}),
        ({"alg": "ES256", "typ": tokens.USER}, {"exp": None}),
        ({"alg": "ES256", "typ": tokens.USER}, {"exp": 10**30}),
        ({"alg": "ES256", "typ": tokens.USER}, {"exp": float("inf")}),
    ],
)
def test_weak_or_expired_user_token_is_refused(
    install: Install, header: dict[str, str], change: dict[str, Any]
) -> None:
    """Above all the public key must not serve as the secret of a symmetric signature."""
    installation = install()
    installation.users.issue(ALICE, [])
    jwk = installation.users.public_jwks()["keys"][0]
    body = {name: value for name, value in claims(**change).items() if value is not None}
    if header["alg"] == "none":
        parts = [json.dumps({**header, "kid": jwk["kid"]}), json.dumps(body)]
        token = ".".join(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts) + "."
    elif header["alg"] == "HS256":
        secret = OctKey.import_key(json.dumps(jwk).encode())
        token = jwt.encode({**header, "kid": jwk["kid"]}, body, secret, algorithms=["HS256"])
    else:
        own = generate_key()
        installation.network.serve(installation.auth_jwks, lambda: {"keys": [own.as_dict(private=False)]})
        token = tokens.sign(own, tokens.USER, body)
    with pytest.raises(AuthenticationError, match=r"^Failed user token verification$"):
        check(installation, f"Bearer {token}")


def test_limited_token_proves_the_user_where_it_is_allowed_only(install: Install) -> None:
    installation = install()
    token, _ = installation.users.issue(ALICE, [])
    limited, expires = tokens.limit_user_token(token)
    assert tokens.read_claims(limited) == {
        "sub": ALICE,
        "iat": tokens.read_claims(token)["iat"],
        "exp": expires,
    }
    assert check(installation, f"Bearer {limited}", allow_limited=True).user_ref == ALICE
    with pytest.raises(AuthenticationError, match=r"^Illegal limited user token$"):
        check(installation, f"Bearer {limited}")


def test_plugin_token_gives_the_service(install: Install) -> None:
    installation = install()
    token = run(installation.scaffolder.issue("catalog", installation.scaffolder.own_credentials))
    found = check(installation, f"Bearer {token}")
    assert found.principal == ServicePrincipal("plugin:scaffolder")


def test_plugin_token_on_behalf_of_a_user_gives_the_user_and_can_be_passed_on(install: Install) -> None:
    installation = install()
    user_token, _ = installation.users.issue(ALICE, [])
    caller = check(installation, f"Bearer {user_token}")
    token = run(installation.scaffolder.issue("catalog", caller))
    found = check(installation, f"Bearer {token}")
    assert found.principal == UserPrincipal(ALICE, actor="plugin:scaffolder")
    assert found.token == tokens.limit_user_token(user_token)[0]
    again = run(installation.scaffolder.issue("catalog", found))
    assert check(installation, f"Bearer {again}").user_ref == ALICE
    assert tokens.read_claims(again)["exp"] <= tokens.read_claims(user_token)["exp"]


def test_plugin_token_for_another_plugin_is_refused(install: Install) -> None:
    installation = install()
    token = run(installation.scaffolder.issue("search", installation.scaffolder.own_credentials))
    with pytest.raises(AuthenticationError, match=r"^Failed plugin token verification$"):
        check(installation, f"Bearer {token}")


def test_plugin_token_with_a_forged_user_is_refused(install: Install) -> None:
    installation = install()
    forged_user = tokens.sign(generate_key(), tokens.LIMITED_USER, claims())
    key = run(installation.scaffolder_keys.signing_key())
    token = tokens.sign(key, tokens.PLUGIN, claims(sub="scaffolder", aud="catalog", obo=forged_user))
    with pytest.raises(AuthenticationError, match=r"^Failed user token verification$"):
        check(installation, f"Bearer {token}")
    token = tokens.sign(key, tokens.PLUGIN, claims(sub="scaffolder", aud="catalog", obo="abc"))
    with pytest.raises(AuthenticationError, match=r"^Invalid user token in plugin token obo claim$"):
        check(installation, f"Bearer {token}")


@pytest.mark.parametrize("sub", ["../../admin", "a/b", "a b", "", None, 5, "a#"])
def test_plugin_id_of_a_token_cannot_lead_a_request_elsewhere(install: Install, sub: Any) -> None:
    installation = install()
    token = tokens.sign(generate_key(), tokens.PLUGIN, claims(sub=sub, aud="catalog"))
    with pytest.raises(AuthenticationError, match=r"^Invalid plugin token: forbidden subject format$"):
        check(installation, f"Bearer {token}")
    assert installation.network.requests == []


def test_plugin_without_keys_is_named(install: Install) -> None:
    installation = install()
    token = tokens.sign(generate_key(), tokens.PLUGIN, claims(sub="proxy", aud="catalog"))
    with pytest.raises(AuthenticationError, match="where the source 'proxy' plugin unexpectedly does not have a JWKS"):
        check(installation, f"Bearer {token}")


def test_old_user_token_without_type_is_taken(install: Install) -> None:
    installation = install()
    key = generate_key()
    installation.network.serve(installation.auth_jwks, lambda: {"keys": [key.as_dict(private=False)]})
    header = {"alg": "ES256", "kid": key.kid}
    token = jwt.encode(header, claims(), key, algorithms=["ES256"], default_type=None)
    assert check(installation, f"Bearer {token}").user_ref == ALICE


odd = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.lists(st.text(max_size=3), max_size=2)
    | st.just({})
)
odd_header = st.fixed_dictionaries(
    {},
    optional={
        "typ": odd | st.sampled_from([tokens.USER, tokens.LIMITED_USER, tokens.PLUGIN]),
        "alg": odd | st.sampled_from(["ES256", "none", "HS256"]),
        "kid": odd | st.just("KNOWN"),
        "crit": odd,
        "b64": odd,
        "jwk": odd,
        "zip": odd,
    },
)
odd_claims = st.fixed_dictionaries(
    {},
    optional={"sub": odd | st.just("scaffolder"), "aud": odd | st.just("catalog"), "exp": odd, "iat": odd, "obo": odd},
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(odd_header, odd_claims | odd, st.text(alphabet="ab-_=!", max_size=12))
def test_no_token_however_odd_is_more_than_refused(
    install: Install, header: dict[str, Any], body: Any, signature: str
) -> None:
    installation = install()
    key = generate_key()
    published = {"keys": [{**key.as_dict(private=False), "kid": "KNOWN"}]}
    installation.network.serve(installation.auth_jwks, lambda: published)
    installation.network.serve(installation.scaffolder_jwks, lambda: published)
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in (header, body)]
    with pytest.raises(AuthenticationError):
        asyncio.run(installation.catalog.authenticate_token(".".join((*parts, signature))))


STATIC = {"type": "static", "options": {"token": "ci-token-123", "subject": "ci"}}


def external(*entries: dict[str, Any], **auth: Any) -> dict[str, Any]:
    return {
        "backend": {
            "baseUrl": "http://localhost:7007",
            "auth": {"externalAccess": list(entries), **auth},
        }
    }


def test_static_token_gives_its_subject_as_it_is(install: Install) -> None:
    installation = install(**external(STATIC))
    assert check(installation, "Bearer ci-token-123").principal == ServicePrincipal("ci")
    with pytest.raises(AuthenticationError, match=r"^Illegal token$"):
        check(installation, "Bearer ci-token-124")


def test_restricted_token_carries_its_limits_and_works_for_its_plugins_only(install: Install) -> None:
    allowed = {**STATIC, "accessRestrictions": [{"plugin": "catalog", "permission": "catalog.entity.read, x"}]}
    found = check(install(**external(allowed)), "Bearer ci-token-123")
    assert found.principal == ServicePrincipal("ci", AccessRestrictions(("catalog.entity.read", "x")))
    other = {**STATIC, "accessRestrictions": [{"plugin": "search"}, {"plugin": "techdocs"}]}
    with pytest.raises(
        NotAllowedError, match=r"^This token's access is restricted to plugin\(s\) 'search', 'techdocs'$"
    ):
        check(install(**external(other)), "Bearer ci-token-123")


def test_legacy_tokens_of_both_settings(install: Install) -> None:
    secret = b"a shared secret of the old system"
    encoded = base64.b64encode(secret).decode()
    installation = install(
        **external(
            {"type": "legacy", "options": {"secret": encoded, "subject": "old"}},
            keys=[{"secret": base64.b64encode(b"another secret, also old").decode()}],
        )
    )

    def token(key: bytes, **changes: Any) -> str:
        body = {"sub": "backstage-server", "exp": int(time.time()) + 60, **changes}
        return jwt.encode({"alg": "HS256"}, body, OctKey.import_key(key), default_type=None)

    assert check(installation, f"Bearer {token(secret)}").actor_id == "old"
    assert check(installation, f"Bearer {token(b'another secret, also old')}").actor_id == "external:backstage-plugin"
    for bad in (token(b"some other secret entirely"), token(secret, sub="x"), token(secret, exp=1)):
        with pytest.raises(AuthenticationError, match=r"^Illegal token$"):
            check(installation, f"Bearer {bad}")


def test_external_jwks_checks_issuer_and_audience(install: Install) -> None:
    url = "https://idp.example.com/keys"
    options = {"url": url, "issuer": "idp", "audience": "a, b", "subjectPrefix": "idp"}
    installation = install(**external({"type": "jwks", "options": options}))
    key = generate_key()
    installation.network.serve(url, lambda: {"keys": [key.as_dict(private=False)]})

    def token(**changes: Any) -> str:
        body = claims(sub="robot", iss="idp", aud=["b"], **changes)
        return jwt.encode({"alg": "ES256", "kid": key.kid}, body, key, algorithms=["ES256"])

    assert check(installation, f"Bearer {token()}").actor_id == "external:idp:robot"
    wrong = jwt.encode({"alg": "ES256", "kid": key.kid}, claims(sub="robot", iss="x", aud="b"), key, ["ES256"])
    with pytest.raises(AuthenticationError, match=r"^Illegal token$"):
        check(installation, f"Bearer {wrong}")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"type": "static", "options": {"token": "short", "subject": "x"}}, "at least 8 characters"),
        ({"type": "static", "options": {"token": "a b c d e f", "subject": "x"}}, "Illegal token"),
        ({"type": "static", "options": {"token": "long-enough"}}, "options.subject"),
        ({"type": "legacy", "options": {"secret": "!!", "subject": "x"}}, "valid base64"),
        ({**STATIC, "accessRestrictions": [{"plugin": "a"}, {"plugin": "a"}]}, "twice for plugin 'a'"),
        ({**STATIC, "accessRestrictions": [{"plugin": "a", "permissions": "x"}]}, "Invalid key 'permissions'"),
        (
            {**STATIC, "accessRestrictions": [{"plugin": "a", "permissionAttribute": {"action": "write"}}]},
            "Invalid value 'write'",
        ),
    ],
)
def test_external_access_that_cannot_work_fails_at_start(install: Install, entry: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        install(**external(entry))


SECRET = b"a shared secret of the old system"
KEYS_URL = "https://idp.example.com/keys"


def plugin_token(installation: Installation, exp: int) -> str:
    body = {"sub": "scaffolder", "aud": "catalog", "iat": exp - 60, "exp": exp}
    return _signed_by_scaffolder(installation, body)


def plugin_token_for_a_user(installation: Installation, exp: int) -> str:
    user, _ = installation.users.issue(ALICE, [])
    limited, _ = tokens.limit_user_token(user)
    body = {"sub": "scaffolder", "aud": "catalog", "iat": exp - 60, "exp": exp, "obo": limited}
    return _signed_by_scaffolder(installation, body)


def _signed_by_scaffolder(installation: Installation, body: dict[str, Any]) -> str:
    return tokens.sign(run(installation.scaffolder_keys.signing_key()), tokens.PLUGIN, body)


def legacy_token(_: Installation, exp: int) -> str:
    body = {"sub": "backstage-server", "exp": exp}
    return jwt.encode({"alg": "HS256"}, body, OctKey.import_key(SECRET), default_type=None)


def foreign_token(installation: Installation, exp: int) -> str:
    key = generate_key()
    installation.network.serve(KEYS_URL, lambda: {"keys": [key.as_dict(private=False)]})
    return jwt.encode({"alg": "ES256", "kid": key.kid}, {"sub": "robot", "exp": exp}, key, algorithms=["ES256"])


@pytest.mark.parametrize("make", [plugin_token, plugin_token_for_a_user, legacy_token, foreign_token])
def test_no_token_of_a_service_is_taken_once_it_has_expired(
    install: Install, monkeypatch: pytest.MonkeyPatch, make: Callable[[Installation, int], str]
) -> None:
    now = [float(int(time.time()))]
    monkeypatch.setattr("time.time", lambda: now[0])
    legacy = {"type": "legacy", "options": {"secret": base64.b64encode(SECRET).decode(), "subject": "old"}}
    installation = install(**external(legacy, {"type": "jwks", "options": {"url": KEYS_URL}}))
    token = make(installation, int(now[0]) + 2)
    # Verified now, known from memory just before its end, and no longer at its end.
    assert check(installation, f"Bearer {token}").actor_id
    now[0] += 1.9
    assert check(installation, f"Bearer {token}").actor_id
    now[0] += 0.1
    with pytest.raises(AuthenticationError):
        check(installation, f"Bearer {token}")
