"""Requests generated from the OpenAPI documents: no answer is a 5xx, or has a form that the document does not declare.

A child process serves, as people start it. Examples are few and always the same, so that the test is bounded.
"""

from collections.abc import Iterator

import pytest
import schemathesis
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.contract.backend import Backend, UnderstageBackend, free_port
from tests.store.catalog_bench import component

TOKEN = "generated-requests-token"
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
# Streams and long polls have no end that a generated request could wait for.
ENDLESS = ["/api/scaffolder/v2/tasks/{task_id}/events", "/api/scaffolder/v2/tasks/{task_id}/eventstream"]


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    folder = tmp_path_factory.mktemp("generated")
    (folder / "all.yaml").write_text("\n---\n".join(component(name) for name in ("one", "two", "three")))
    port = free_port()
    external = {"type": "static", "options": {"token": TOKEN, "subject": "generated-requests"}}
    config = {
        "app": {"baseUrl": f"http://127.0.0.1:{port}"},
        "backend": {
            "baseUrl": f"http://127.0.0.1:{port}",
            "listen": {"host": "127.0.0.1", "port": port},
            "database": {"client": "better-sqlite3", "connection": {"directory": str(folder)}},
            "auth": {"externalAccess": [external]},
        },
        "catalog": {"locations": [{"type": "file", "target": str(folder / "all.yaml")}]},
        "understage": {"dataDirectory": str(folder / "data")},
    }
    (folder / "app-config.yaml").write_text(yaml.safe_dump(config))
    with UnderstageBackend.running(folder, [folder / "app-config.yaml"], port=port) as served:
        yield served


def load(backend: Backend, plugin: str) -> BaseSchema:
    document = backend.request("GET", f"/api/{plugin}/openapi.json", token=TOKEN)
    assert document.status_code == 200, document.text
    schema = schemathesis.openapi.from_dict(document.json())
    schema.config.update(base_url=backend.url)
    return schema


few = settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize(("plugin", "least"), [("catalog", 25), ("scaffolder", 10)])
def test_every_operation_answers_as_declared(backend: Backend, plugin: str, least: int) -> None:
    tried, failures = 0, []
    for result in load(backend, plugin).exclude(path=ENDLESS).get_all_operations():
        operation = result.ok()
        assert operation is not None

        @few
        @given(case=operation.as_strategy())
        def answer_as_declared(case: schemathesis.Case) -> None:
            case.call_and_validate(checks=CHECKS, headers={"Authorization": f"Bearer {TOKEN}"})

        try:
            answer_as_declared()
        except FailureGroup as group:
            failures += [f"{operation.label}: {failure}" for failure in group.exceptions]
        tried += 1
    assert not failures, "\n\n".join(failures)
    assert tried >= least
