"""What a dry run of an action for a forge told, to be held against what a run sends."""

import json
import re
from typing import Any

PUSHED = re.compile(r"Would push (\d+) files to branch (\S+) of (\S+)")


def planned(log: list[str]) -> list[tuple[str, str, Any]]:
    """The writes that a dry run told of."""
    found = []
    for line in log:
        if match := re.fullmatch(r"Would ([A-Z]+) (https://\S+)(?: (\{.*\}))?", line):
            found.append((match[1], match[2], json.loads(match[3]) if match[3] else None))
    return found


def comparable(plan: Any, sent: Any) -> Any:
    """`sent`, with the plan's word wherever that hides a value or leaves it to GitHub."""
    if plan in ("***", "(assigned by GitHub)"):
        return plan
    if isinstance(plan, dict) and isinstance(sent, dict):
        return {name: comparable(plan.get(name), value) for name, value in sent.items()}
    if isinstance(plan, list) and isinstance(sent, list) and len(plan) == len(sent):
        return [comparable(*pair) for pair in zip(plan, sent, strict=True)]
    return sent
