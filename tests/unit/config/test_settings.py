from datetime import timedelta
from typing import Any

import pytest
from tests.unit.config.conftest import Workspace

from understage.config.catalog_settings import AllowedKind
from understage.config.duration import parse_duration
from understage.config.redaction import REDACTED, redact, secret_values
from understage.config.settings import Settings
from understage.errors import InputError


def test_empty_configuration_has_the_stock_defaults() -> None:
    settings = Settings()
    assert (settings.backend.listen.host, settings.backend.listen.port) == ("", 7007)
    assert settings.backend.database.client == "better-sqlite3"
    assert [kind.kind for kind in settings.catalog.rules[0].allow] == ["Component", "API", "Location"]
    assert settings.catalog.orphan_strategy == "delete"
    assert settings.scaffolder.concurrent_tasks_limit == 10
    assert settings.scaffolder.task_timeout == timedelta(hours=24)
    assert settings.permission.enabled is False
    assert settings.backend.cors is None


def test_stock_file_is_read_and_foreign_keys_are_kept(workspace: Workspace) -> None:
    workspace.write(
        app_config__yaml="""
        app: {title: Ours, baseUrl: 'http://localhost:3000', extensions: [page:home], analytics: {ga: 1}}
        organization: {name: Org}
        backend:
          baseUrl: http://localhost:7007
          listen: {port: '${PORT}', host: 127.0.0.1}
          csp: {connect-src: ["'self'"]}
          cors: {origin: http://localhost:3000, methods: [GET, PUT], credentials: 'yes'}
          database:
            client: pg
            connection: {host: db, port: '5432', user: u, password: p, ssl: {rejectUnauthorized: false}}
          reading: {allow: [{host: '*.example.com', paths: [/a/]}]}
          auth:
            externalAccess:
              - type: static
                options: {token: abcdefgh, subject: ci}
                accessRestrictions: [{plugin: catalog, permission: 'a, b', permissionAttribute: {action: [read]}}]
        integrations:
          github: [{host: github.com, token: ' abc '}]
          gitea: [{host: git.local, username: u, password: p}]
          elsewhere: [{region: x}]
        catalog:
          import: {entityFilename: c.yaml}
          rules: [{allow: [Component, {kind: API, spec.type: openapi}], locations: [{type: url, pattern: 'https://*'}]}]
          locations: [{type: file, target: ./a.yaml, rules: [{allow: [User]}]}]
          processingInterval: {minutes: 5}
          providers: {github: {a: {organization: o}}}
        scaffolder: {taskTimeout: 2h, defaultEnvironment: {secrets: {T: t}}}
        auth: {environment: development, providers: {guest: {userEntityRef: user:default/guest}, github: {}}}
        permission: {enabled: 'true'}
        discovery:
          endpoints: [{target: 'http://a/{{pluginId}}', plugins: [auth]}, {target: {internal: http://b}, plugins: ['*']}]
        kubernetes: {clusterLocatorMethods: [{type: config, clusters: [{name: c, url: https://k, skipTLSVerify: true}]}]}
        argocd:
          username: admin
          password: pw
          appLocatorMethods: [{type: config, instances: [{name: a, url: https://argo}, {name: b, url: https://b, token: t}]}]
        understage: {dataDirectory: ./data, kubernetes: {clusters: [{name: dev, kubeconfig: k.yaml, context: c}]}}
        techdocs: {builder: local}
        """
    )
    settings = workspace.settings(PORT="7008")
    assert settings.backend.listen.port == 7008
    assert settings.backend.database.connection.port == 5432
    assert settings.backend.cors is not None
    assert (settings.backend.cors.origin, settings.backend.cors.credentials) == (("http://localhost:3000",), True)
    access = settings.backend.auth.external_access[0]
    assert access.access_restrictions[0].permission == ("a", "b")
    assert settings.integrations.github[0].token == "abc"
    assert settings.integrations.model_extra == {"elsewhere": [{"region": "x"}]}
    assert settings.catalog.rules[0].allow[1] == AllowedKind(kind="API", spec_type="openapi")
    assert settings.catalog.processing_interval == timedelta(minutes=5)
    assert settings.catalog.import_.entity_filename == "c.yaml"
    assert settings.scaffolder.task_timeout == timedelta(hours=2)
    assert settings.permission.enabled is True
    assert settings.discovery.endpoints[0].target.external == "http://a/{{pluginId}}"
    assert settings.discovery.endpoints[1].target.external is None
    assert settings.kubernetes.clusters[0].skip_tls_verify is True
    assert [(instance.username, instance.token) for instance in settings.argocd.instances] == [
        ("admin", None),
        (None, "t"),
    ]
    assert settings.understage.kubernetes.clusters[0].context == "c"
    assert settings.model_extra == {"techdocs": {"builder": "local"}}
    assert "abcdefgh" not in repr(settings)
    assert "password='p'" not in repr(settings)


