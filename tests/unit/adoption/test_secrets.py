"""Secrets in plain text: whatever the place, no output of an adoption has the value; what a pod reads, it goes on reading."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from tests.unit.adoption.test_hostile import request
from tests.unit.skeletons.golden_path import DEFAULTS, GUARDRAILS

from understage.adoption.suspicion import argument_of, looks_secret
from understage.errors import InputError
from understage.integrations.adoption import ServiceAdoption
from understage.integrations.adoption.sources import parse_objects
from understage.integrations.helm import HelmBinary
from understage.sdk import AdoptionProposal
from understage.sdk.testing import fake_ports, run_action
from understage.sdk.yaml import dump
from understage_actions.service_adopt import adopt

Json = dict[str, Any]
CANARY = "c4n4ry-Xq7ZpL2vT9"
KEY = "teams/a/production/web"


def deployment(container: Json | None = None, pod: Json | None = None, annotations: Json | None = None) -> Json:
    main = {
        "name": "web",
        "image": "registry.example.com/web:1",
        "ports": [{"containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/ok", "port": 8080}},
        "livenessProbe": {"httpGet": {"path": "/ok", "port": 8080}},
        **(container or {}),
    }
    spec = {**(pod or {}), "containers": [main, *(pod or {}).get("containers", [])]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "annotations": annotations or {}},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": spec},
        },
    }


def config_map(**data: str) -> Json:
    metadata = {"name": "web-settings", "namespace": "shop"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def env(**values: str) -> list[Json]:
    return [{"name": name, "value": value} for name, value in values.items()]


def key_ref(variable: str, key: str) -> Json:
    return {"name": variable, "valueFrom": {"configMapKeyRef": {"name": "web-settings", "key": key}}}


READ: dict[str, tuple[list[Json], dict[str, str]]] = {
    "variables": (
        [
            deployment(
                {"env": env(DB_PASSWORD=CANARY, MODE="fast", DATABASE_URL=f"postgres://app:{CANARY}@db:5432/app")}
            )
        ],
        {"DB_PASSWORD": "DB_PASSWORD", "DATABASE_URL": "DATABASE_URL"},
    ),
    "nothing but secrets": ([deployment({"env": env(apiToken=CANARY)})], {"apiToken": "apiToken"}),
    "beside other sources": (
        [deployment({"env": env(DB_PASSWORD=CANARY), "envFrom": [{"secretRef": {"name": "old"}}]})],
        {"DB_PASSWORD": "DB_PASSWORD"},
    ),
    "other containers, another value": (
        [
            deployment(
                {"env": env(TOKEN=CANARY)},
                {
                    "initContainers": [
                        {"name": "init", "image": "registry.example.com/i:1", "env": env(TOKEN=f"{CANARY}2")}
                    ],
                    "containers": [{"name": "side", "image": "registry.example.com/s:1", "env": env(TOKEN=CANARY)}],
                },
            )
        ],
        {"TOKEN": "TOKEN"},
    ),
    "made of another variable": (
        [deployment({"env": [*env(DB_PASSWORD=CANARY), {"name": "LINE", "value": "db $(DB_PASSWORD)"}]})],
        {"DB_PASSWORD": "DB_PASSWORD"},
    ),
    "a config map as environment": (
        [
            deployment({"envFrom": [{"configMapRef": {"name": "web-settings"}, "prefix": "APP_"}]}),
            config_map(DB_PASSWORD=CANARY, MODE="fast"),
        ],
        {"APP_DB_PASSWORD": "DB_PASSWORD"},
    ),
    "keys of a config map": (
        [
            deployment({"env": [key_ref("PASSWORD_OF_DB", "DB_PASSWORD"), key_ref("MODE", "MODE")]}),
            config_map(DB_PASSWORD=CANARY, MODE="fast"),
        ],
        {"PASSWORD_OF_DB": "DB_PASSWORD"},
    ),
    "what kubectl applied": (
        [
            deployment(
                {"env": env(DB_PASSWORD=CANARY)},
                annotations={"kubectl.kubernetes.io/last-applied-configuration": json.dumps({"env": CANARY})},
            )
        ],
        {"DB_PASSWORD": "DB_PASSWORD"},
    ),
}
SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web", "namespace": "shop"},
    "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
}
VOLUME = {"volumes": [{"name": "settings", "configMap": {"name": "web-settings"}}]}
MOUNT = {"volumeMounts": [{"name": "settings", "mountPath": "/etc/web"}]}
HEADER = {"httpGet": {"path": "/ok", "port": 8080, "httpHeaders": [{"name": "Authorization", "value": CANARY}]}}
HELD: dict[str, tuple[list[Json], str]] = {
    "a file": (
        [deployment(MOUNT, VOLUME), config_map(**{"application.yaml": f"db:\n  password: {CANARY}\n"})],
        "application.yaml",
    ),
    "a key that is mounted": ([deployment(MOUNT, VOLUME), config_map(DB_PASSWORD=CANARY)], "DB_PASSWORD"),
    "arguments": ([deployment({"args": ["serve", f"--db-password={CANARY}"]})], "args"),
    "an argument beside its flag": ([deployment({"command": ["web", "--token", CANARY]})], "command"),
    "a header of a probe": ([deployment({"readinessProbe": HEADER})], "Authorization"),
    "an annotation": (
        [deployment(annotations={"web/backend": f"https://app:{CANARY}@backend.example.com"})],
        "web/backend",
    ),
    "a variable that no Secret can have": ([deployment({"env": env(**{"db.password": CANARY})})], "db.password"),
    "another object": (
        [
            deployment(),
            {
                "apiVersion": "redis.example.com/v1",
                "kind": "Redis",
                "metadata": {"name": "web-cache"},
                "spec": {"auth": {"password": CANARY}},
            },
        ],
        "password",
    ),
}


async def propose(folder: Path, helm: Path, objects: list[Json], **other: Any) -> AdoptionProposal:
    folder.mkdir(exist_ok=True)
    (folder / "web.yaml").write_text("---\n".join(dump(item) for item in objects))
    asked = request(folder, namespace="shop", **other)
    return await ServiceAdoption(HelmBinary(str(helm)), GUARDRAILS).propose(asked)


def everything(proposal: AdoptionProposal) -> str:
    told = [dict(proposal.files), proposal.report, list(proposal.services), list(proposal.not_adopted)]
    return json.dumps(told, ensure_ascii=False)


def holds(text: str, value: str) -> bool:
    encoded = [base64.b64encode(value.encode()).decode().rstrip("="), value, value[::-1]]
    return any(each in text for each in encoded)


async def render(proposal: AdoptionProposal, helm: Path, folder: Path) -> list[Json]:
    for name, text in proposal.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    chart = folder / "deploy"
    text = await HelmBinary(str(helm)).template(
        chart,
        release="web-production",
        namespace="shop",
        values=[chart / "values.yaml", chart / "environments" / "production.yaml"],
    )
    return parse_objects(text, "rendered", strict=True)


@pytest.mark.parametrize("as_is", [False, True], ids=["values", "as-is"])
@pytest.mark.parametrize("case", READ)
async def test_what_was_in_clear_is_read_from_the_store(
    case: str, as_is: bool, helm_binary: Path, tmp_path: Path
) -> None:
    objects, variables = READ[case]
    objects = [*objects, SERVICE]
    proposal = await propose(tmp_path / "source", helm_binary, objects, as_is=as_is)
    assert not holds(everything(proposal), CANARY)
    (service,) = proposal.services
    assert service["keepsPods"] is False
    assert [each for each in service["differences"] if "not explained" in each["why"]] == []
    assert [each for each in service["differences"] if each["harmless"] == "no"] == []
    assert {each["property"] for each in service["secrets"]} >= set(variables.values())
    assert f"at `{KEY}`" in proposal.report
    assert f"Put into the team's store first, at `{KEY}`: " in proposal.report
    after = await render(proposal, helm_binary, tmp_path / "made")
    (external,) = [item for item in after if item["kind"] == "ExternalSecret"]
    kept = {entry["secretKey"]: entry["remoteRef"]["property"] for entry in external["spec"]["data"]}
    assert kept == {each["property"]: each["property"] for each in service["secrets"]}
    assert {entry["remoteRef"]["key"] for entry in external["spec"]["data"]} == {KEY}
    secret = external["spec"]["target"]["name"]
    (pod,) = [item["spec"]["template"]["spec"] for item in after if item["kind"] == "Deployment"]
    (main,) = [each for each in pod["containers"] if each["name"] == "web"]
    whole = {"secretRef": {"name": secret}} in main.get("envFrom", [])
    for variable, key in variables.items():
        given = [each for each in main.get("env", []) if each["name"] == variable]
        reference = {"secretKeyRef": {"name": secret, "key": key}}
        assert given == [{"name": variable, "valueFrom": reference}] or (whole and not given and variable == key)


async def test_the_same_name_with_two_values_is_two_properties(helm_binary: Path, tmp_path: Path) -> None:
    proposal = await propose(tmp_path, helm_binary, READ["other containers, another value"][0])
    (service,) = proposal.services
    assert sorted((each["object"], each["property"]) for each in service["secrets"]) == [
        ("Deployment/web, container init", "TOKEN_INIT"),
        ("Deployment/web, container side", "TOKEN"),
        ("Deployment/web, container web", "TOKEN"),
    ]


@pytest.mark.parametrize("as_is", [False, True], ids=["values", "as-is"])
@pytest.mark.parametrize("case", HELD)
async def test_what_cannot_be_read_from_a_store_is_not_adopted(
    case: str, as_is: bool, helm_binary: Path, tmp_path: Path
) -> None:
    objects, name = HELD[case]
    proposal = await propose(tmp_path, helm_binary, objects, as_is=as_is)
    assert proposal.services == []
    assert not [file for file in proposal.files if file.startswith("deploy/")]
    assert not holds(everything(proposal), CANARY)
    told = " ".join(entry["message"] for entry in proposal.not_adopted)
    assert f"`{name}`" in told
    assert "name it as plain" in told
    plain = await propose(tmp_path, helm_binary, objects, as_is=as_is, plain=[name])
    assert len(plain.services) == 1
    assert holds(everything(plain), CANARY)
    assert f"`{name}` looks like a secret and is carried over as plain text, as was asked for" in plain.report


async def test_a_config_map_that_two_services_read_is_not_taken_apart(helm_binary: Path, tmp_path: Path) -> None:
    read = {"envFrom": [{"configMapRef": {"name": "web-settings"}}]}
    other = json.loads(json.dumps(deployment(read)).replace('"web"', '"shop"'))
    proposal = await propose(tmp_path, helm_binary, [deployment(read), other, config_map(DB_PASSWORD=CANARY)])
    assert [service["name"] for service in proposal.services] == ["shop"]
    assert not holds(everything(proposal), CANARY)


async def test_plain_is_what_the_user_says_and_only_that(helm_binary: Path, tmp_path: Path) -> None:
    objects = [deployment({"env": env(DB_PASSWORD=CANARY, TOKEN_KIND="opaque", PASSWORD_RULES="long")})]
    proposal = await propose(tmp_path, helm_binary, objects, plain=["PASSWORD_RULES", "TOKEN_KIND"])
    (service,) = proposal.services
    assert [each["name"] for each in service["secrets"]] == ["DB_PASSWORD"]
    assert not holds(everything(proposal), CANARY)
    values = parse_objects(f"apiVersion: v1\nkind: V\n{proposal.files['deploy/values.yaml']}", "values", strict=True)
    assert values[0]["base-service"]["env"] == {"TOKEN_KIND": "opaque", "PASSWORD_RULES": "long"}
    assert proposal.report.count("is carried over as plain text") == 2
    with pytest.raises(InputError, match="plain: MODE is nothing that looks like a secret here") as refused:
        await propose(tmp_path, helm_binary, objects, plain=["MODE"])
    assert not holds(str(refused.value), CANARY)


@pytest.mark.parametrize("dry_run", [False, True], ids=["run", "plan"])
async def test_the_action_tells_names_and_paths_and_no_value(dry_run: bool, helm_binary: Path, tmp_path: Path) -> None:
    (tmp_path / "repository").mkdir()
    source = tmp_path / "repository" / "web.yaml"
    source.write_text(dump(deployment({"env": env(DB_PASSWORD=CANARY)})))
    result = await run_action(
        adopt,
        {"owner": "group:default/a", "environment": "production", "namespace": "shop", "sourcePath": "repository"},
        ports=fake_ports(adoption=ServiceAdoption(HelmBinary(str(helm_binary)), GUARDRAILS)),
        workspace=tmp_path,
        dry_run=dry_run,
        defaults=DEFAULTS,
    )
    written = [path.read_text() for path in (tmp_path / "adoption").rglob("*") if path.is_file()]
    assert not holds("\n".join([json.dumps(result.output), *result.log, *written]), CANARY)
    (service,) = result.output["services"]
    assert service["secrets"] == [
        {
            "name": "DB_PASSWORD",
            "object": "Deployment/web, container web",
            "reason": "is called like a secret",
            "key": KEY,
            "property": "DB_PASSWORD",
        }
    ]
    assert any(line.startswith("DB_PASSWORD of Deployment/web") and KEY in line for line in result.log)
    assert "DB_PASSWORD" in result.output["summary"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DB_PASS", "hunter2"),
        ("dbPassword", "1234"),
        ("SPRING_DATASOURCE_PASSWORD", "x"),
        ("STRIPE_KEY", "sk_live_4eC39HqLyjWDarjtT1"),
        ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
        ("SENTRY_DSN", "https://abc@o1.example.com/1"),
        ("BROKER", "amqp://guest:guest@mq:5672/"),
        ("JDBC", "jdbc:postgresql://db/app?user=a&password=b"),
        ("CONNECTION", "Server=db;User Id=sa;Password=hunter2;"),
        ("HOOK", "https://hooks.example.com/x?token=abc"),
        ("CERT", "-----BEGIN RSA PRIVATE KEY-----\nMII"),
        ("SEED", "q8Zr2LxV0bTn5KcYw7Hd9Jf3"),
        ("PEPPER", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"),
        ("GH", "ghp_abcdefghijklmnopqrstuvwxyz0123456789"),
        ("SESSION", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc"),
        ("UPSTREAM_HEADER", "Basic dXNlcjpodW50ZXIy"),
    ],
)
def test_what_looks_like_a_secret(name: str, value: str) -> None:
    reason = looks_secret(name, value)
    assert reason
    assert value not in reason


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MODE", "fast"),
        ("PASSWORD_FILE", "/run/secrets/db"),
        ("TOKEN_URL", "https://login.example.com/token"),
        ("TOKEN_TTL", "3600"),
        ("MAX_TOKENS", "4096"),
        ("DB_PASSWORD", ""),
        ("REQUIRE_PASSWORD", "true"),
        ("SECRET_NAME", "ledger-db"),
        ("DATABASE_URL", "postgres://db:5432/app"),
        ("PEER", "http://shop.shop-staging.svc:80"),
        ("GIT_COMMIT", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b"),
        ("TENANT_ID", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
        ("TEMPLATE", "{{ .Values.image }} ${HOME} {% raw %}"),
        ("JAVA_OPTS", "-Xmx512m -XX:+UseG1GC"),
        ("FEATURES", "checkout,refunds,a-long-list-of-features"),
        ("AUTHOR", "ada"),
        ("PRIMARY_KEYBOARD", "de"),
    ],
)
def test_what_does_not(name: str, value: str) -> None:
    assert looks_secret(name, value) is None


@pytest.mark.parametrize(
    ("arguments", "is_secret"),
    [
        (["--password=hunter2"], True),
        (["--api-key", "hunter2"], True),
        (["sh", "-c", "curl https://a:b@example.com"], True),
        (["--password=$(DB_PASSWORD)"], False),
        (["--password", "$(DB_PASSWORD)"], False),
        (["--token-file=/run/token"], False),
        (["--token-file", "/run/token"], False),
        (["--verbose", "--port=8080"], False),
        (["--password"], False),
    ],
)
def test_arguments(arguments: list[str], is_secret: bool) -> None:
    assert (argument_of(arguments) is not None) is is_secret
