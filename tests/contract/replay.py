"""The requests that were recorded with the stock backend, asked of Understage again: `recorded/catalog.jsonl`.

A row is `{id, request: {method, path, headers, json | content}, status, headers, body}`, in the order in which they were asked.
What the stock backend named (ids, uids, cursors) is learned from the places where its answers and ours hold them, and put into
the requests that follow. What changes in the files between two requests is in `Replay._before`.
"""

import hashlib
import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import httpx
from sqlalchemy import URL
from tests.contract.backend import ROOT, UnderstageBackend, free_port, place, write_overlay
from tests.contract.comparison import CURSORS, HEADERS, UUID, Answer, normalise
from tests.contract.files import ENTITIES, FILES, FileServer, serving
from tests.contract.policy import SERVICE_TOKEN

RECORDED = Path(__file__).with_name("recorded")
LOCATIONS = ("all", "missing-static", "kinds", "broken", "badname", "missing-target", "optional-target")
GENERATED = re.compile(r"generated-[0-9a-f]{40}")
# The name of a location without the hash of where its file is.
HASHED = "generated-<hash>"
# Uids decide about the order of equals, and about what is on a page of what has no order: a matter of chance.
TIES = frozenset({"ent.page.05", "ent.page.06", "byq.06", "byq.35", "byq.36", "byq.cur.nullsort.1"})
BY_CHANCE = re.compile(r"byq\.(02|18|20|32|37)|byq\.cur\.(plain|desc)\..*|pbq\.(01|19|29)|loc\.byquery\.(1|next)")
# What is read and written in the background is there within this time, in seconds.
PATIENCE = 45.0


@dataclass(frozen=True)
class Record:
    """A request and the answer of the stock backend."""

    id: str
    request: dict[str, Any]
    answer: httpx.Response

    @property
    def is_ordered(self) -> bool:
        """Whether the request asks for an order that does not depend on where the files are."""
        asked = unquote(self.request["path"]) + json.dumps(self.request.get("json"))
        return "order" in asked.lower() and self.id not in TIES and not GENERATED.search(self.answer.text)


@dataclass(frozen=True)
class Outcome:
    """Both answers to a request, normalised."""

    stock: Answer
    ours: Answer


@cache
def load_texts() -> dict[str, str]:
    """The rows of the recording by their ids."""
    lines = (RECORDED / "catalog.jsonl").read_text(encoding="utf-8").splitlines()
    return {json.loads(line)["id"]: line for line in lines}


@contextmanager
def replaying(database: URL, folder: Path, kind: "type[Replay] | None" = None) -> Iterator["Replay"]:
    """Understage over the files of the recording; `kind` asks what was recorded, by default of the catalog."""
    fixtures = folder / "fixtures"
    shutil.copytree(ENTITIES, fixtures / "entities")
    shutil.move(fixtures / "entities" / "templates", fixtures / "templates")
    (fixtures / "templates" / "fetch" / "skeleton" / "empty").mkdir()  # which git does not keep
    shutil.copytree(RECORDED / "entities", fixtures / "entities", dirs_exist_ok=True)
    port = free_port()
    with serving() as files:
        locations = [{"type": "file", "target": str(fixtures / "entities" / f"{name}.yaml")} for name in LOCATIONS]
        overlay = {
            **place(port, database, folder),
            "permission": {"enabled": True},
            "catalog": {"orphanStrategy": "keep", "locations": locations, "processingInterval": {"seconds": 5}},
        }
        access = {"type": "static", "options": {"token": SERVICE_TOKEN, "subject": "a-service"}}
        overlay["backend"]["auth"] = {"externalAccess": [access]}
        overlay["backend"]["reading"] = {"allow": [{"host": files.address}]}
        overlay["backend"]["cors"] = {
            "origin": "http://127.0.0.1:3000",
            "methods": ["GET", "HEAD", "PATCH", "POST", "PUT", "DELETE"],
            "credentials": True,
        }
        overlay |= (kind or Replay).settings(files)
        configuration = [ROOT / "app-config.yaml", write_overlay(folder / "replay.yaml", overlay)]
        with UnderstageBackend.running(folder, configuration, port=port) as ours:
            yield (kind or Replay)(ours, files, fixtures)


