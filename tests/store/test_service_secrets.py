"""Secrets of a task and of the configuration in a whole service: nowhere to be read but by the actions they are for."""

import io
import json
from pathlib import Path

import pytest
import structlog
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from tests.store.recorded_telemetry import record_spans
from tests.store.service_bench import CONFIGURED_SECRETS, running_service, template

from understage.config.redaction import redact
from understage.platform.database import Database
from understage.platform.logging import configure_logging
from understage.portal.page_config import make_page_config

SECRET = "s3cr3t-Zz81-of-the-user"
FORM = {"properties": {"token": {"type": "string", "ui:field": "Secret"}}}
CLOSED = "http://127.0.0.1:1"

STEPS = {
    "log": ("debug:log", {"message": "it is ${{ secrets.token }}, or ${{ secrets.token | upper }}", "listWorkspace": True}),
    "url": ("fetch:plain", {"url": CLOSED + "/${{ secrets.token }}/tree", "targetPath": "there"}),
    "token": ("fetch:plain", {"url": "https://git.example/acme/x", "token": "${{ secrets.token }}"}),
    "wrong": ("debug:wait", {"seconds": "${{ secrets.token }}"}),
    "path": ("fs:rename", {"files": [{"from": "${{ secrets.token }}", "to": "${{ secrets.token }}/x"}]}),
    "write": ("catalog:write", {"filePath": "info.yaml", "entity": {"kind": "${{ secrets.token }}"}}),
    "publish": ("publish:repository", {"owner": "platform", "name": "${{ secrets.token }}"}),
    "expression": ("debug:log", {"message": "${{ secrets.token | nosuch }}"}),
}  # fmt: skip


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    return record_spans(monkeypatch)


async def test_secrets_are_seen_by_nobody(
    database: Database, tmp_path: Path, logged: io.StringIO, spans: InMemorySpanExporter
) -> None:
    templates = [
        template(
            name,
            [{"id": "only", "name": "Only", "action": action, "input": input}],
            parameters=FORM,
            output={"text": [{"title": "Token", "content": "${{ secrets.token }}"}]},
        )
        for name, (action, input) in STEPS.items()
    ]
    seen: dict[str, str] = {}
    async with running_service(tmp_path, templates, database=database) as bench:
        for name in STEPS:
            task = await bench.run(name, {"token": "******"}, {"token": SECRET})
            seen[f"events of {name}"] = task.stream + json.dumps(task.row)
            assert task.status == ("completed" if name in ("log", "write") else "failed"), (name, task.messages)
        listed = await bench.get("/api/scaffolder/v2/tasks")
        refused = await bench.create("none", {"token": "x"}, {"token": SECRET})
        wrong = await bench.create("log", {"token": 3}, {"token": SECRET})
        seen |= {"list": listed.text, "refused": refused.text, "wrong": wrong.text}
        for path in ("/", "/catalog", "/metrics", "/git/", "/git", "/api/scaffolder/v2/actions"):
            seen[path] = (await bench.get(path)).text
        seen["config print"] = json.dumps(redact(bench.configuration.data))
        seen["page"] = json.dumps(make_page_config(bench.configuration.data))
        seen["rows"] = await bench.dump()
    for file in tmp_path.rglob("*"):
        if file.is_file() and file.name not in ("app-config.yaml",):
            seen[str(file)] = file.read_bytes().decode("latin-1")
    seen["log"] = logged.getvalue()
    seen["spans"] = "\n".join(span.to_json() for span in spans.get_finished_spans())

    assert "scaffolder.action" in seen["spans"]
    assert "task ended" in seen["log"]
    for secret in (SECRET, SECRET.upper(), *CONFIGURED_SECRETS):
        assert [place for place, text in seen.items() if secret in text] == []
    assert not any((tmp_path / "data").rglob("info.yaml"))


async def test_one_trace_leads_from_the_request_to_the_action(
    tmp_path: Path, logged: io.StringIO, spans: InMemorySpanExporter
) -> None:
    async with running_service(tmp_path) as bench:
        task = await bench.run("good", {"name": "traced"})
        assert task.status == "completed"
    found = spans.get_finished_spans()
    (run,) = [span for span in found if span.name == "scaffolder.task"]
    (step,) = [span for span in found if span.name == "scaffolder.step"]
    (action,) = [span for span in found if span.name == "scaffolder.action"]
    request = next(span for span in found if run.parent and span.context.span_id == run.parent.span_id)
    assert request.name == "POST scaffolder"
    assert step.parent is not None
    assert step.parent.span_id == run.context.span_id
    assert action.parent is not None
    assert action.parent.span_id == step.context.span_id
    assert {span.context.trace_id for span in (run, step, action, request)} == {request.context.trace_id}

    lines = [json.loads(line) for line in logged.getvalue().splitlines() if line.startswith("{")]
    traced = [line for line in lines if line.get("trace_id") == format(request.context.trace_id, "032x")]
    assert {"task taken", "task ended"} & {line["event"] for line in traced}
    audited = [line for line in traced if line.get("isAuditEvent") and line["meta"].get("actionType") == "create"]
    assert [line["status"] for line in audited] == ["initiated", "succeeded"]
    assert audited[1]["meta"]["taskId"] == task.row["id"]
    assert audited[1]["actor"]["actorId"] == "user:default/guest"


async def test_unexpected_errors_show_no_local_variables(logged: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", logged)
    configure_logging(json=False)
    log = structlog.get_logger("test")

    def break_down(token: str) -> None:
        raise RuntimeError(f"broken after {len(token)} characters")

    try:
        break_down(SECRET)
    except RuntimeError as error:
        log.error("unexpected error", exc_info=error)

    assert "broken after" in logged.getvalue()
    assert "Traceback" in logged.getvalue()
    assert SECRET not in logged.getvalue()