@pytest.mark.parametrize(
    ("listen", "host", "port"),
    [
        ("':7010'", "", 7010),
        ("'7010'", "", 7010),
        ("7010", "", 7010),
        ("0.0.0.0:80", "0.0.0.0", 80),
        ("{host: h}", "h", 7007),
    ],
)
def test_listen_address_has_several_forms(workspace: Workspace, listen: str, host: str, port: int) -> None:
    found = workspace.write(app_config__yaml=f"backend: {{listen: {listen}}}").settings().backend.listen
    assert (found.host, found.port) == (host, port)


@pytest.mark.parametrize(("text", "value"), [("false", False), ("30m", timedelta(minutes=30)), ("null", None)])
def test_processing_may_be_off_or_have_an_interval(workspace: Workspace, text: str, value: Any) -> None:
    found = workspace.write(app_config__yaml=f"catalog: {{processingInterval: {text}}}").settings()
    assert found.catalog.processing_interval == value


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "backend:\n  listen:\n    port: abc",
            r"'backend\.listen\.port' in .*app-config\.yaml:3: expected a whole number, got string",
        ),
        ("backend:\n  listen: a:b:c", r"'backend\.listen' in .*:2: unable to parse listen address a:b:c"),
        ("backend: {database: {client: mysql}}", r"'backend\.database\.client' in .*:1: .*'better-sqlite3'.*'pg'"),
        ("backend: 5", r"'backend' in .*:1: expected an object, got number"),
        ("catalog:\n  locations:\n  - type: url", r"'catalog\.locations\[0\]\.target' in .*:3: it is required and missing"),
        ("catalog: {rules: {}}", r"'catalog\.rules' in .*: expected a list, got object"),
        ("catalog: {rules: [{allow: [5]}]}", r"'catalog\.rules\[0\]\.allow\[0\]' in .*: expected an object, got number"),
        ("catalog: {processingInterval: true}", r"'catalog\.processingInterval' in .*: expected a duration"),
        ("catalog: {rules: [{allow: [X], locations: [{type: a, exact: b, pattern: c}]}]}", "both an exact and a pattern"),
        ("permission: {enabled: maybe}", r"'permission\.enabled' in .*: expected true or false, got string"),
        ("app: {title: ''}", r"'app\.title' in .*: expected a non-empty string, got empty string"),
        ("scaffolder: {taskTimeout: 60}", r"'scaffolder\.taskTimeout' in .*: expected a duration such as \{minutes: 5\}"),
        ("scaffolder: {taskTimeout: {hour: 1}}", r"'scaffolder\.taskTimeout' in .*: unknown duration property 'hour'"),
        ("understage: {kubernetes: {clusters: [{name: a, inCluster: true, kubeconfig: x}]}}", "not by both"),
    ],
)  # fmt: skip
def test_wrong_value_names_key_file_line_and_expectation(workspace: Workspace, text: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        workspace.write(app_config__yaml=text).settings()


def test_all_problems_are_told_at_once_and_without_values(workspace: Workspace) -> None:
    workspace.write(app_config__yaml="backend: {listen: {port: hunter2}}\npermission: {enabled: hunter2}")
    with pytest.raises(InputError) as caught:
        workspace.settings()
    assert "backend.listen.port" in str(caught.value)
    assert "permission.enabled" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_wrong_value_of_the_environment_is_traced_to_it(workspace: Workspace) -> None:
    with pytest.raises(InputError, match=r"'backend\.listen\.port' in env: "):
        workspace.write(app_config__yaml="backend: {listen: {port: 1}}").settings(APP_CONFIG_backend_listen_port="x")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ({"hours": 1, "minutes": "30"}, 5400),
        ({"years": 1, "months": 1, "weeks": 1, "days": 1}, (365 + 30 + 7 + 1) * 86400),
        ({"milliseconds": 1500}, 1.5),
        ("1d", 86400),
        ("2.5 hrs", 9000),
        ("10 minutes", 600),
        ("500ms", 0.5),
        (" 0s ", 0),
        ("PT1M30.5S", 90.5),
        ("P1W2DT1H", 9 * 86400 + 3600),
    ],
)
def test_durations_as_people_write_them(value: Any, seconds: float) -> None:
    assert parse_duration(value).total_seconds() == seconds


