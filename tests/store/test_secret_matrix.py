"""No secret leaves, whatever was made of it, by whatever way: every transformation of `leaking` by every sink."""

import base64
import io
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from tests.store.leaking import SECRET, TRANSFORMATIONS, Transformation, registry
from tests.store.recorded_telemetry import RecordedSpans, record_metrics, record_spans
from tests.store.service_bench import ServiceBench, running_service, template

from understage.scaffolder.actions import ActionRegistry

SINKS = (
    *("log", "event", "error text", "exception repr", "HTTP error body", "checkpoint", "each label", "output link"),
    *("metric label", "audit", "trace attribute", "dry-run"),
)
ENDINGS = (None, "text", "repr", "attribute")
FORM = {"properties": {"token": {"type": "string", "ui:field": "Secret"}}}


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> RecordedSpans:
    return record_spans(monkeypatch)


@pytest.fixture
def metrics(monkeypatch: pytest.MonkeyPatch) -> InMemoryMetricReader:
    return record_metrics(monkeypatch)


@pytest.fixture
def own_actions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ActionRegistry, "when_asked", registry)


def steps_of(transformation: Transformation, ending: str | None) -> list[dict[str, Any]]:
    """All variants one after the other, each result also used by a loop; the last step fails as `ending` says."""
    sources: list[tuple[str, dict[str, Any]]] = [
        ("test:leak", {"text": expression}) for expression in transformation.expressions
    ]
    if transformation.python:
        sources.append(("test:leak", {"text": "${{ secrets.token }}", "transformation": transformation.name}))
        sources.append(("test:leak-own", {"transformation": transformation.name}))
    steps = [
        {"id": f"s{number}", "name": f"Make {number}", "action": action, "input": input}
        for number, (action, input) in enumerate(sources)
    ]
    for number, (action, input) in enumerate(sources):
        result = f"steps.s{number}.output.text"
        items = [f"${{{{ {result} }}}}"]
        if action == "test:leak":
            items.append(input["text"])
        loop = {"text": "${{ each.value }}"}
        steps.append({"id": f"l{number}", "name": "Loop", "action": "test:leak", "each": items, "input": loop})
        again = {"text": f"<${{{{ {result}.slice(1, 20) }}}}>"}
        steps.append({"id": f"a{number}", "name": "Again", "action": "test:leak", "input": again})
    if ending:
        # Whatever comes first fails: each way of making it in a task of its own.
        steps = [
            {**step, "input": {**step["input"], "ending": ending}} for step in steps if step["action"] == "test:leak"
        ]
    return steps


def output_of(transformation: Transformation) -> dict[str, Any]:
    count = len(transformation.expressions) + 2 * bool(transformation.python)
    links = [
        {"title": "There", "url": f"https://there.example/{before}${{{{ steps.s{number}.output.text{cut} }}}}"}
        for number in range(count)
        for before, cut in (("", ""), ("x?y=", " | reverse"), ("z/", ".slice(2, 12)"), ("w/", "[2:12]"))
    ]
    return {"links": links, "made": "${{ secrets.token | upper }}"}


def templates(transformation: Transformation, index: int) -> list[dict[str, Any]]:
    output = output_of(transformation)
    return [
        template(f"t{index}-{ending or 'good'}", steps_of(transformation, ending), parameters=FORM, output=output)
        for ending in ENDINGS
    ]


async def dry_run(bench: ServiceBench, entity: Mapping[str, Any]) -> str:
    """The answer, with the contents of files as text."""
    body = {"template": entity, "values": {"token": "***"}, "secrets": {"token": SECRET}, "directoryContents": []}
    answer = await bench.post("/api/scaffolder/v2/dry-run", body)
    text = answer.text
    if answer.status_code == 200:
        files = [base64.b64decode(file["base64Content"]) for file in answer.json()["directoryContents"]]
        assert files
        text += b"\n".join(files).decode()
    return text


async def leaks_of(bench: ServiceBench, index: int, transformation: Transformation) -> dict[str, str]:
    """Texts by sink; the sinks of the whole service come after all tasks."""
    good, *failing = templates(transformation, index)
    task = await bench.run(good["metadata"]["name"], {"token": "***"}, {"token": SECRET})
    assert task.status == "completed", task.messages
    assert "Running step each: " in task.messages
    events = (await bench.get(f"/api/scaffolder/v2/tasks/{task.row['id']}/events")).text
    labels = [line for line in task.messages.splitlines() if "step each" in line]
    links = task.events[-1]["body"]["output"]["links"]
    assert all(link["url"] == "***" or link["url"].startswith("https://there.example/") for link in links)
    seen = {
        "log": task.messages,
        "event": events + task.stream + json.dumps(task.row),
        "each label": "\n".join(labels),
        "output link": json.dumps(links, ensure_ascii=False),
        "dry-run": await dry_run(bench, good),
    }
    for sink, entity in zip(("error text", "exception repr", "exception repr"), failing, strict=True):
        failed = await bench.run(entity["metadata"]["name"], {"token": "***"}, {"token": SECRET})
        assert failed.status == "failed"
        body = await dry_run(bench, entity)
        assert '"error"' in body
        seen[sink] = seen.get(sink, "") + failed.messages + json.dumps(failed.error, ensure_ascii=False)
        seen["HTTP error body"] = seen.get("HTTP error body", "") + body
    return seen


async def test_no_secret_leaves_by_any_sink(
    tmp_path: Path, logged: io.StringIO, spans: RecordedSpans, metrics: InMemoryMetricReader, own_actions: None
) -> None:
    entities = [entity for index, each in enumerate(TRANSFORMATIONS) for entity in templates(each, index)]
    seen: dict[tuple[str, str], str] = {}
    async with running_service(tmp_path, entities) as bench:
        for index, transformation in enumerate(TRANSFORMATIONS):
            for sink, text in (await leaks_of(bench, index, transformation)).items():
                seen[transformation.name, sink] = text
        rows, exposed = await bench.dump(), (await bench.get("/metrics")).text
    exposed += str(metrics.get_metrics_data())
    audit = "\n".join(line for line in logged.getvalue().splitlines() if "isAuditEvent" in line)
    assert "template:default/t0-good" in exposed
    assert '"status": "failed"' in audit or '"status":"failed"' in audit
    whole = {
        "checkpoint": rows,
        "metric label": exposed,
        "audit": audit,
        "trace attribute": spans.text(),
    }
    log = logged.getvalue()
    leaks = []
    for transformation in TRANSFORMATIONS:
        forbidden = {SECRET, json.dumps(SECRET)[1:-1], *transformation.results()}
        forbidden |= {json.dumps(text)[1:-1] for text in forbidden}
        # A part is a leak, too, unless the template says it.
        pieces = {text[start : start + 12] for text in forbidden for start in range(max(1, len(text) - 11))}
        public = json.dumps(entities)
        pieces = {piece for piece in pieces if len(set(re.sub(r"[\W_]", "", piece))) > 3 and piece not in public}
        for sink in SINKS:
            text = whole[sink] if sink in whole else seen[transformation.name, sink]
            leaks += [(transformation.name, sink, piece) for piece in pieces if piece in text][:2]
        leaks += [(transformation.name, "service log", piece) for piece in pieces if piece in log][:2]
    assert leaks == []
    cells = {(each.name, sink) for each in TRANSFORMATIONS for sink in SINKS}
    assert len(cells) >= 240
