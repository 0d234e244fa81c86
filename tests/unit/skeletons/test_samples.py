"""The samples of `new-service` in every language: built with their own tests, run, asked, measured, traced and stopped."""

import asyncio
import json
import secrets
import sys
import threading
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.unit.skeletons.golden_path import run_steps, templating
from tests.unit.skeletons.samples import WITHIN, as_in_a_pod, collecting, free_port, need, run_tool, spans_of, started

from understage.sdk.testing import FakeForge, FakeForges, fake_ports
from understage.sdk.yaml import parse_document

# Tool chains fetch libraries the first time.
pytestmark = pytest.mark.timeout(900)

COUNT = "http_server_request_duration_seconds_count"
WHAT_IS_COUNTED = ("http_request_method", "http_route", "http_response_status_code")
# How long the endpoint takes that is added to each sample, and how soon after the last request a sample ends.
SECONDS = 2
SOON = 15.0


def ask(url: str, method: str = "GET", **options: Any) -> httpx.Response:
    """What a sample answers, on a machine that others use too."""
    return httpx.request(method, url, timeout=WITHIN, **options)


@dataclass(frozen=True)
class Language:
    """How a sample is built after its CI, and how a team would add an endpoint `/orders/{id}` that takes a while.

    Without `ci` its tests are run by `build`: the workflow installs into the runner's own Python.
    """

    build: tuple[tuple[str, ...], ...]
    # What the container's command is here.
    places: dict[str, str]
    file: str
    before: str
    endpoint: str
    root: str = "/"
    orders: str = "/orders/{id}"
    # Series of paths that no route has.
    nowhere: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    ci: tuple[str, ...] = ()


LANGUAGES = {
    "python": Language(
        build=((sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),),
        places={"python": sys.executable},
        file="service/app.py",
        before='@app.get("/metrics"',
        endpoint=f'''@app.get("/orders/{{id}}")
def order(id: str) -> dict[str, str]:
    import time

    time.sleep({SECONDS})
    return {{"order": id}}


''',
    ),
    "go": Language(
        ci=("go vet ./...", "go test ./..."),
        build=(("go", "build", "-o", "service", "."),),
        places={"/service": "./service"},
        file="main.go",
        before="\treturn mux\n",
        endpoint=f"""\tmux.HandleFunc("GET /orders/{{id}}", func(w http.ResponseWriter, r *http.Request) {{
\t\ttime.Sleep({SECONDS} * time.Second)
\t\tanswer(w, map[string]string{{"order": r.PathValue("id")}})
\t}})
""",
        root="/{$}",
    ),
    "node": Language(
        ci=("npm ci", "npm test"),
        build=(),
        places={},
        file="app.js",
        before="  return app;\n",
        endpoint=f"""  app.get('/orders/:id', async request => {{
    await new Promise(done => setTimeout(done, {SECONDS} * 1000));
    return {{ order: request.params.id }};
  }});

""",
        orders="/orders/:id",
    ),
    "java": Language(
        ci=("mvn --batch-mode --no-transfer-progress verify",),
        build=(("java", "-Djarmode=tools", "-jar", "target/service.jar", "extract", "--destination", "target/service"),),
        places={"/service/service.jar": "target/service/service.jar"},
        # It starts often and is asked little: what compiles well takes half of the time.
        environment={"JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1"},
        file="src/main/java/service/Endpoints.java",
        before='    @GetMapping("/")\n',
        endpoint=f"""    @GetMapping("/orders/{{id}}")
    Map<String, String> order(@org.springframework.web.bind.annotation.PathVariable String id) throws InterruptedException {{
        Thread.sleep({SECONDS} * 1000);
        return Map.of("order", id);
    }}

""",
        nowhere="NOT_FOUND",
    ),
}


@dataclass(frozen=True)
class Sample:
    """A sample that is built, its own tests run."""

    name: str
    language: Language
    folder: Path
    command: list[str]

    def started(self, **environment: str) -> AbstractContextManager[str]:
        """Its address while it runs as its image does, in a pod of the chart."""
        return started(as_in_a_pod(self.command), self.folder, **self.language.environment, **environment)


