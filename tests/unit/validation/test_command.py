"""`understage catalog validate` as people and pipelines use it: what it prints and how it exits."""

import json
import re
import shlex
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic_sarif.model import StaticAnalysisResultsFormatSarifVersion210JsonSchema as SarifLog
from tests.store.catalog_bench import component, location
from tests.unit.validation.command import Run, findings, places

from understage.model.yaml import parse_document

ROOT = Path(__file__).parents[3]


def test_good_files_are_fine(run: Run, tmp_path: Path) -> None:
    (tmp_path / "catalog-info.yaml").write_text(component("one") + "\n---\n" + component("two"))
    result = run("catalog-info.yaml")
    assert (result.exit_code, result.stdout) == (0, "2 entities in 1 file: nothing is wrong\n")


def test_people_see_place_line_mark_and_what_to_do(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    text = component("one").replace('  owner: "team-a"', "\tno: yaml")
    (tmp_path / "a/catalog-info.yaml").write_text(text)
    (tmp_path / "catalog-info.yaml").write_text(
        "# top\n" + component("two", type=7).replace('  owner: "team-a"', "  system: shop") + "\n"
    )
    result = run(".")
    assert result.exit_code == 1
    assert result.stdout == textwrap.dedent(
        """\
        a/catalog-info.yaml:8:1: error: found character that cannot start any token while scanning for the next token  [file]
             8 |  no: yaml
               | ^
          YAML is indented by spaces, not by tabs; texts that begin with @ or ` need quotes.
        catalog-info.yaml:7:3: error: /spec must have required property 'owner' - missingProperty: owner  [schema]
             7 |   type: 7
               |   ^
          in component:default/two
          Add the field owner.
        catalog-info.yaml:7:9: error: /spec/type must be string - type: string  [schema]
             7 |   type: 7
               |         ^
          in component:default/two
          Write a text; what YAML takes for a number or a list needs quotes.
        1 entity in 2 files: 3 errors
        """
    )


def test_all_that_is_wrong_with_an_entity_is_said_at_once(run: Run, tmp_path: Path) -> None:
    (tmp_path / "catalog-info.yaml").write_text(
        textwrap.dedent(
            """\
            apiVersion: backstage.io/v1alpha1
            kind: Component
            metadata:
              name: not good
              tags: [fine, Not Fine]
              labels: {a/b/c: x}
            spec:
              type: 1
              lifecycle: production
              dependsOn: [resource:z, nokind, 'b:', component:a]
            ---
            not an entity
            ---
            kind: Component
            metadata: {name: x, annotations: [1]}
            """
        )
    )
    result = run("catalog-info.yaml", "--format", "json")
    assert result.exit_code == 1
    assert places(result) == [
        ("fields", 4, 9),
        ("fields", 5, 16),
        ("fields", 6, 12),
        ("schema", 8, 3),
        ("schema", 8, 9),
        ("reference-form", 10, 27),
        ("reference-form", 10, 35),
        ("file", 12, 1),
        ("envelope", 14, 1),
    ]
    by_origin = {found["origin"] for found in findings(result) if found["rule"] in ("file", "envelope")}
    assert by_origin == {"ingestion"}
    [name, *others] = [found for found in findings(result) if found["rule"] == "fields"]
    assert name["message"].startswith("Policy check failed for component:default/not good; caused by Error: ")
    # The file as a whole is not ingested: what is wrong with its entities shows later.
    assert {found["origin"] for found in (name, *others)} == {"further"}


def test_broken_yaml_in_one_document_hides_nothing_of_the_others(run: Run, tmp_path: Path) -> None:
    (tmp_path / "catalog-info.yaml").write_text(
        textwrap.dedent(
            """\
            # the shop
            apiVersion: backstage.io/v1alpha1
            kind: Component
            metadata: {name: one}
            spec: {type: service, lifecycle: production, owner: 7}
            ---
            kind: "Component
            ---
            apiVersion: backstage.io/v1alpha1
            kind: Component
            metadata: {name: two}
            spec:
              type: service
              lifecycle: ''
              owner: team-a
            ---
            metadata: {name: three
            ---
            just text
            """
        )
    )
    result = run("catalog-info.yaml", "--format", "json")
    assert result.exit_code == 1
    assert places(result) == [("schema", 5, 53), ("file", 8, 1), ("schema", 14, 14), ("file", 18, 1), ("file", 19, 1)]
    assert [found["origin"] for found in findings(result)] == [
        "further",
        "ingestion",
        "further",
        "ingestion",
        "ingestion",
    ]
    assert [found["text"] for found in findings(result)][1:3] == ["---", "  lifecycle: ''"]


def test_locations_lead_on_and_what_they_miss_is_said_at_the_target(run: Run, tmp_path: Path) -> None:
    (tmp_path / "catalog-info.yaml").write_text(location("top", "./teams/*.yaml", "./gone.yaml"))
    (tmp_path / "teams").mkdir()
    (tmp_path / "teams/a.yaml").write_text(component("one", owner=""))
    result = run(".", "--format", "json")
    [missing, owner] = findings(result)
    assert (missing["rule"], missing["line"], missing["column"]) == ("location", 6, 31)
    assert missing["text"] == '  targets: ["./teams/*.yaml", "./gone.yaml"]'
    assert owner["file"] == f"file:{tmp_path}/teams/a.yaml"
    assert (owner["rule"], owner["line"], owner["text"]) == ("schema", 8, '  owner: ""')


def test_placeholders_are_all_tried(run: Run, tmp_path: Path) -> None:
    document = parse_document(component("one")).value
    document["metadata"]["description"] = {"$text": "./gone.md"}
    document["spec"] |= {"kept": {"$text": "./there.md"}, "deep": [{"$yaml": "../outside.yaml"}]}
    (tmp_path / "there.md").write_text("there")
    (tmp_path / "catalog-info.json").write_text(json.dumps(document, indent=1))
    result = run("catalog-info.json", "--format", "json")
    assert [(found["rule"], found["line"], found["origin"]) for found in findings(result)] == [
        ("placeholder", 6, "ingestion"),
        ("placeholder", 18, "further"),
    ]


def test_rules_are_those_of_the_configuration_and_none_without_one(run: Run, tmp_path: Path) -> None:
    group = "apiVersion: backstage.io/v1alpha1\nkind: Group\nmetadata: {name: a}\nspec: {type: team, children: []}\n"
    (tmp_path / "group.yaml").write_text(group)
    (tmp_path / "more").mkdir()
    (tmp_path / "more/org.yaml").write_text(group.replace("name: a", "name: b"))
    assert run("group.yaml", "more/org.yaml").exit_code == 0
    settings = {"locations": [{"type": "file", "target": "more/*.yaml", "rules": [{"allow": ["Group"]}]}]}
    (tmp_path / "app-config.yaml").write_text(json.dumps({"catalog": settings}))
    result = run("group.yaml", "more/org.yaml", "--format", "json")
    [found] = findings(result)
    assert (result.exit_code, found["rule"], found["line"], found["column"]) == (1, "allowed-kind", 2, 7)
    assert found["file"] == f"file:{tmp_path}/group.yaml"
    (tmp_path / "other.yaml").write_text(json.dumps({"catalog": {"rules": [{"allow": ["Group"]}]}}))
    assert run("group.yaml", "more/org.yaml", "--config", "other.yaml").exit_code == 0


def test_names_that_stand_twice_are_warnings_unless_strict(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(component("one") + "\n---\n" + component("one", type="library"))
    (tmp_path / "b.yaml").write_text("\n" + component("one"))
    result = run("*.yaml", "--format", "json")
    assert result.exit_code == 0
    assert [(found["level"], found["rule"], found["file"][-6:], found["line"]) for found in findings(result)] == [
        ("warning", "duplicate-name", "a.yaml", 13),
        ("warning", "duplicate-name", "b.yaml", 5),
    ]
    assert f"stands at file:{tmp_path}/a.yaml:13:9, too" in findings(result)[1]["message"]
    assert "2 warnings" in run("*.yaml").stdout
    result = run("*.yaml", "--strict")
    assert (result.exit_code, "2 errors" in result.stdout) == (1, True)


def test_folders_are_searched_where_people_write(run: Run, tmp_path: Path) -> None:
    for name in (
        "a/catalog-info.yaml",
        "a/b/catalog-info.yml",
        ".git/catalog-info.yaml",
        "node_modules/catalog-info.yaml",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text(component(name.replace("/", "-")))
    assert run(".").stdout == "2 entities in 2 files: nothing is wrong\n"


def test_standard_input_is_a_file_of_this_folder(run: Run, tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text(component("b", owner=""))
    result = run("-", input=location("top", "./b.yaml") + "\n---\n" + component("c", type=""))
    assert result.exit_code == 1
    assert result.stdout.startswith("<stdin>:13:9: error: /spec/type must NOT have fewer than 1 characters")
    assert "\nb.yaml:8:10: error: /spec/owner " in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gone.yaml"], "gone.yaml does not exist, and is no glob that matches a file"),
        (["*.yml"], "*.yml does not exist, and is no glob that matches a file"),
        (["empty"], "there is no catalog-info.yaml below empty; name the files"),
        (["good.yaml", "--config", "gone.yaml"], "gone.yaml"),
        (["good.yaml", "--config", "bad.yaml"], "Invalid configuration"),
        (["good.yaml", "--against", "http://127.0.0.1:1"], "127.0.0.1"),
    ],
)
def test_what_cannot_be_found_out_is_no_verdict(run: Run, tmp_path: Path, arguments: list[str], message: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "good.yaml").write_text(component("one"))
    (tmp_path / "bad.yaml").write_text("catalog: {readonly: perhaps}")
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr


def test_github_shows_findings_beside_the_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a b,c.yaml").write_text(component("one", owner="") + "\n---\n" + component("one"))
    (tmp_path / "100%.yaml").write_text("[1]")
    assert run("*.yaml", "--format", "github").stdout.splitlines() == [
        "::error file=100%25.yaml,line=1,col=1,title=understage%3A file::Expected object at root, got object%0AA document is "
        "one entity: apiVersion, kind, metadata and spec; several are divided by lines of ---.",
        "::warning file=a b%2Cc.yaml,line=13,col=9,title=understage%3A duplicate-name::component:default/one stands twice in "
        "this place; the catalog keeps the last one only, rename or remove the other%0ARename or remove one of the two.",
    ]


def test_sarif_keeps_its_published_structure(run: Run, tmp_path: Path) -> None:
    (tmp_path / "ä b.yaml").write_text(component("one", owner=""))
    (tmp_path / "bad.yaml").write_text("a: [")
    result = run("*.yaml", "https://unknown.example.com/catalog-info.yaml", "--format", "sarif")
    assert result.exit_code == 1
    log = SarifLog.model_validate_json(result.stdout)
    [sarif_run] = log.runs
    assert sarif_run.results is not None
    found = json.loads(result.stdout)["runs"][0]
    assert [rule["id"] for rule in found["tool"]["driver"]["rules"]][found["results"][1]["ruleIndex"]] == "schema"
    [bad, owner, url] = found["results"]
    assert owner["locations"] == [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": "%C3%A4%20b.yaml", "uriBaseId": "SRCROOT"},
                "region": {"startLine": 8, "startColumn": 10, "snippet": {"text": '  owner: ""'}},
            },
            "logicalLocations": [{"fullyQualifiedName": "component:default/one"}],
        }
    ]
    assert bad["level"] == "error"
    assert url["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "https://unknown.example.com/catalog-info.yaml"}
    }
    assert "Reading from 'https://unknown.example.com/catalog-info.yaml' is not allowed" in url["message"]["text"]


