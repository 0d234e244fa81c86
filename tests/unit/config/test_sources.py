"""Semantics of Backstage config-loader 1.11.3 and config 1.3."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.config.conftest import Workspace

from understage.errors import InputError, SourceError

Load = Callable[..., dict[str, Any]]


def test_later_files_win_key_by_key(workspace: Workspace) -> None:
    workspace.write(
        a__yaml="x: {a: 1, b: [1, 2], c: {d: 1}, e: 1, f: {g: 1}}\ny: 1",
        b__yaml="x: {a: 2, b: [3], c: {h: 2}, e: {i: 1}, f: null}\ny: null\nz: null",
    )
    assert workspace.load("a.yaml", "b.yaml").data == {"x": {"a": 2, "b": [3], "c": {"d": 1, "h": 2}, "e": {"i": 1}}}
    assert workspace.load("b.yaml", "a.yaml").data == {
        "x": {"a": 1, "b": [1, 2], "c": {"d": 1, "h": 2}, "e": 1, "f": {"g": 1}},
        "y": 1,
    }


def test_null_in_a_list_stays(load: Load) -> None:
    assert load("a: [1, null]\nb: {c: null}") == {"a": [1, None], "b": {}}


def test_environment_wins_over_files_and_command_line_over_all(workspace: Workspace) -> None:
    workspace.write(app_config__yaml="backend: {listen: {port: 1, host: a}, baseUrl: x}\n")
    found = workspace.load(
        overrides={"backend": {"listen": {"port": 3}}},
        APP_CONFIG_backend_listen_port="2",
        APP_CONFIG_backend_baseUrl="http://y",
        APP_CONFIG_empty="",
    )
    assert found.data == {"backend": {"listen": {"port": 3, "host": "a"}, "baseUrl": "http://y"}}
    assert [source.context for source in found.sources] == ["app-config.yaml", "env", "command line"]


def test_environment_values_are_json_or_text(load: Load) -> None:
    assert load(
        "a: 1",
        APP_CONFIG_b='{"c": [1]}',
        APP_CONFIG_d="true",
        APP_CONFIG_e="12px",
        **{"APP_CONFIG_my-key_f:g": '"7"'},
    ) == {"a": 1, "b": {"c": [1]}, "d": True, "e": "12px", "my-key": {"f:g": "7"}}


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"APP_CONFIG_a": "1", "APP_CONFIG_a_b": "2"}, "Could not nest config for key 'a_b' under existing value 'a'"),
        ({"APP_CONFIG_a_b": "2", "APP_CONFIG_a": "1"}, "Refusing to override existing config at key 'a'"),
        ({"APP_CONFIG_a": "null"}, "value may not be null"),
        ({"APP_CONFIG_a__b": "1"}, "Invalid env config key 'a__b'"),
        ({"APP_CONFIG_1a": "1"}, "Invalid env config key '1a'"),
    ],
)
def test_contradictory_environment_is_refused(load: Load, environ: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load("{}", **environ)


def test_default_files_and_their_order(workspace: Workspace) -> None:
    workspace.write(
        app_config__yaml="n: 1\nbase: 1",
        app_config__production__yaml="n: 2\nproduction: 1",
        app_config__local__yaml="n: 3\nlocal: 1",
        app_config__production__local__yaml="n: 4\nproductionLocal: 1",
    )
    assert workspace.load().data == {"n": 3, "base": 1, "local": 1}
    assert workspace.load(BACKSTAGE_ENV="production, missing").data == {
        "n": 4,
        "base": 1,
        "production": 1,
        "local": 1,
        "productionLocal": 1,
    }
    assert workspace.load("app-config.production.yaml").data == {"n": 2, "production": 1}


def test_missing_file_is_named(workspace: Workspace) -> None:
    with pytest.raises(InputError, match=r'Config file ".*/app-config.yaml" does not exist'):
        workspace.load()
    with pytest.raises(InputError, match="looks like a URL"):
        workspace.load("https://example.com/app-config.yaml")


def test_broken_file_names_file_line_and_column(workspace: Workspace) -> None:
    workspace.write(app_config__yaml="a: 1\nb: [\n")
    with pytest.raises(SourceError, match=r"app-config\.yaml:3:1: "):
        workspace.load()
    workspace.write(app_config__yaml="- a\n")
    with pytest.raises(InputError, match="expected object at config root"):
        workspace.load()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${A}", "one"),
        ("x${A}y${B}z", "xoneytwoz"),
        ("${ A }", "one"),
        ("$${A}", "${A}"),
        ("$${A} ${A}", "${A} one"),
        ("$A {A} ${}", None),
        ("${NONE}", None),
        ("x ${NONE}", None),
        ("${NONE:-fallback}", "fallback"),
        ("${EMPTY:-fallback}", "fallback"),
        ("${EMPTY}", ""),
        ("${NONE:-}", None),
        ("${NONE:- a:-b }", "a:-b"),
        ("${NONE:-http://localhost:7007}", "http://localhost:7007"),
        ("${{ x }}", "${{ x }}"),
        ("plain", "plain"),
    ],
)
def test_variables_are_substituted(load: Load, text: str, value: str | None) -> None:
    found = load(f"k: '{text}'\nlist: ['{text}', 1]", A=" one ", B="two", EMPTY="")
    assert found == ({"k": value, "list": [value, 1]} if value is not None else {"list": [1]})


def test_env_file_and_include(workspace: Workspace) -> None:
    workspace.write(
        app_config__yaml="""
        token: {$env: TOKEN}
        none: {$env: NONE}
        key: {$file: 'secrets/${NAME}.pem'}
        all: {$include: secrets/more.yaml}
        part: {$include: 'secrets/more.yaml#a.b'}
        text: {$include: 'secrets/more.yaml#text'}
        json: {$include: 'secrets/data.json#x'}
        """,
        secrets_in_key__pem="PEM\n\n",
        secrets_in_more__yaml="a: {b: [1, {c: {$file: key.pem}}]}\ntext: 'T=${TOKEN}'\n",
        secrets_in_data__json='{"x": [true]}',
    )
    inner = [1, {"c": "PEM"}]
    assert workspace.load(TOKEN="secret", NAME="key").data == {
        "token": "secret",
        "key": "PEM",
        "all": {"a": {"b": inner}, "text": "T=secret"},
        "part": inner,
        "text": "T=secret",
        "json": [True],
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: {b: {$file: x.txt, other: 1}}", r"error at \.a\.b, include key \$file should not have adjacent keys"),
        ("a: {$file: 5}", r"error at \.a, \$file include value is not a string"),
        ("a: {$file: missing.txt}", r'error at \.a, failed to include ".*missing\.txt", file does not exist'),
        ("a: [{$include: missing.yaml}]", r"error at \.a\[0\], failed to"),
        ("a: {$include: x.toml}", "no configuration parser available for included file x.toml"),
        ("a: {$include: 'app-config.yaml#a.b.c'}", "in included file app-config.yaml is not an object"),
        ("a: {b: 1, c: {$include: app-config.yaml}}", "does a file include itself"),
        ("a: {$file: '${NONE}'}", r"\$file substitution value was undefined"),
    ],
)
def test_bad_include_names_its_key(load: Load, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load(text)


def test_get_reads_plain_data_by_path(workspace: Workspace) -> None:
    found = workspace.write(app_config__yaml="a: {b: {c: 1}}").load()
    assert found.get("a.b.c") == 1
    assert found.get("a.x.c", "none") == "none"


def test_origin_is_the_layer_that_decided(workspace: Workspace) -> None:
    workspace.write(a__yaml="x:\n  list: [1, 2]\n  only: 1\n", b__yaml="x:\n  list:\n  - 3\n")
    found = workspace.load("a.yaml", "b.yaml", APP_CONFIG_x_env="1")
    assert found.origin_of(["x", "list", 0]).endswith("b.yaml:3")
    assert found.origin_of(["x", "list", 1]).endswith("b.yaml:2")
    assert found.origin_of(["x", "only"]).endswith("a.yaml:3")
    assert found.origin_of(["x", "env"]) == "env"
