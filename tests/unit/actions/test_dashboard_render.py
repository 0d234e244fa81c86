"""`dashboard:render`: what it writes, by Grafana's own models and a real parser of PromQL; what it refuses."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

import promql_parser
import pytest
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard
from pydantic import ConfigDict, TypeAdapter

from understage.errors import InputError
from understage.sdk.testing import FakeCatalog, fake_ports, run_action
from understage.sdk.yaml import parse_document
from understage_actions.dashboard_render import render

SERVICE = {"team": "group:default/payments", "service": "ledger"}
TEAM = {"team": "payments", "services": ["ledger", "invoices"], "environments": ["staging", "production"]}
SCOPES = pytest.mark.parametrize("given", [SERVICE, TEAM], ids=["service", "team"])
CHART = Path(__file__).parents[3] / "skeletons/charts/base-service"

plugins.register_default_plugins()


async def made(workspace: Path, given: dict[str, Any], **more: Any) -> dict[str, Any]:
    result = await run_action(render, given, workspace=workspace, **more)
    return dict(result.output)


def queries(dashboard: dict[str, Any]) -> dict[str, list[str]]:
    """Of each panel, variables replaced as Grafana does."""
    replaced = {
        panel["title"]: [
            target["expr"].replace("$__rate_interval", "2m").replace("$namespace", "(ledger-staging|ledger-production)")
            for target in panel["targets"]
        ]
        for panel in dashboard["panels"]
        if panel["type"] != "row"
    }
    assert not any("$" in expression for each in replaced.values() for expression in each)
    return replaced


def lost(mine: Any, theirs: Any, path: str = "") -> Iterator[str]:
    """What Grafana's models do not know, or take for something else."""
    if isinstance(mine, dict) and isinstance(theirs, dict):
        for name, value in mine.items():
            yield from lost(value, theirs[name], f"{path}.{name}") if name in theirs else [f"{path}.{name}"]
    elif isinstance(mine, list) and isinstance(theirs, list) and len(mine) == len(theirs):
        for index, value in enumerate(mine):
            yield from lost(value, theirs[index], f"{path}[{index}]")
    elif mine != theirs:
        yield path