def test_the_pre_commit_hook_runs_the_command_on_the_files_it_selects(run: Run, tmp_path: Path) -> None:
    [hook, _] = parse_document((ROOT / ".pre-commit-hooks.yaml").read_text()).value
    names = ["catalog-info.yaml", "svc/catalog-info.yml", "svc/values.yaml", "my-catalog-info.yaml"]
    selected = [name for name in names if re.search(hook["files"], name)]
    assert selected == ["catalog-info.yaml", "svc/catalog-info.yml"]
    (tmp_path / "svc").mkdir()
    for name in selected:
        (tmp_path / name).write_text(component(name.replace("/", "-")))
    program, *arguments = shlex.split(hook["entry"])
    assert (program, arguments) == ("understage", ["catalog", "validate"])
    assert run(*hook.get("args", []), *selected).exit_code == 0
    (tmp_path / selected[1]).write_text(component("one", owner=""))
    assert run(*hook.get("args", []), *selected).exit_code == 1


def test_the_guide_shows_what_is_printed(run: Run, tmp_path: Path) -> None:
    guide = (ROOT / "docs/guides/catalog-files.md").read_text("utf-8")
    file = re.findall(r"```yaml\n(.*?)```", guide, re.DOTALL)[0]
    (tmp_path / "catalog-info.yaml").write_text(file.replace("  owner: group:default/payments\n", "", 1))
    shown = re.findall(r"```\n(catalog-info.*?)```", guide, re.DOTALL)
    assert [run(".").stdout] == shown


