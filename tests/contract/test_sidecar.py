"""Understage beside a stock backend: each trusts the other's tokens by its published keys, and asks it by discovery."""

import base64
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey
from tests.contract.installation import Installation
from tests.contract.sidecar import SCAFFOLDER_ONLY_TOKEN, STATIC_TOKEN, Sidecar, running_sidecar
from tests.databases import PostgresServer

TASKS = "/api/scaffolder/v2/tasks"
OWNERS = ("user:default/guest", "group:default/payments")
ENTITIES = "/api/catalog/entities?fields=kind,metadata.namespace,metadata.name"
OWNED_BY_GUEST = ENTITIES + "&filter=" + ",".join(f"relations.ownedBy={owner}" for owner in OWNERS)


@pytest.fixture(scope="module")
def sidecar(
    stock_installation: Installation, postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sidecar]:
    folder = tmp_path_factory.mktemp("sidecar")
    with running_sidecar(stock_installation, postgres_server.url("postgres"), folder) as running:
        yield running


def claims(token: str) -> dict[str, object]:
    payload = token.split(".")[1]
    decoded: dict[str, object] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return decoded


def header(token: str) -> dict[str, str]:
    part = token.split(".")[0]
    decoded: dict[str, str] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return decoded


def names(entities: list[dict[str, dict[str, str]]]) -> set[str]:
    return {f"{entity['kind']}:{entity['metadata']['name']}" for entity in entities}


def test_signing_in_asks_our_catalog_who_the_user_is(sidecar: Sidecar) -> None:
    answer = sidecar.stock.request("GET", "/api/auth/guest/refresh").json()
    identity = answer["backstageIdentity"]["identity"]
    assert identity["userEntityRef"] == "user:default/guest"
    assert "group:default/payments" in identity["ownershipEntityRefs"]
    assert "/api/catalog/entities/" not in sidecar.stock.log


def test_a_token_of_the_stock_sign_in_opens_our_catalog(sidecar: Sidecar) -> None:
    answer = sidecar.ours.request("GET", ENTITIES, token=sidecar.token)
    assert answer.status_code == 200
    owned = sidecar.ours.request("GET", OWNED_BY_GUEST, token=STATIC_TOKEN).json()
    assert names(answer.json()) == names(owned) >= {"System:checkout"}


def test_without_a_token_nothing_is_answered(sidecar: Sidecar) -> None:
    answer = sidecar.ours.request("GET", ENTITIES)
    assert answer.status_code == 401
    assert answer.json()["error"] == {"name": "AuthenticationError", "message": "Missing credentials"}


@pytest.mark.parametrize("forgery", ["other key", "other user", "no signature", "plugin of nobody"])
def test_forged_tokens_are_refused(sidecar: Sidecar, forgery: str) -> None:
    key = ECKey.generate_key("P-256")
    now = int(time.time())
    head, payload, signature = sidecar.token.split(".")
    if forgery == "other key":
        token = jwt.encode(dict(header(sidecar.token)), claims(sidecar.token), key)
    elif forgery == "other user":
        forged = json.dumps({**claims(sidecar.token), "sub": "user:default/somebody"}).encode()
        token = ".".join((head, base64.urlsafe_b64encode(forged).decode().rstrip("="), signature))
    elif forgery == "no signature":
        none = json.dumps({**header(sidecar.token), "alg": "none"}).encode()
        token = ".".join((base64.urlsafe_b64encode(none).decode().rstrip("="), payload, ""))
    else:
        claim = {"sub": "neighbour", "aud": "catalog", "iat": now, "exp": now + 600}
        token = jwt.encode({"alg": "ES256", "typ": "vnd.backstage.plugin", "kid": "x"}, claim, key)
    answer = sidecar.ours.request("GET", ENTITIES, token=token)
    assert answer.status_code == 401
    assert answer.json()["error"]["name"] == "AuthenticationError"


def test_the_stock_permission_backend_decides_what_users_see(sidecar: Sidecar) -> None:
    everything = names(sidecar.ours.request("GET", ENTITIES, token=STATIC_TOKEN).json())
    seen = names(sidecar.ours.request("GET", ENTITIES, token=sidecar.token).json())
    assert seen < everything >= {"Template:new-service"}
    # It took our question because our signature is right by the keys that we publish.
    assert '"POST /api/permission/authorize HTTP/1.1" 200' in sidecar.stock.log
    assert '"POST /api/permission/authorize HTTP/1.1" 401' not in sidecar.stock.log
    keys = sidecar.ours.request("GET", "/api/catalog/.backstage/auth/v1/jwks.json").json()["keys"]
    assert keys


