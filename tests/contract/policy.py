"""One set of permission decisions for both backends: the stock policy reads them from a file, ours asks `PermissionBackend`.

The permission backend of a pair of whole backends cannot be the stock one for both: it would ask its own catalog whether
conditions hold. So ours has one of its own, which answers by the protocol of Backstage permission-common 0.9.11. Understage
before a real permission backend is in test_sidecar.py.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx

ALLOW = {"result": "ALLOW"}
DENY = {"result": "DENY"}
SERVICE_TOKEN = "a-static-token-of-a-service"
CONDITIONS = "/.well-known/backstage/permissions/apply-conditions"


def conditional(conditions: dict[str, Any]) -> dict[str, Any]:
    """The decision that entities which satisfy the conditions are allowed."""
    return {
        "result": "CONDITIONAL",
        "pluginId": "catalog",
        "resourceType": "catalog-entity",
        "conditions": conditions,
    }


def scaffolder_decision(resource_type: str, conditions: dict[str, Any]) -> dict[str, Any]:
    """The decision that resources of the scaffolder which satisfy the conditions are allowed."""
    return {
        "result": "CONDITIONAL",
        "pluginId": "scaffolder",
        "resourceType": resource_type,
        "conditions": conditions,
    }


def rule(name: str, **params: Any) -> dict[str, Any]:
    """A leaf of a tree of conditions."""
    return {"rule": name, "resourceType": "catalog-entity", "params": params}


class Policy:
    """The decisions in force. `url` is that of our permission backend; `catalog` is set when ours runs."""

    def __init__(self, file: Path, url: str) -> None:
        self.file = file
        self.url = url
        self.catalog = ""
        self._decisions: dict[str, dict[str, Any]] = {}
        self._decide({})

    @contextmanager
    def deciding(self, decisions: dict[str, dict[str, Any]]) -> Iterator[None]:
        """Decide so, by permission name, until the block is left; what is not named is allowed."""
        self._decide(decisions)
        try:
            yield
        finally:
            self._decide({})

    def answer(self, item: dict[str, Any]) -> dict[str, Any]:
        """The answer to one question of `/authorize`. Raises httpx.HTTPStatusError when ours refuses the conditions."""
        decision = self._decisions.get(item["permission"]["name"], ALLOW)
        if decision["result"] != "CONDITIONAL" or "resourceRef" not in item:
            return {"id": item["id"], **decision}
        question = {
            "id": item["id"],
            "resourceRef": item["resourceRef"],
            "resourceType": decision["resourceType"],
            "conditions": decision["conditions"],
        }
        headers = {"authorization": f"Bearer {SERVICE_TOKEN}"}
        answer = httpx.post(
            self.catalog + CONDITIONS, json={"items": [question]}, headers=headers, timeout=60, trust_env=False
        )
        answer.raise_for_status()
        [result] = answer.json()["items"]
        return dict(result)

    def _decide(self, decisions: dict[str, dict[str, Any]]) -> None:
        self._decisions = decisions
        self.file.write_text(json.dumps(decisions), encoding="utf-8")


@contextmanager
def serving_policy(file: Path) -> Iterator[Policy]:
    """A policy with our permission backend on a free port of 127.0.0.1, until the block is left."""

    class PermissionBackend(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            try:
                status, answer = 200, {"items": [policy.answer(item) for item in body["items"]]}
            except httpx.HTTPStatusError as error:
                status, answer = 500, error.response.json()
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), PermissionBackend) as server:
        server.daemon_threads = True
        policy = Policy(file, f"http://127.0.0.1:{server.server_address[1]}")
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield policy
        finally:
            server.shutdown()
            thread.join()