def test_our_own_entities_and_templates_are_fine(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    result = run("catalog-info/*.yaml", "skeletons/*/template.yaml", "docs/examples/*/template.yaml", "--references")
    assert (result.exit_code, result.stdout.endswith("nothing is wrong\n")) == (0, True), result.stdout


def test_files_behind_urls_are_read_as_the_configuration_allows(run: Run, tmp_path: Path) -> None:
    served = tmp_path / "served"
    served.mkdir()
    (served / "catalog-info.yaml").write_text(location("top", "./more.yaml", "./gone.yaml"))
    (served / "more.yaml").write_text(component("one", owner="") + "\n---\n" + component("two"))
    with serving(served) as address:
        config = {"backend": {"reading": {"allow": [{"host": address}]}}}
        (tmp_path / "app-config.yaml").write_text(json.dumps(config))
        result = run(f"http://{address}/catalog-info.yaml", "--format", "json")
    [missing, owner] = findings(result)
    assert (result.exit_code, json.loads(result.stdout)["entities"]) == (1, 3)
    assert (missing["rule"], missing["file"], missing["line"], missing["column"]) == (
        "location",
        f"url:http://{address}/catalog-info.yaml",
        6,
        28,
    )
    assert missing["message"].startswith(
        f"Unable to read url, no matching files found for http://{address}/gone.yaml, at "
    )
    assert (owner["file"], owner["line"], owner["text"]) == (f"url:http://{address}/more.yaml", 8, '  owner: ""')
    github = run(f"http://{address}/catalog-info.yaml", "--format", "github")
    assert github.stdout.startswith(f"::error file=http%3A//{address.replace(':', '%3A')}/catalog-info.yaml,title=")


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """A web server of a folder; its host and port."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
