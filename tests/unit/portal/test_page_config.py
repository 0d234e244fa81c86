"""What the page is told of the configuration, and what it is not."""

import json

import pytest

from understage.portal.page_config import base_path, called_origins, make_page_config

SECRET = "s3cr3t"
NO_ARGOCD = [
    {"entity-card:argocd/overviewCard": False},
    {"entity-card:argocd/historyCard": False},
    {"entity-content:argocd/ArgoCdPage": False},
]

FULL_OF_SECRETS = {
    "app": {
        "title": "Acme",
        "baseUrl": f"https://someone:{SECRET}@acme.example:3000/portal/",
        "analytics": {"ga4": {"measurementId": SECRET}},
        "support": {"url": "https://help.acme.example", "items": [{"title": "Chat", "token": SECRET}]},
    },
    "organization": {"name": "Acme Corp", "licence": SECRET},
    "backend": {
        "baseUrl": f"https://someone:{SECRET}@acme.example",
        "auth": {"keys": [{"secret": SECRET}], "externalAccess": [{"type": "static", "options": {"token": SECRET}}]},
        "database": {"client": "pg", "connection": {"password": SECRET}},
        "listen": SECRET,
    },
    "discovery": {
        "endpoints": [
            {
                "target": {
                    "internal": f"http://{SECRET}.cluster/api",
                    "external": "https://cat.example/api/{{pluginId}}",
                },
                "plugins": ["catalog"],
            },
            {"target": {"internal": f"http://{SECRET}.cluster/api"}, "plugins": ["search"]},
            {"target": f"https://u:{SECRET}@tasks.example/api/scaffolder", "plugins": ["scaffolder"], "key": SECRET},
        ]
    },
    "integrations": {
        "github": [
            {"host": "github.com", "token": SECRET},
            {
                "host": "ghe.example",
                "apiBaseUrl": "https://ghe.example/api/v3",
                "rawBaseUrl": f"https://x:{SECRET}@ghe.example/raw",
                "apps": [{"privateKey": SECRET, "clientSecret": SECRET, "webhookSecret": SECRET}],
            },
        ],
        "gitlab": [{"host": "gitlab.example", "baseUrl": "https://gitlab.example", "token": SECRET}],
        "gitea": [{"host": "git.example", "baseUrl": "https://git.example", "username": SECRET, "password": SECRET}],
        "bitbucketCloud": [{"username": SECRET, "appPassword": SECRET}],
        "bitbucketServer": [{"host": "bb.example", "apiBaseUrl": "https://bb.example/rest", "token": SECRET}],
        "gerrit": [{"host": "gerrit.example", "password": SECRET, "commitSigningKey": SECRET}],
        "azure": [{"host": "dev.azure.com", "credentials": [{"personalAccessToken": SECRET}]}],
        "awsS3": [{"accessKeyId": SECRET, "secretAccessKey": SECRET}],
        "googleGcs": {"privateKey": SECRET},
        "unheardOf": [{"host": SECRET}],
    },
    "auth": {
        "environment": "development",
        "session": {"secret": SECRET},
        "providers": {
            "guest": {"userEntityRef": "user:default/guest", "token": SECRET},
            "github": {"development": {"clientId": SECRET, "clientSecret": SECRET}},
        },
    },
    "permission": {"enabled": True, "rbac": {"admin": SECRET}},
    "catalog": {
        "import": {"entityFilename": "catalog-info.yaml", "pullRequestBranchName": "intro", "token": SECRET},
        "providers": {"github": {"token": SECRET}},
    },
    "scaffolder": {"defaultEnvironment": {"secrets": {"key": SECRET}}},
    "kubernetes": {"clusters": [{"serviceAccountToken": SECRET}]},
    "argocd": {
        "username": SECRET,
        "password": SECRET,
        "appLocatorMethods": [
            {
                "type": "config",
                "instances": [
                    {"name": "main", "url": f"https://{SECRET}.internal", "frontendUrl": "https://argocd.acme.example"},
                    {"name": "other", "url": f"https://u:{SECRET}@other.example", "token": SECRET, "password": SECRET},
                ],
            },
            {"type": "singleTenant", "token": SECRET},
        ],
    },
    "understage": {"anything": SECRET},
    "proxy": {"endpoints": {"/x": {"headers": {"Authorization": SECRET}}}},
}


