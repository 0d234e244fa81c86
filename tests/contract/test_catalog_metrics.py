"""Metrics beside those of a running stock backend: its names, its attributes, and the names that its Prometheus endpoint had."""

import json
import re
from typing import Any

import pytest
from tests.contract.backend import at_rest
from tests.contract.pair import Pair

OF_SDK = {"otel_scope_name", "otel_scope_version", "otel_scope_schema_url"}
OF_CATALOG = ("catalog.", "catalog_")
# How the names of instruments become those of Prometheus.
SUFFIXES = {"counter": "_total", "histogram": "_seconds_sum"}
# Nothing is ingested incrementally here: tests/store/test_incremental.py has what is told of that.
LACKING = "catalog_incremental."
SAMPLE = re.compile(r"(?P<name>[a-z_]+)(?:{(?P<labels>.*)})? [-+.e\d]+$")
LABEL = re.compile(r'(\w+)="')


@pytest.fixture
def stock(pair: Pair) -> dict[str, list[dict[str, Any]]]:
    """What the stock catalog measures, once everything has been measured that the files cause."""

    def recorded() -> dict[str, list[dict[str, Any]]] | None:
        try:
            content = json.loads((pair.folder / Pair.METRICS).read_text())
        except FileNotFoundError:
            return None
        return {
            part: sorted((item for item in items if item["name"].startswith(OF_CATALOG)), key=lambda item: item["name"])
            for part, items in content.items()
        }

    found = at_rest(recorded)
    assert found
    return found


@pytest.fixture
def ours(pair: Pair) -> dict[str, set[str]]:
    """The label names of each sample, without those that the SDK adds, once the entities have been counted."""

    def told() -> dict[str, set[str]] | None:
        labels: dict[str, set[str]] = {}
        for line in pair.ours.request("GET", "/metrics", token=None).text.splitlines():
            if sample := SAMPLE.match(line):
                labels.setdefault(sample["name"], set()).update(set(LABEL.findall(sample["labels"] or "")) - OF_SDK)
        return labels if "catalog_entities_count" in labels else None

    return at_rest(told, quiet=0)


def test_instruments_have_the_stock_names_and_attributes(
    stock: dict[str, list[dict[str, Any]]], ours: dict[str, set[str]]
) -> None:
    # Counters of what has not happened yet show nowhere.
    measured = [item for item in stock["instruments"] if item["attributes"] or item["type"] != "counter"]
    expected = {
        item["name"].replace(".", "_") + SUFFIXES.get(item["type"], ""): set(item["attributes"])
        for item in measured
        if not item["name"].startswith(LACKING)
    }
    assert len(expected) == 11
    # Told by kind (plugin-catalog-backend/dist/database/metrics.cjs.js), of which nothing was observed while this was recorded.
    expected["catalog_entities_count"] |= {"kind"}
    assert {name: ours.get(name) for name in expected} == expected


def test_the_names_of_the_stock_prometheus_endpoint_are_there(
    stock: dict[str, list[dict[str, Any]]], ours: dict[str, set[str]]
) -> None:
    names = {item["name"] + ("_sum" if item["type"] == "summary" else "") for item in stock["prometheus"]}
    assert len(names) == 8
    assert names <= ours.keys()


def test_what_became_of_an_entity_is_told_in_the_stock_words(pair: Pair, ours: dict[str, set[str]]) -> None:
    exposition = pair.ours.request("GET", "/metrics", token=None).text
    for name in ("catalog_processed_entities_count", "catalog_stitched_entities_count"):
        results = set(re.findall(rf'^{name}_total{{.*result="(\w+)"', exposition, re.MULTILINE))
        assert results <= {"changed", "unchanged", "errors" if "processed" in name else "error"}
        assert "changed" in results
