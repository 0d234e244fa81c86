"""The list of requests both backends get: `requests/*.yaml`, read into cases.

A file is `{base: path prefix, requests: [case, …]}`. A case has one of `get`/`post`/`put`/`delete`/`patch` with the path, and
as needed: `json` or `content` (text) as the body, `headers`, `anonymous: true` (no token), `any_order: true`, and `differs: ID`,
the row of docs/differences.md by which the answers differ on purpose, with `ours`, what ours looks like: `{status, text}`, where
`text` is a part of the body; `checks` are the numbers of the conformance checklist that it asks for. `${HTTP}` is the address
of the files in `entities/http`.
"""

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

REQUESTS = Path(__file__).with_name("requests")
DIFFERENCES = Path(__file__).parents[2] / "docs" / "differences.md"
METHODS = ("get", "post", "put", "delete", "patch")


@dataclass(frozen=True)
class Case:
    """One request, and how its answers are compared."""

    id: str
    method: str
    path: str
    options: dict[str, Any] = field(default_factory=dict)
    anonymous: bool = False
    any_order: bool = False
    differs: str | None = None
    ours: dict[str, Any] = field(default_factory=dict)
    checks: tuple[int, ...] = ()


def load_cases(*names: str) -> list[Case]:
    """The cases of these files (all when none is named)."""
    files = [REQUESTS / f"{name}.yaml" for name in names] or sorted(REQUESTS.glob("*.yaml"))
    cases = [
        _read(file.stem, content["base"], item)
        for file in files
        for content in [yaml.safe_load(file.read_text(encoding="utf-8"))]
        for item in content["requests"]
    ]
    twice = [name for name, count in Counter(case.id for case in cases).items() if count > 1]
    assert not twice, f"listed twice: {twice}"
    return cases


def listed_differences() -> set[str]:
    """The ids in the table of docs/differences.md."""
    lines = DIFFERENCES.read_text(encoding="utf-8").splitlines()
    return {line.split("|")[1].strip().strip("`") for line in lines if line.startswith("| `")}


def _read(group: str, base: str, item: dict[str, Any]) -> Case:
    item = dict(item)
    method = next(name for name in METHODS if name in item)
    path = item.pop(method)
    known = {name: item.pop(name) for name in ("anonymous", "any_order", "differs", "ours") if name in item}
    checks = tuple(item.pop("checks", ()))
    body = json.dumps(item["json"], separators=(",", ":")) if "json" in item else item.get("content", "")
    caller = item.get("headers", {}).get("authorization", "anonymous") if known.get("anonymous") else ""
    name = " ".join(filter(None, (group, method.upper(), path, body, caller)))
    if unknown := item.keys() - {"json", "content", "headers"}:
        raise ValueError(f"{name}: unknown keys {sorted(unknown)}")
    full = path if path.startswith(("/api/", "/.")) else base + path
    return Case(name, method.upper(), full, item, checks=checks, **known)