def test_no_secret_of_a_full_configuration_reaches_the_page() -> None:
    page = make_page_config(FULL_OF_SECRETS)

    assert SECRET not in json.dumps(page)
    assert {name: value for name, value in page.items() if name != "app"} == {
        "organization": {"name": "Acme Corp"},
        "backend": {"baseUrl": "https://acme.example"},
        "discovery": {
            "endpoints": [
                {"target": {"external": "https://cat.example/api/{{pluginId}}"}, "plugins": ["catalog"]},
                {"target": {"external": "https://tasks.example/api/scaffolder"}, "plugins": ["scaffolder"]},
            ]
        },
        "integrations": {
            "github": [
                {"host": "github.com"},
                {
                    "host": "ghe.example",
                    "apiBaseUrl": "https://ghe.example/api/v3",
                    "rawBaseUrl": "https://ghe.example/raw",
                },
            ],
            "gitlab": [{"host": "gitlab.example", "baseUrl": "https://gitlab.example"}],
            "gitea": [{"host": "git.example", "baseUrl": "https://git.example"}],
            "bitbucketServer": [{"host": "bb.example", "apiBaseUrl": "https://bb.example/rest"}],
            "gerrit": [{"host": "gerrit.example"}],
            "azure": [{"host": "dev.azure.com"}],
        },
        "auth": {"environment": "development", "providers": {"guest": {}}},
        "argocd": {
            "appLocatorMethods": [
                {
                    "type": "config",
                    "instances": [
                        {
                            "name": "main",
                            "url": "https://argocd.acme.example",
                            "frontendUrl": "https://argocd.acme.example",
                        },
                        {"name": "other", "url": "https://other.example"},
                    ],
                },
                {"type": "singleTenant"},
            ]
        },
        "permission": {"enabled": True},
        "catalog": {"import": {"entityFilename": "catalog-info.yaml", "pullRequestBranchName": "intro"}},
    }
    assert page["app"]["support"] == {"url": "https://help.acme.example", "items": [{"title": "Chat"}]}


def test_an_empty_configuration_makes_a_page_that_works() -> None:
    assert make_page_config({}) == {
        "app": {
            "title": "Understage",
            "packages": "all",
            "baseUrl": "http://localhost:7007",
            "extensions": [{"app/routes": {"config": {"redirects": [{"from": "/", "to": "/catalog"}]}}}, *NO_ARGOCD],
        },
        "backend": {"baseUrl": "http://localhost:7007"},
    }


def test_the_page_shares_the_origin_of_the_api() -> None:
    """With the usual development ports the page would otherwise call the API across origins."""
    config = {"app": {"baseUrl": "http://localhost:3000/portal/"}, "backend": {"baseUrl": "http://localhost:7007/"}}

    page = make_page_config(config)

    assert page["app"]["baseUrl"] == "http://localhost:7007/portal"
    assert page["backend"]["baseUrl"] == "http://localhost:7007"
    assert base_path(config) == "/portal"


@pytest.mark.parametrize(
    "own",
    [
        {"app/routes": {"config": {"redirects": [{"from": "/", "to": "/create"}]}}},
        {"page:catalog": {"config": {"path": "/"}}},
    ],
)
def test_a_configured_root_is_left_alone(own: dict[str, object]) -> None:
    assert make_page_config({"app": {"extensions": [own]}})["app"]["extensions"] == [own, *NO_ARGOCD]


def test_other_extensions_are_kept_beside_the_redirect_of_the_root() -> None:
    extensions = ["page:org", {"sign-in-page:app": False}]

    page = make_page_config({"app": {"extensions": extensions}})

    assert page["app"]["extensions"][1:] == [*extensions, *NO_ARGOCD]


def test_argo_cd_is_shown_on_pages_of_what_it_deploys_where_it_is_configured() -> None:
    page = make_page_config(FULL_OF_SECRETS)
    shown = {name: settings for each in page["app"]["extensions"] for name, settings in each.items()}
    card, *others = (next(iter(each)) for each in NO_ARGOCD)
    assert [shown[name] for name in others] == [False, False]
    assert {"metadata.annotations.argocd/app-selector": {"$exists": True}} in shown[card]["config"]["filter"]["$any"]


def test_what_is_configured_of_the_plugin_for_argo_cd_stays() -> None:
    own = {"entity-card:argocd/historyCard": True}
    extensions = make_page_config({"app": {"extensions": [own]}})["app"]["extensions"]
    assert [each for each in extensions if own.keys() & each.keys()] == [own]


@pytest.mark.parametrize(
    "broken",
    [
        {"app": "x", "backend": 7, "integrations": [], "auth": None, "discovery": {"endpoints": "x"}},
        {"app": {"baseUrl": 5, "title": {"token": SECRET}}, "integrations": {"github": {"host": SECRET}}},
        {"discovery": {"endpoints": ["x", {"target": "http://a"}, {"target": 5, "plugins": ["x"]}]}},
        {"app": {"extensions": {"a": 1}}, "catalog": {"import": ["x"]}, "organization": {"name": [SECRET]}},
    ],
)
def test_values_of_a_wrong_type_are_left_out(broken: dict[str, object]) -> None:
    page = make_page_config(broken)

    assert SECRET not in json.dumps(page)
    assert page["backend"] == {"baseUrl": "http://localhost:7007"}
    assert page["app"]["title"] == "Understage"
    assert set(page) == {"app", "backend"}


def test_called_origins_are_those_of_discovery_and_of_forges_that_the_browser_calls() -> None:
    assert called_origins(make_page_config(FULL_OF_SECRETS)) == [
        "https://acme.example",
        "https://api.github.com",
        "https://bb.example",
        "https://cat.example",
        "https://ghe.example",
        "https://tasks.example",
    ]


def test_a_plugin_in_the_host_name_becomes_a_wildcard() -> None:
    config = {"discovery": {"endpoints": [{"target": "https://{{ pluginId }}.api.example/v1", "plugins": ["*"]}]}}

    assert "https://*.api.example" in called_origins(make_page_config(config))
