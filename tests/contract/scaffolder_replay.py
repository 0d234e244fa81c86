"""The requests to the scaffolder that were recorded with the stock backend, asked again: `recorded/scaffolder.jsonl`.

As `replay`, whose rows and names these are. The recording waits for the end of a task before it looks at it, and so does this.
Events are compared without their numbers, which count over all tasks, and as sets: in the stock backend one may overtake another.
"""

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import URL
from tests.contract.comparison import Answer, normalise
from tests.contract.files import FileServer
from tests.contract.replay import RECORDED, Outcome, Record, Replay, replaying
from tests.contract.tasks import ENDED, TASKS
from tests.portal.issuer import MemoryIssuer

FILE = RECORDED / "scaffolder.jsonl"
# What is on these pages depends on which tasks had ended when they were recorded.
BY_CHANCE = frozenset(f"sc.list.{number}" for number in ("00", "01", "02", "03", "10", "11"))
FOLDER = re.compile(r"[^\s\"]*/scaffolder/(workspaces/<uuid>-\d+|dry-runs/dry-run-<uuid>)")


@cache
def load_texts() -> dict[str, str]:
    """The rows of the recording by their ids."""
    return {json.loads(line)["id"]: line for line in FILE.read_text(encoding="utf-8").splitlines()}


@contextmanager
def replaying_scaffolder(database: URL, folder: Path) -> Iterator["ScaffolderReplay"]:
    """Understage over the files of the recording."""
    with replaying(database, folder, ScaffolderReplay) as replay:
        assert isinstance(replay, ScaffolderReplay)
        yield replay


class ScaffolderReplay(Replay):
    """Asks what was recorded of the scaffolder, one request after the other, as the guest.

    The guest's token is signed here: the files' server has the keys where an auth backend has them.
    """

    issuer = MemoryIssuer()

    @staticmethod
    def settings(files: FileServer) -> dict[str, Any]:
        """Who signs tokens of users; and everybody may everything, as in the recording."""
        files.replaced["api/auth/.well-known/jwks.json"] = json.dumps(ScaffolderReplay.issuer.public_jwks()).encode()
        endpoint = {"target": f"{files.url}/api/{{{{pluginId}}}}", "plugins": ["auth"]}
        return {"permission": {"enabled": False}, "discovery": {"endpoints": [endpoint]}}

    def run(self) -> dict[str, Outcome]:
        """The outcome of every request."""
        self._wait(self._is_complete)
        self._token, _ = self.issuer.issue("user:default/guest", [])
        outcomes = {}
        for name, text in load_texts().items():
            record = self._read(text)
            self._before_asking(record)
            outcomes[name] = self._ask(record)
        return outcomes

    def _before_asking(self, record: Record) -> None:
        path = self._translate(record.request["path"])
        if record.id == "sc.wait.task.mid":
            self._wait_for(path, lambda task: task["status"] == "processing")
            time.sleep(0.7)  # into the first step
        elif record.id.endswith(".task"):
            self._wait_for(path, lambda task: task["status"] in ENDED)
        elif record.id == "sc.list.00":
            self._wait(lambda: self._count("open") + self._count("processing") == 0)

    def _wait_for(self, path: str, reached: Callable[[dict[str, Any]], bool]) -> None:
        self._wait(lambda: reached(self.ours.request("GET", path, token=self._token).json()))

    def _count(self, status: str) -> int:
        answer = self.ours.request("GET", f"{TASKS}?status={status}&limit=0", token=self._token)
        return int(answer.json()["totalTasks"])

    def _comparable(self, record: Record, response: httpx.Response) -> Answer:
        kind = response.headers.get("content-type", "")
        if kind.startswith("text/event-stream"):
            events = [
                json.loads(line.removeprefix("data: ")) for line in response.text.splitlines() if "data: " in line
            ]
            response = httpx.Response(response.status_code, json=events)
        answer = normalise(response, self.ours.url, any_order=response.status_code == 400)
        answer = replace(answer, body=_without_folder(answer.body))
        if record.id in BY_CHANCE and isinstance(answer.body, dict):
            return Answer(answer.status, answer.headers, {"tasks": len(answer.body["tasks"])})
        if isinstance(answer.body, list) and "/event" in record.request["path"]:
            events = [{name: value for name, value in event.items() if name != "id"} for event in answer.body]
            return Answer(
                answer.status, answer.headers, sorted(events, key=lambda event: json.dumps(event, sort_keys=True))
            )
        return answer


def _without_folder(value: Any) -> Any:
    """The folder of a task is where each backend has it."""
    if isinstance(value, str):
        return FOLDER.sub(lambda found: "/tmp/dry-run-<uuid>" if "dry" in found[1] else "<tmp>/<uuid>", value)
    if isinstance(value, list):
        return [_without_folder(item) for item in value]
    return {name: _without_folder(item) for name, item in value.items()} if isinstance(value, dict) else value