def test_the_stock_permission_backend_forbids(sidecar: Sidecar) -> None:
    location = {"type": "url", "target": "https://example.com/catalog-info.yaml"}
    answer = sidecar.ours.request("POST", "/api/catalog/locations?dryRun=true", token=sidecar.token, json=location)
    assert answer.status_code == 403
    assert answer.json()["error"] == {"name": "NotAllowedError", "message": ""}


def test_the_stock_permission_backend_asks_us_whether_its_conditions_hold(sidecar: Sidecar) -> None:
    def decision(ref: str) -> str:
        permission = {
            "type": "resource",
            "name": "catalog.entity.refresh",
            "attributes": {"action": "update"},
            "resourceType": "catalog-entity",
        }
        question = {"id": "one", "permission": permission, "resourceRef": ref}
        path = "/api/permission/authorize"
        answer = sidecar.stock.request("POST", path, token=sidecar.token, json={"items": [question]})
        assert answer.status_code == 200, answer.text
        [item] = answer.json()["items"]
        assert item["id"] == "one"
        return str(item["result"])

    assert decision("system:default/checkout") == "ALLOW"
    assert decision("component:default/base-service") == "DENY"
    assert decision("component:default/not-there") == "DENY"


def test_a_refresh_is_for_owners(sidecar: Sidecar) -> None:
    def status(ref: str) -> int:
        path = "/api/catalog/refresh"
        return sidecar.ours.request("POST", path, token=sidecar.token, json={"entityRef": ref}).status_code

    assert status("system:default/checkout") == 200
    assert status("component:default/base-service") == 403


def test_conditions_are_for_backends(sidecar: Sidecar) -> None:
    path = "/api/catalog/.well-known/backstage/permissions/apply-conditions"
    conditions = {"rule": "IS_ENTITY_KIND", "resourceType": "catalog-entity", "params": {"kinds": ["System"]}}
    question = {
        "id": "one",
        "resourceRef": ["system:default/checkout", "component:default/base-service"],
        "resourceType": "catalog-entity",
        "conditions": conditions,
    }
    refused = sidecar.ours.request("POST", path, token=sidecar.token, json={"items": [question]})
    assert refused.status_code == 403
    answered = sidecar.ours.request("POST", path, token=STATIC_TOKEN, json={"items": [question]})
    assert answered.json() == {"items": [{"id": "one", "result": ["ALLOW", "DENY"]}]}
    unknown = {**question, "conditions": {**conditions, "rule": "IS_NICE"}}
    assert sidecar.ours.request("POST", path, token=STATIC_TOKEN, json={"items": [unknown]}).status_code == 500


def test_a_node_plugin_asks_our_catalog_for_its_caller(sidecar: Sidecar) -> None:
    answer = sidecar.stock.request("GET", f"/api/neighbour/as-caller{ENTITIES[4:]}", token=sidecar.token)
    assert answer.status_code == 200
    assert names(answer.json()) == names(sidecar.ours.request("GET", ENTITIES, token=sidecar.token).json())


def test_a_node_plugin_asks_our_catalog_for_itself(sidecar: Sidecar) -> None:
    answer = sidecar.stock.request("GET", f"/api/neighbour/as-itself{ENTITIES[4:]}", token=sidecar.token)
    assert answer.status_code == 200
    assert names(answer.json()) == names(sidecar.ours.request("GET", ENTITIES, token=STATIC_TOKEN).json())


def test_static_tokens_reach_the_plugins_they_are_for(sidecar: Sidecar) -> None:
    assert sidecar.ours.request("GET", ENTITIES, token=STATIC_TOKEN).status_code == 200
    refused = sidecar.ours.request("GET", ENTITIES, token=SCAFFOLDER_ONLY_TOKEN)
    assert refused.status_code == 403
    assert refused.json()["error"] == {
        "name": "NotAllowedError",
        "message": "This token's access is restricted to plugin(s) 'scaffolder'",
    }
    assert sidecar.ours.request("GET", ENTITIES, token=STATIC_TOKEN[:-1]).status_code == 401