@pytest.fixture(scope="module", params=LANGUAGES)
def sample(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """Each sample with an endpoint more, built once."""
    name = request.param
    language = LANGUAGES[name]
    for command in {line.split()[0] for line in language.ci} | {line[0] for line in language.build}:
        need(command, f"test the sample in {name}")
    folder = asyncio.run(write(tmp_path_factory.mktemp(name), name))
    source = folder / language.file
    text = source.read_text()
    assert text.count(language.before) == 1
    source.write_text(text.replace(language.before, language.endpoint + language.before))
    assert not language.ci or commands_of_ci(folder) == [*language.ci]
    for line in language.ci:
        run_tool("sh", "-ec", line, folder=folder)
    for command in language.build:
        run_tool(*command, folder=folder)
    return Sample(name, language, folder, [language.places.get(word, word) for word in command_of(folder / "Dockerfile")])


def commands_of_ci(folder: Path) -> list[str]:
    """What its workflow runs before an image is made."""
    workflow = parse_document((folder / ".github/workflows/ci.yaml").read_bytes()).value
    assert workflow["jobs"]["image"]["needs"] == "test"
    return [step["run"] for step in workflow["jobs"]["test"]["steps"] if "run" in step]


async def write(workspace: Path, language: str) -> Path:
    """The repository that the template would publish."""
    form = {"name": "ledger", "owner": "group:default/payments", "language": language, "environment": "production"}
    ports = fake_ports(templating=templating(), forges=FakeForges([FakeForge()]))
    return (await run_steps(workspace, form, ports, until="publish")).workspace / "service"


def command_of(dockerfile: Path) -> list[str]:
    """What the image starts: its last line."""
    instruction, words = dockerfile.read_text().splitlines()[-1].split(" ", 1)
    assert instruction in ("CMD", "ENTRYPOINT")
    command: list[str] = json.loads(words)
    return command


def counts_of(text: str) -> dict[tuple[str, str, str], float]:
    """How many requests were counted by method, route and status, but for those of the platform."""
    counts: dict[tuple[str, str, str], float] = {}
    for family in text_string_to_metric_families(text):
        for each in family.samples:
            if each.name == COUNT and each.labels.get("http_route") not in ("/health", "/metrics"):
                method, route, status = (each.labels.get(name, "") for name in WHAT_IS_COUNTED)
                counts[method, route, status] = counts.get((method, route, status), 0) + each.value
    return counts


def test_it_answers_and_counts_requests_by_route(sample: Sample) -> None:
    language, word = sample.language, secrets.token_hex(8)
    with sample.started() as url:
        health = ask(f"{url}/health")
        assert ask(url).json() == {"service": "ledger"}
        assert ask(f"{url}/orders/{word}").json() == {"order": word}
        # Callers choose paths, methods and hosts; they must not make series with them.
        assert ask(f"{url}/{word}/x", headers={"host": f"{word}.example.com"}).status_code == 404
        assert ask(url, word.upper()).status_code in (400, 404, 405, 501)
        answer = ask(f"{url}/metrics")
    lines = (sample.folder / "sample.log").read_text().splitlines()
    logged = [json.loads(line) for line in lines if "JAVA_TOOL_OPTIONS" not in line]
    assert logged
    assert all(isinstance(line, dict) for line in logged)
    assert (health.status_code, health.json()["status"].lower() in ("ok", "up")) == (200, True)
    assert answer.headers["content-type"].startswith("text/plain")
    assert word not in answer.text.lower()
    counts = counts_of(answer.text)
    assert {key: counts[key] for key in counts if key[0] == "GET"} == {
        ("GET", language.root, "200"): 1,
        ("GET", language.orders, "200"): 1,
        ("GET", language.nowhere, "404"): 1,
    }
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    assert families["http_server_request_duration_seconds"].type == "histogram"
    within = {
        float(each.labels["le"]): each.value
        for each in families["http_server_request_duration_seconds"].samples
        if each.name.endswith("_bucket") and each.labels.get("http_route") == language.orders
    }
    assert (within[1.0], within[float(SECONDS * 5)]) == (0, 1)


def test_its_spans_are_a_part_of_the_callers_trace(sample: Sample) -> None:
    trace, parent, unwanted = secrets.token_hex(16), secrets.token_hex(8), secrets.token_hex(16)
    # What the chart sets with `telemetry.enabled`.
    named = {"OTEL_SERVICE_NAME": "books", "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=staging"}
    with collecting() as (endpoint, received):
        with sample.started(OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, **named) as url:
            ask(f"{url}/orders/7", headers={"traceparent": f"00-{trace}-{parent}-01"})
            # The caller says that this one is not kept.
            ask(url, headers={"traceparent": f"00-{unwanted}-{parent}-00"})
            ask(f"{url}/health")
            ask(f"{url}/metrics")
        spans = spans_of(received)
    (server,) = [span for _, span in spans if span.kind == span.SPAN_KIND_SERVER]
    assert (server.trace_id.hex(), server.parent_span_id.hex()) == (trace, parent)
    assert server.name.lower() == f"get {sample.language.orders}"
    # Nothing of /health and /metrics; what a framework adds is of the same trace.
    assert {span.trace_id.hex() for _, span in spans} == {trace}
    described = {(resource["service.name"], resource["deployment.environment.name"]) for resource, _ in spans}
    assert described == {("books", "staging")}


def test_it_finishes_what_runs_and_ends_soon_without_its_collector(sample: Sample) -> None:
    answers: list[tuple[int, float]] = []

    def order(url: str) -> None:
        answers.append((ask(f"{url}/orders/7").status_code, time.monotonic()))

    nobody = f"http://127.0.0.1:{free_port()}"
    with sample.started(OTEL_EXPORTER_OTLP_ENDPOINT=nobody) as url:
        ask(url)
        asking = threading.Thread(target=order, args=[url])
        asking.start()
        time.sleep(SECONDS / 4)
    ended = time.monotonic()
    asking.join()
    ((status, answered),) = answers
    assert status == 200
    assert ended - answered < SOON