def ill_typed(value: Any, path: str = "") -> Iterator[str]:
    """Members of the models, down to the last, that are not of the type that Grafana's schema gives them."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from ill_typed(item, f"{path}[{index}]")
    elif type(value).__module__.startswith("grafana_foundation_sdk.models"):
        hints = get_type_hints(type(value).__init__)
        for name, member in vars(value).items():
            if member is not None and name in hints:
                adapter = TypeAdapter(hints[name], config=ConfigDict(arbitrary_types_allowed=True))
                try:
                    adapter.validate_python(member)
                except ValueError:
                    yield f"{path}.{name}"
            yield from ill_typed(member, f"{path}.{name}")


@SCOPES
async def test_grafana_knows_every_member(given: dict[str, Any], tmp_path: Path) -> None:
    dashboard = (await made(tmp_path, given))["dashboard"]
    read = Dashboard.from_json(dashboard)
    assert list(lost(dashboard, json.loads(JSONEncoder().encode(read)))) == []
    assert list(ill_typed(read)) == []


async def test_what_is_no_dashboard_would_be_found(tmp_path: Path) -> None:
    dashboard = (await made(tmp_path, SERVICE))["dashboard"]
    dashboard["panels"][1]["options"]["legend"]["plcement"] = "bottom"
    dashboard["panels"][2]["gridPos"]["w"] = "wide"
    read = Dashboard.from_json(dashboard)
    assert list(lost(dashboard, json.loads(JSONEncoder().encode(read)))) == [".panels[1].options.legend.plcement"]
    assert any(path.endswith("grid_pos.w") for path in ill_typed(read))


@SCOPES
async def test_every_query_is_promql(given: dict[str, Any], tmp_path: Path) -> None:
    asked = queries((await made(tmp_path, given))["dashboard"])
    assert list(asked) == [
        "Requests a second", "Errors", "Latency", "CPU, of the limit", "Memory, of the limit", "Waiting for CPU",
        "Burn rate of the error budget", "Error budget left (30 days, 99.9 %)", "Restarts in an hour", "Pods",
        "CPU and memory, a month", "Volumes, a month",
    ]  # fmt: skip
    for expressions in asked.values():
        for expression in expressions:
            promql_parser.parse(expression)
    assert len(asked["Latency"]) == 3


async def test_the_queries_ask_for_this_service_only(tmp_path: Path) -> None:
    dashboard = (await made(tmp_path, SERVICE))["dashboard"]
    for expressions in queries(dashboard).values():
        for expression in expressions:
            for selector in expression.split("{")[1:]:
                matchers = selector.partition("}")[0]
                assert 'namespace=~"(ledger-staging|ledger-production)"' in matchers
                assert any(
                    own in matchers for own in ('service=~"ledger"', 'pod=~"(ledger)-.*"', 'deployment=~"ledger"')
                )


async def test_it_asks_for_what_the_chart_records(tmp_path: Path) -> None:
    """Metric, matcher of errors and names of burn rates are those of the chart's own rules."""
    values = parse_document((CHART / "values.yaml").read_bytes()).value["slo"]
    asked = queries((await made(tmp_path, SERVICE))["dashboard"])
    assert f"{values['requests']}{{" in asked["Requests a second"][0]
    assert values["errors"] in asked["Errors"][0]
    assert str(values["objective"]) == "99.9"
    rules = (CHART / "templates/prometheusrule.yaml").read_text()
    assert "record: service:request_errors:ratio_rate{{ . }}" in rules
    for expression in asked["Burn rate of the error budget"]:
        window = expression.partition("ratio_rate")[2].partition("{")[0]
        assert f'"{window}"' in rules.partition("record:")[0]
        assert expression.endswith(" / 0.001")


async def test_panels_stand_beside_one_another(tmp_path: Path) -> None:
    panels = (await made(tmp_path, SERVICE))["dashboard"]["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells


async def test_a_config_map_for_the_sidecar(tmp_path: Path) -> None:
    output = await made(tmp_path, {**SERVICE, "targetPath": "gitops", "namespace": "ledger-production"})
    assert output["path"] == "gitops/infrastructure/teams/payments/dashboards/ledger.yaml"
    found = parse_document((tmp_path / output["path"]).read_bytes()).value
    text = found["data"].pop("service-ledger.json")
    assert found == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "dashboard-service-ledger",
            "namespace": "ledger-production",
            "labels": {
                "app.kubernetes.io/name": "ledger", "app.kubernetes.io/managed-by": "understage", "team": "payments",
                "grafana_dashboard": "1",
            },
            "annotations": {"grafana_folder": "payments"},
        },
        "data": {},
    }  # fmt: skip
    assert json.loads(text) == output["dashboard"]


async def test_an_object_for_the_operator(tmp_path: Path) -> None:
    output = await made(tmp_path, {**TEAM, "format": "grafana", "instanceSelector": {"dashboards": "main"}})
    assert output["path"] == "infrastructure/teams/payments/dashboards/_team.yaml"
    found = parse_document((tmp_path / output["path"]).read_bytes()).value
    assert (found["apiVersion"], found["kind"]) == ("grafana.integreatly.org/v1beta1", "GrafanaDashboard")
    assert found["metadata"]["namespace"] == "ledger-staging"
    assert found["spec"]["instanceSelector"] == {"matchLabels": {"dashboards": "main"}}
    assert json.loads(found["spec"]["json"]) == output["dashboard"]
    assert output["dashboard"]["templating"]["list"][1]["query"] == (
        "ledger-staging,ledger-production,invoices-staging,invoices-production"
    )
    assert "by (service)" in queries(output["dashboard"])["Requests a second"][0]


