"""The release before this schema, as git has it: its code in a folder, and a way to run it.

`python -m tests.store.previous_release FILE` lets it serve a small catalog and run a task, and keeps the rows of its tables: what
`releases/0003_scaffolder.json` was made by.
"""

import base64
import json
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
from tests.cluster.bench.process import Process, free_port, running, wait_for
from tests.contract.backend import write_overlay

ROOT = Path(__file__).parents[2]
COMMIT = "e4c1ad85b57f66c5aec7cd042a39004a6fcca025"
REVISION = "0003_scaffolder"
ROWS = Path(__file__).with_name("releases") / f"{REVISION}.json"
ENTITIES = Path(__file__).with_name("releases") / "entities.yaml"
TOKEN = "a-token-for-this-test"
READY_SECONDS = 60.0
START = "from understage.cli import main; main()"


def is_available() -> bool:
    """Whether git has its history here."""
    found = subprocess.run(["git", "-C", str(ROOT), "cat-file", "-e", COMMIT], capture_output=True, check=False)
    return found.returncode == 0


def extract(folder: Path) -> Path:
    """Put its code, and what it registers by entry points, into `folder`; returns `folder`."""
    command = ["git", "-C", str(ROOT), "archive", COMMIT, "backend", "actions", "pyproject.toml"]
    archive = subprocess.run(command, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    about = folder / "backend" / f"understage-{project['version']}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: understage\nVersion: {project['version']}\n")
    groups = [
        "\n".join([f"[{group}]", *(f"{name} = {value}" for name, value in members.items())])
        for group, members in project["entry-points"].items()
    ]
    (about / "entry_points.txt").write_text("\n".join(groups) + "\n")
    return folder


@contextmanager
def serving(
    code: Path | None, folder: Path, port: int, database: Mapping[str, Any], catalog: Path
) -> Iterator[Process]:
    """`understage serve` of the release whose code is in `code`, or of this one, until the block is left."""
    path = [code / "backend", code / "actions"] if code else [ROOT / "backend", ROOT / "actions"]
    overlay = {
        "backend": {
            "baseUrl": f"http://127.0.0.1:{port}",
            "listen": {"host": "127.0.0.1", "port": port},
            "database": dict(database),
            "auth": {"externalAccess": [{"type": "static", "options": {"token": TOKEN, "subject": "a-test"}}]},
        },
        "catalog": {
            "rules": [{"allow": ["Component", "API", "Group", "System", "Template", "Location"]}],
            "locations": [{"type": "file", "target": str(catalog)}],
            "processingInterval": {"seconds": 1},
        },
        "understage": {"dataDirectory": str(folder / "data"), "encryptionKey": "a-key-for-this-test"},
    }
    name = f"serve-{port}"
    file = write_overlay(folder / f"{name}.yaml", overlay)
    command = [sys.executable, "-c", START, "serve", "--config", str(file)]
    environment = {"PYTHONPATH": ":".join(map(str, path)), "NO_COLOR": "1"}
    with running(name, command, folder, environment=environment) as process:
        process.wait_until(lambda: _is_ready(port), READY_SECONDS)
        yield process


def ask(port: int, method: str, path: str, **options: Any) -> Any:
    """An answer of a server on this port; AssertionError unless it succeeds."""
    url = f"http://127.0.0.1:{port}/api/{path}"
    answer = httpx.request(
        method, url, headers={"authorization": f"Bearer {TOKEN}"}, timeout=30, trust_env=False, **options
    )
    assert answer.is_success, answer.text
    return answer.json() if answer.content else None


def served(port: int) -> dict[str, Any]:
    """All entities by reference."""
    return {
        f"{entity['kind']}:{entity['metadata']['namespace']}/{entity['metadata']['name']}".lower(): entity
        for entity in ask(port, "GET", "catalog/entities")
    }


def record(file: Path) -> None:
    """Run it on SQLite and keep its rows as JSON: table to columns to values, bytes in base64."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        database = {"client": "better-sqlite3", "connection": {"directory": str(folder / "database")}}
        port = free_port()
        with serving(extract(folder / "code"), folder, port, database, ENTITIES):
            wait_for("the template", lambda: served(port).get("template:default/say"), 30)
            ask(port, "POST", "catalog/locations", json={"type": "url", "target": "https://example.com/none.yaml"})
            body = {"templateRef": "template:default/say", "values": {"words": "good morning"}}
            task = ask(port, "POST", "scaffolder/v2/tasks", json=body)["id"]
            wait_for("the task", lambda: _has_completed(port, task), 30)
            time.sleep(3)  # everything comes to rest
        (stored,) = (folder / "database").glob("*.sqlite")
        # Where the file was on the machine that recorded it is nobody's business.
        kept = json.dumps(_rows(stored), indent=1).replace(str(ENTITIES.parent), "/catalog")
        file.write_text(kept + "\n")


def _has_completed(port: int, task: str) -> bool | None:
    return ask(port, "GET", f"scaffolder/v2/tasks/{task}")["status"] == "completed" or None


def _rows(file: Path) -> dict[str, list[dict[str, Any]]]:
    connection = sqlite3.connect(file)
    connection.row_factory = sqlite3.Row
    names = [
        row[0]
        for row in connection.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        )
    ]
    found = {
        name: [dict(row) for row in connection.execute(f"SELECT * FROM {name}")]
        for name in names
        if name != "understage_schema_version"
    }
    connection.close()
    for rows in found.values():
        for row in rows:
            row.update({name: _text(value) for name, value in row.items() if isinstance(value, bytes)})
    return {name: rows for name, rows in found.items() if rows}


def _text(value: bytes) -> str:
    return "base64:" + base64.b64encode(value).decode()


def _is_ready(port: int) -> bool:
    try:
        url = f"http://127.0.0.1:{port}/.backstage/health/v1/readiness"
        return httpx.get(url, trust_env=False, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def main(arguments: Sequence[str]) -> None:
    record(Path(arguments[0]) if arguments else ROWS)


if __name__ == "__main__":
    main(sys.argv[1:])