class Replay:
    """Asks what was recorded, one request after the other."""

    @staticmethod
    def settings(_files: FileServer) -> dict[str, Any]:
        """More of the configuration."""
        return {}

    def __init__(self, ours: UnderstageBackend, files: FileServer, fixtures: Path) -> None:
        self.ours = ours
        self._files = files
        self._names = {"${HTTP}": files.url, "${HTTP_HOST}": files.address, "${BASE}": ours.url}
        self._names["${FIXTURES}"] = str(fixtures)
        self._token = SERVICE_TOKEN
        self._learned: dict[str, str] = {}

    def run(self) -> dict[str, Outcome]:
        """The outcome of every request."""
        before = self._before()
        self._wait(self._is_complete)
        outcomes = {}
        for name, text in load_texts().items():
            if name in before:
                before[name]()
            outcomes[name] = self._ask(self._read(text))
        return outcomes

    def _read(self, text: str) -> Record:
        for name, value in self._names.items():
            text = text.replace(name, value)
        row = json.loads(text)
        body = row["body"]
        content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        return Record(row["id"], row["request"], httpx.Response(row["status"], headers=row["headers"], content=content))

    def _ask(self, record: Record) -> Outcome:
        """Ask once, or again until the answer is the same where it is about what goes on in the background."""
        stock = self._comparable(record, record.answer)
        until = time.monotonic() + (PATIENCE if record.id in AWAITED else 0)
        while True:
            answer = self._send(record.request)
            ours = self._comparable(record, answer)
            if stock == ours or time.monotonic() >= until:
                break
            time.sleep(0.3)
        self._learn(record.answer, answer)
        return Outcome(stock, ours)

    def _comparable(self, record: Record, response: httpx.Response) -> Answer:
        """Normalised; where chance chooses what is on a page, only how much that is."""
        nameless = httpx.Response(
            response.status_code, headers=_described(response), content=GENERATED.sub(HASHED, response.text).encode()
        )
        answer = normalise(nameless, self.ours.url, any_order=not record.is_ordered)
        if BY_CHANCE.fullmatch(record.id):
            page = answer.body if isinstance(answer.body, list) else answer.body["items"]
            return Answer(answer.status, answer.headers, {"items": len(page)})
        return answer

    def _send(self, request: dict[str, Any]) -> httpx.Response:
        headers = dict(request.get("headers", {}))
        if headers.get("authorization") == "Bearer <token>":
            headers["authorization"] = f"Bearer {self._token}"
        options = {name: self._translate(request[name]) for name in ("json", "content") if name in request}
        return self.ours.request(request["method"], self._translate(request["path"]), headers=headers, **options)

    def _translate(self, value: Any) -> Any:
        """The value with our names in place of the stock backend's."""
        text = json.dumps(value)
        for theirs, ours in self._learned.items():
            text = text.replace(theirs, ours).replace(quote(theirs, safe=""), quote(ours, safe=""))
        return json.loads(text)

    def _learn(self, stock: httpx.Response, ours: httpx.Response) -> None:
        try:
            self._pair(stock.json(), ours.json(), "")
        except ValueError:
            return
        after = [re.search(r"after=([^&>]+)", answer.headers.get("link", "")) for answer in (stock, ours)]
        if after[0] and after[1]:
            self._learned[unquote(after[0][1])] = unquote(after[1][1])

    def _pair(self, stock: Any, ours: Any, key: str) -> None:
        if isinstance(stock, dict) and isinstance(ours, dict):
            for name in stock.keys() & ours.keys():
                self._pair(stock[name], ours[name], name)
        elif isinstance(stock, list) and isinstance(ours, list):
            for left, right in _same(stock, ours):
                self._pair(left, right, key)
        elif isinstance(stock, str) and isinstance(ours, str) and (key in CURSORS or UUID.fullmatch(stock)):
            self._learned.setdefault(stock, ours)

    def _before(self) -> dict[str, Callable[[], None]]:
        """What happens before which request."""
        return {
            "loc.list.2": lambda: self._await_entities("http-one", "http-two-a", "http-two-b", "http-json-api"),
            "refresh.two": self._change_files,
            "refresh.two-b": self._await_refresh,
            "ent.orphan": lambda: self._wait(self._is_orphaned),
            "refresh.one.err": lambda: self._files.replaced.update({"one.yaml": None}),
            "ent.status.error": lambda: self._wait(self._has_failed),
            "del.orphan": lambda: self._files.replaced.pop("one.yaml") and None,
            "ent.http-one.gone": lambda: self._wait(lambda: "component:default/http-one" not in self._entities()),
        }

    def _change_files(self) -> None:
        location = "apiVersion: backstage.io/v1alpha1\nkind: Location\nmetadata: {name: http-two}\n"
        self._files.replaced["two.yaml"] = f"{location}spec:\n  targets: [./two-a.yaml]\n".encode()
        self._files.replaced["one.yaml"] = (FILES / "one.yaml").read_bytes().replace(b"production", b"deprecated")

    def _await_entities(self, *names: str) -> None:
        self._wait(lambda: set(names) <= {ref.partition("/")[2] for ref in self._entities()})

    def _await_refresh(self) -> None:
        def is_read() -> bool:
            return bool(self._entities()["component:default/http-one"]["spec"]["lifecycle"] == "deprecated")

        self._wait(is_read)

    def _is_orphaned(self) -> bool:
        annotations = self._entities()["component:default/http-two-b"]["metadata"]["annotations"]
        return "backstage.io/orphan" in annotations

    def _has_failed(self) -> bool:
        name = hashlib.sha1(f"url:{self._files.url}/one.yaml".encode()).hexdigest()
        return "status" in self._entities()[f"location:default/generated-{name}"]

    def _is_complete(self) -> bool:
        """Whether the last entities are there, and their owner says of the one that only we serve that it is its."""
        found = self._entities()
        last = {"component:default/page-12", "api:music/notes-api", "api:default/json-api"}
        owner = found.get("group:default/platform", {})
        owned = {relation["targetRef"] for relation in owner.get("relations", ())}
        return last <= found.keys() and "api:default/json-api" in owned

    def _entities(self) -> dict[str, dict[str, Any]]:
        answer = self.ours.request("GET", "/api/catalog/entities", token=self._token)
        answer.raise_for_status()
        return {
            f"{entity['kind']}:{entity['metadata']['namespace']}/{entity['metadata']['name']}".lower(): entity
            for entity in answer.json()
        }

    def _wait(self, holds: Callable[[], bool]) -> None:
        until = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < until, f"still not so after {PATIENCE:.0f} s; the log: {self.ours.log[-2000:]}"
            time.sleep(0.2)


# Changed in the background by what was asked just before.
AWAITED = frozenset({"ent.http-one", "ent.http-json-api", "ent.http-one.updated"})


def _same(stock: list[Any], ours: list[Any]) -> Iterator[tuple[Any, Any]]:
    """What belongs together: by what clients see of it when these are things with names, by their places otherwise."""

    def key(item: Any) -> str | None:
        if not isinstance(item, dict):
            return None
        item = item.get("data", item)
        if "target" in item:
            return str(item["target"])
        metadata = item.get("metadata", {})
        name = metadata.get("name")
        return f"{item.get('kind')}:{metadata.get('namespace')}/{name}" if name else None

    names = {key(item): item for item in ours}
    if None in names or len(names) != len(ours):
        yield from zip(stock, ours, strict=False)
        return
    yield from ((item, names[key(item)]) for item in stock if key(item) in names)


def _described(response: httpx.Response) -> dict[str, str]:
    """The headers that say what the body is; how it was sent does not matter any more."""
    return {name: response.headers[name] for name in HEADERS if name in response.headers}