async def test_a_team_s_services_are_those_it_owns(tmp_path: Path) -> None:
    def component(name: str, type: str) -> dict[str, Any]:
        return {"kind": "Component", "metadata": {"name": name}, "spec": {"type": type}}

    owned = ["component:default/web", "component:default/ledger", "component:default/library", "api:default/ledger"]
    relations = [{"type": "ownerOf", "targetRef": ref} for ref in [*owned, "component:default/hidden"]]
    group = {"kind": "Group", "metadata": {"name": "payments"}, "relations": relations}
    parts = [component("web", "service"), component("ledger", "service"), component("library", "library")]
    ports = fake_ports(catalog=FakeCatalog([group, *parts]))
    dashboard = (await made(tmp_path, {"team": "payments", "environments": ["production"]}, ports=ports))["dashboard"]
    assert dashboard["templating"]["list"][1]["query"] == "ledger-production,web-production"
    assert 'service=~"ledger|web"' in queries(dashboard)["Requests a second"][0]


@pytest.mark.parametrize("example", render.examples, ids=lambda example: example.description)
async def test_the_examples_are_real(example: Any, tmp_path: Path) -> None:
    relations = [{"type": "ownerOf", "targetRef": "component:default/ledger"}]
    group = {"kind": "Group", "metadata": {"name": "payments"}, "relations": relations}
    component = {"kind": "Component", "metadata": {"name": "ledger"}, "spec": {"type": "service"}}
    output = await made(tmp_path, example.input, ports=fake_ports(catalog=FakeCatalog([group, component])))
    assert (tmp_path / output["path"]).is_file()


async def test_the_entity_finds_it(tmp_path: Path) -> None:
    output = await made(tmp_path, SERVICE, defaults={"grafanaUrl": "https://grafana.example.com/"})
    assert output["url"] == "https://grafana.example.com/d/service-ledger"
    assert output["selector"] == "tags @> 'service:ledger'"
    assert "service:ledger" in output["dashboard"]["tags"]
    for address in (None, "grafana.example.com", "javascript:alert(1)"):
        assert (await made(tmp_path, SERVICE, defaults={"grafanaUrl": address}))["url"] is None


async def test_the_same_input_gives_the_same_file_in_a_dry_run_too(tmp_path: Path) -> None:
    texts = []
    for dry_run in (False, True):
        output = await made(tmp_path, SERVICE, dry_run=dry_run)
        texts.append((tmp_path / output["path"]).read_text())
    assert texts[0] == texts[1]


async def test_ids_are_no_longer_than_grafana_takes_and_differ(tmp_path: Path) -> None:
    names = ["a" * 39 + end for end in "xy"]
    ids = [(await made(tmp_path, {**SERVICE, "service": name}))["uid"] for name in names]
    assert len(set(ids)) == 2
    assert max(map(len, ids)) <= 40


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"service": 'x"} or up{a="'}, "service"),
        ({"service": "../x"}, "service"),
        ({"service": None}, "Team payments owns no service in the catalog"),
        ({"service": None, "services": ["a"] * 201}, "201 services are more than"),
        ({"services": ["a"]}, "of one service or of a team"),
        ({"service": None, "services": ["a.*"]}, "service"),
        ({"environments": ['prod"']}, "environment"),
        ({"namespaces": ["a,b"]}, "namespace"),
        ({"namespace": "A"}, "namespace"),
        ({"team": "user:default/ada"}, "team"),
        ({"metric": "x{} or up"}, "metric .* must be the name of a metric"),
        ({"errors": 'code="1"} or up{a="'}, "errors .* must be one matcher"),
        ({"errors": 'code=~"$datasource"'}, "errors .* must be one matcher"),
        ({"currency": "euro"}, "currency .* must be a code"),
        ({"objective": 100}, "objective"),
    ],
)
async def test_what_would_be_another_query_is_refused(given: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words):
        await made(tmp_path, {**SERVICE, **given})
    assert not list(tmp_path.iterdir())