@pytest.fixture(scope="module")
def scaffolder_only(
    stock_installation: Installation, postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sidecar]:
    folder = tmp_path_factory.mktemp("scaffolder-only")
    database = postgres_server.url("postgres")
    with running_sidecar(stock_installation, database, folder, ["scaffolder"]) as running:
        yield running


def run_task(sidecar: Sidecar, token: str) -> dict[str, Any]:
    """The task of the guest's template when it has ended."""
    order = {
        "templateRef": "template:default/params",
        "values": {"name": "ok", "owner": "user:default/guest", "list": ["a"]},
        "secrets": {"apiKey": "supersecret"},
    }
    created = sidecar.ours.request("POST", TASKS, token=token, json=order)
    assert created.status_code == 201, created.text
    deadline = time.monotonic() + 30
    while True:
        task: dict[str, Any] = sidecar.ours.request("GET", f"{TASKS}/{created.json()['id']}", token=token).json()
        if task["status"] in ("completed", "failed"):
            return task
        assert time.monotonic() < deadline, task
        time.sleep(0.1)


def test_a_user_of_the_stock_sign_in_runs_a_task(sidecar: Sidecar) -> None:
    task = run_task(sidecar, sidecar.token)
    assert task["status"] == "completed"
    assert task["createdBy"] == "user:default/guest"
    assert task["spec"]["user"]["ref"] == "user:default/guest"
    assert task["spec"]["templateInfo"]["entityRef"] == "template:default/params"


def test_a_template_that_a_user_may_not_read_does_not_exist_for_them(sidecar: Sidecar) -> None:
    path = "/api/scaffolder/v2/templates/default/template/{}/parameter-schema"
    assert sidecar.ours.request("GET", path.format("params"), token=sidecar.token).status_code == 200
    assert sidecar.ours.request("GET", path.format("new-service"), token=sidecar.token).status_code == 404
    assert sidecar.ours.request("GET", path.format("new-service"), token=STATIC_TOKEN).status_code == 200


def test_a_node_plugin_runs_a_task_for_its_caller(sidecar: Sidecar) -> None:
    answer = sidecar.stock.request("GET", f"/api/neighbour/as-caller{TASKS[4:]}", token=sidecar.token)
    assert answer.status_code == 200
    assert {task["createdBy"] for task in answer.json()["tasks"]} <= {"user:default/guest"}


def test_our_scaffolder_asks_the_stock_catalog_for_the_user(scaffolder_only: Sidecar) -> None:
    """The stock catalog takes the token of our scaffolder by the keys that we publish, and shows what the user may see."""
    task = run_task(scaffolder_only, scaffolder_only.token)
    assert task["status"] == "completed"
    assert task["spec"]["user"]["ref"] == "user:default/guest"
    assert task["spec"]["templateInfo"]["entityRef"] == "template:default/params"
    keys = scaffolder_only.ours.request("GET", "/api/scaffolder/.backstage/auth/v1/jwks.json").json()["keys"]
    assert keys
    path = "/api/scaffolder/v2/templates/default/template/new-service/parameter-schema"
    assert scaffolder_only.ours.request("GET", path, token=scaffolder_only.token).status_code == 404
    assert scaffolder_only.ours.request("GET", path, token=STATIC_TOKEN).status_code == 200
    assert "/api/scaffolder/.backstage/auth/v1/jwks.json" not in scaffolder_only.stock.log, "asked at our address"


def test_a_page_of_the_stock_origin_may_call_our_catalog(sidecar: Sidecar) -> None:
    asked = {
        "origin": sidecar.stock.url,
        "access-control-request-method": "GET",
        "access-control-request-headers": "authorization,content-type",
    }
    answer = sidecar.ours.request("OPTIONS", ENTITIES, headers=asked)
    assert answer.status_code in (200, 204)
    assert answer.headers["access-control-allow-origin"] == sidecar.stock.url
    assert "authorization" in answer.headers["access-control-allow-headers"].lower()
    foreign = sidecar.ours.request("OPTIONS", ENTITIES, headers={**asked, "origin": "http://elsewhere.example.com"})
    assert "access-control-allow-origin" not in foreign.headers


def test_the_policy_of_the_stock_pages_lets_them_call_another_origin(sidecar: Sidecar) -> None:
    policy = sidecar.stock.request("GET", "/").headers["content-security-policy"]
    sources = {name: values for name, *values in (part.split() for part in policy.split(";") if part.strip())}
    assert {"'self'", "http:", "https:"} <= set(sources["connect-src"])
