"""The reference page of actions, made of their definitions. Called by `understage docs actions`.

The same schemas feed `/create/actions`; this is their form for those who read without a portal, or keep a page of their own.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from understage.model.yaml_dump import dump
from understage.sdk import Action, Example

HEAD = """\
# Actions

What a step of a template can do. Every action is a typed function; this page is made of their definitions by
`understage docs actions`, which lists the actions of other installed packages too. `files[]` is an item of the list `files`,
`labels.*` a value of the map `labels`. A dry run skips the actions that have no *yes* in the last column.
"""
LONGEST_DEFAULT = 60


def describe_actions(actions: Iterable[Action[Any, Any]]) -> str:
    """A Markdown page of the actions, in the order given: description, input, output, examples."""
    known = list(actions)
    index = [
        "| action | | dry run |",
        "|---|---|---|",
        *(
            _row(f"[`{action.id}`](#{anchor_of(action.id)})", _first_sentence(action.description), _yes(action))
            for action in known
        ),
    ]
    return "\n".join([HEAD, *index, *(_describe(action) for action in known)]).rstrip() + "\n"


def anchor_of(heading: str) -> str:
    """The anchor that GitHub and TechDocs give a heading: lower case, punctuation gone, blanks as hyphens."""
    kept = (char for char in heading.strip().lower() if char.isalnum() or char in " -_")
    return "".join(kept).replace(" ", "-")


def _describe(action: Action[Any, Any]) -> str:
    parts = [f"\n## {action.id}\n", action.description, "\n**Input**\n", _input_table(action.input_schema())]
    output = action.output_schema()
    parts += ["\n**Output**\n", _output_table(output)] if output else ["\nNo output."]
    for example in action.examples:
        parts += [f"\n{example.description}:\n", _step(action.id, example)]
        parts += [f"\n{example.notes}"] if example.notes else []
    return "\n".join(parts)


def _input_table(schema: Mapping[str, Any]) -> str:
    rows = [
        _row(
            f"`{path}`", _type(part, required), "required" if required else _default(part), part.get("description", "")
        )
        for path, part, required in _members(schema)
    ]
    return "\n".join(["| key | type | default | |", "|---|---|---|---|", *rows]) if rows else "None."


def _output_table(schema: Mapping[str, Any]) -> str:
    rows = [_row(f"`{path}`", _type(part, True), part.get("description", "")) for path, part, _ in _members(schema)]
    return "\n".join(["| key | type | |", "|---|---|---|", *rows])


def _members(schema: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Mapping[str, Any], bool]]:
    """Every member with its path, parents before what is in them, and whether it is required of its parent."""
    required = schema.get("required", ())
    for name, part in schema.get("properties", {}).items():
        yield f"{prefix}{name}", part, name in required
        yield from _inner(part, f"{prefix}{name}")


def _inner(part: Mapping[str, Any], path: str) -> Iterator[tuple[str, Mapping[str, Any], bool]]:
    for choice in (part, *part.get("anyOf", ())):
        yield from _members(choice, f"{path}.")
        for keyword, mark in (("items", "[]"), ("additionalProperties", ".*")):
            if isinstance(choice.get(keyword), dict):
                yield from _inner(choice[keyword], f"{path}{mark}")


def _type(part: Mapping[str, Any], required: bool) -> str:
    """The type in words; what need not be given may be null as well, which goes without saying."""
    kinds = [_type(choice, True) for choice in part["anyOf"]] if "anyOf" in part else [_plain_type(part)]
    return " or ".join(kind for kind in dict.fromkeys(kinds) if required or kind != "null")


def _plain_type(part: Mapping[str, Any]) -> str:
    if "const" in part or "enum" in part:
        return " or ".join(f"`{json.dumps(value)}`" for value in part.get("enum", [part.get("const")]))
    name = part.get("type")
    if name == "array":
        return f"list of {_inner_type(part['items'])}" if part.get("items") else "list"
    if name == "object" and isinstance(part.get("additionalProperties"), dict):
        return f"map of {_inner_type(part['additionalProperties'])}"
    return str(name or "any value")


def _inner_type(part: Mapping[str, Any]) -> str:
    kind = _type(part, True)
    return f"({kind})" if " or " in kind else kind


def _default(part: Mapping[str, Any]) -> str:
    if part.get("default") is None:
        return ""
    text = json.dumps(part["default"], ensure_ascii=False)
    return f"`{text}`" if len(text) <= LONGEST_DEFAULT else "a longer one"


def _step(action_id: str, example: Example) -> str:
    step = {"id": action_id.replace(":", "-"), "action": action_id, "input": json.loads(json.dumps(example.input))}
    return f"```yaml\n{dump({'steps': [step]}).rstrip()}\n```"


def _row(*cells: str) -> str:
    """A line of a table; `|` and line ends would break it."""
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"


def _yes(action: Action[Any, Any]) -> str:
    return "yes" if action.supports_dry_run else ""


def _first_sentence(text: str) -> str:
    return " ".join(text.split()).split(". ")[0].rstrip(".")