@pytest.mark.parametrize(
    "value", [5, "5", "", "P", "PT", "1 fortnight", "-1s", {}, {"hours": "x"}, {"hour": 1}, None, []]
)
def test_what_is_no_duration(value: Any) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(value)


@pytest.mark.parametrize(("text", "minutes"), [("1m", 10), ("2h", 120), ("48h", 24 * 60)])
def test_token_lifetime_is_kept_within_bounds(workspace: Workspace, text: str, minutes: int) -> None:
    settings = workspace.write(app_config__yaml=f"auth: {{backstageTokenExpiration: {text}}}").settings()
    assert settings.auth.token_lifetime == timedelta(minutes=minutes)


def test_secrets_are_hidden_and_listed() -> None:
    config = {
        "backend": {
            "database": {"connection": "postgresql://user:hunter2@db/x"},
            "auth": {
                "keys": [{"secret": "s-e-c-r-e-t"}],
                "externalAccess": [{"type": "static", "options": {"token": "tok-12345", "subject": "ci"}}],
            },
            "cors": {"credentials": True},
            "https": {"certificate": {"key": "-----BEGIN PRIVATE KEY-----\nabc"}},
        },
        "integrations": {
            "azure": [
                {"credentials": [{"organizations": ["o"], "personalAccessToken": "pat-12345", "clientId": "id"}]}
            ],
            "github": [{"apps": [{"privateKey": "k-e-y-1", "clientSecret": 12345, "appId": 1}]}],
        },
        "auth": {"backstageTokenExpiration": "2h"},
        "scaffolder": {"defaultEnvironment": {"secrets": {"A": "not-a-name-that-tells"}}},
        "kubernetes": {"serviceAccountToken": ""},
    }
    shown = redact(config)
    assert shown == {
        "backend": {
            "database": {"connection": f"postgresql://{REDACTED}@db/x"},
            "auth": {
                "keys": [{"secret": REDACTED}],
                "externalAccess": [{"type": "static", "options": {"token": REDACTED, "subject": "ci"}}],
            },
            "cors": {"credentials": True},
            "https": {"certificate": {"key": REDACTED}},
        },
        "integrations": {
            "azure": [{"credentials": [{"organizations": ["o"], "personalAccessToken": REDACTED, "clientId": "id"}]}],
            "github": [{"apps": [{"privateKey": REDACTED, "clientSecret": REDACTED, "appId": 1}]}],
        },
        "auth": {"backstageTokenExpiration": "2h"},
        "scaffolder": {"defaultEnvironment": {"secrets": {"A": REDACTED}}},
        "kubernetes": {"serviceAccountToken": ""},
    }
    assert secret_values(config) == {
        *("hunter2", "s-e-c-r-e-t", "tok-12345", "pat-12345", "k-e-y-1", "not-a-name-that-tells"),
        "-----BEGIN PRIVATE KEY-----\nabc",
    }
