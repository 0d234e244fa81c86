"""Made-up catalog files, good and broken in all the ways people break them; the same seed makes the same files.

Each file has a folder of its own, and names of its own, so that what is found can be told apart by file.
"""

import copy
import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

Entity = dict[str, Any]
JUNK: tuple[Any, ...] = (
    None,
    True,
    7,
    1.5,
    "",
    " ",
    "no spaces allowed",
    "ÄÖ",
    [],
    {},
    ["x", 2],
    {"a": {"b": []}},
    "a" * 70,
)
REFERENCES = ("team-a", "group:default/x", "user:guest", "component:ns/y", "a:b:c", "x/y")
BAD_REFERENCES = (":", "a:", "/x", "a:/b", "", "group:default/")
SPECS: dict[str, dict[str, Any]] = {
    "Component": {"type": "service", "lifecycle": "production", "owner": "team-a"},
    "API": {
        "type": "openapi",
        "lifecycle": "production",
        "owner": "team-a",
        "definition": "openapi: 3.1.0\ninfo: {}\n",
    },
    "Resource": {"type": "database", "owner": "user:guest"},
    "System": {"owner": "team-a", "domain": "d"},
    "Group": {"type": "team", "children": [], "profile": {"displayName": "A"}},
    "User": {"memberOf": ["team-b", "team-a"]},
    "Template": {"type": "service", "steps": [{"id": "a", "action": "debug:log", "input": {"message": "${{ 1 }}"}}]},
}
LISTS = ("dependsOn", "providesApis", "consumesApis", "dependencyOf", "memberOf", "children")


class FileMaker:
    """Writes files below a folder."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder = folder
        self._seed = seed

    def make(self, number: int) -> Path:
        """Write file `number` and what is beside it; returns its path."""
        rng = random.Random(f"{self._seed}/{number}")
        here = self._folder / f"{number:05}"
        here.mkdir()
        (here / "text.md").write_text("# Text\n")
        (here / "data.json").write_text('{"a": [1, "two"]}')
        (here / "broken.json").write_text('{"a": ')
        (here / "broken.yaml").write_text("a: [")
        if rng.random() < 0.2:
            (here / "more.yaml").write_bytes(_file(rng, f"m{number}"))
        path = here / "catalog-info.yaml"
        path.write_bytes(_file(rng, f"f{number}"))
        return path


def _file(rng: random.Random, prefix: str) -> bytes:
    entities = [_entity(rng, f"{prefix}-{index}") for index in range(rng.choice((1, 1, 2, 3, 5)))]
    if rng.random() < 0.08:
        entities.append({**_entity(rng, "x"), "kind": "Component", "metadata": {"name": f"{prefix}-0"}})
    if rng.random() < 0.55:
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            rng.choice(BREAKAGES)(rng, rng.choice(entities))
    for entity in entities:
        _keep_apart(entity, prefix)
    text = rng.choice(("---\n", "\n---\n# next\n", "\n---\n---\n", "\n...\n---\n")).join(
        _text(rng, item) for item in entities
    )
    if rng.random() < 0.15:
        text = rng.choice(TEXT_BREAKAGES)(rng, text)
    if rng.random() < 0.1:
        text = "# ä comment \U0001f600\n\n" + text
    if rng.random() < 0.1:
        text = text.replace("\n", "\r\n")
    content = text.encode()
    return content.replace(b"a", b"\xff", 1) if rng.random() < 0.02 else content


def _keep_apart(entity: Entity, prefix: str) -> None:
    """A name that stands in two files is a conflict, which the order of the ingestion decides."""
    name = _metadata(entity).get("name")
    if isinstance(name, str) and name and not name.startswith(f"{prefix}-"):
        _metadata(entity)["name"] = f"{prefix} {name}"


def _text(rng: random.Random, entity: Any) -> str:
    style = rng.random()
    if style < 0.2:
        return json.dumps(entity, indent=rng.choice((None, 2)), ensure_ascii=rng.random() < 0.5) + "\n"
    written = yaml.safe_dump(
        entity,
        sort_keys=False,
        allow_unicode=rng.random() < 0.5,
        default_flow_style=rng.choice((None, False, False)),
        width=rng.choice((40, 1000)),
    )
    return "".join(f"  {line}\n" for line in written.splitlines()) if style < 0.3 else written


def _entity(rng: random.Random, name: str) -> Entity:
    if rng.random() < 0.15:
        return _location(rng, name)
    kind = rng.choice(list(SPECS))
    spec = copy.deepcopy(SPECS[kind])
    metadata: dict[str, Any] = {"name": name}
    if rng.random() < 0.3:
        metadata["tags"] = rng.sample(["python", "c++", "a-b", "go"], k=rng.randint(0, 3))
    if rng.random() < 0.3:
        metadata["labels"] = {"tier": "one", "example.com/x": "Y.z"}
    if rng.random() < 0.3:
        metadata["annotations"] = {"example.com/team": "any text: at all", "backstage.io/view-url": "https://x/y"}
    if rng.random() < 0.2:
        metadata["links"] = [{"url": "https://example.com", "title": "X"}, {"url": "mailto:a@b.c"}]
    if rng.random() < 0.3 and kind not in ("Template", "Group", "User"):
        spec["dependsOn"] = [f"resource:{item}" for item in rng.sample("zyxwab", k=3)]
    if rng.random() < 0.1:
        metadata["description"] = {"$text": "./text.md"}
    if rng.random() < 0.05:
        spec["extra"] = [{"$json": "./data.json"}, {"$unknown": "x"}]
    version = "scaffolder.backstage.io/v1beta3" if kind == "Template" else "backstage.io/v1alpha1"
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}


def _location(rng: random.Random, name: str) -> Entity:
    targets = [
        "./more.yaml",
        "./*.nothing",
        "./catalog-info.yaml",
        "./m*.yaml",
        "./folder/",
        "https://example.com/x.yaml",
    ]
    spec: dict[str, Any] = {"targets": rng.sample(targets, k=rng.randint(0, 2))}
    if rng.random() < 0.3:
        spec = {"type": rng.choice(("file", "url", "ftp")), "target": rng.choice(targets)}
    if rng.random() < 0.4:
        spec["presence"] = rng.choice(("optional", "required", "maybe"))
    return {"apiVersion": "backstage.io/v1beta1", "kind": "Location", "metadata": {"name": name}, "spec": spec}


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [*([path] if path else []), *(found for key, item in inner for found in _paths(item, (*path, key)))]


def _parent(entity: Entity, path: tuple[Any, ...]) -> Any:
    for part in path[:-1]:
        entity = entity[part]
    return entity


def _remove(rng: random.Random, entity: Entity) -> None:
    if paths := _paths(entity):
        path = rng.choice(paths)
        del _parent(entity, path)[path[-1]]


def _spoil(rng: random.Random, entity: Entity) -> None:
    if paths := _paths(entity):
        path = rng.choice(paths)
        _parent(entity, path)[path[-1]] = copy.deepcopy(rng.choice(JUNK))


def _add_root(rng: random.Random, entity: Entity) -> None:
    entity[rng.choice(("color", "relations", "status", "0", "$ref"))] = copy.deepcopy(rng.choice(JUNK))


def _metadata(entity: Entity) -> dict[str, Any]:
    found = entity.get("metadata")
    return found if isinstance(found, dict) else {}


def _spec(entity: Entity) -> dict[str, Any]:
    found = entity.get("spec")
    return found if isinstance(found, dict) else {}


def _spoil_fields(rng: random.Random, entity: Entity) -> None:
    metadata = _metadata(entity)
    name, value = rng.choice(
        [
            ("labels", {"ok": "x", "not ok": "y", "a/b/c": "z"}),
            ("labels", {"ok": "not good!", "also": 7}),
            ("annotations", {"UPPER/case": "x"}),
            ("annotations", ["x"]),
            ("annotations", {"a": 1}),
            ("tags", ["fine", "Not Fine", ""]),
            ("tags", ["b", "UP", "x y"]),
            ("links", [{"url": "https://fine"}, {"url": "relative", "title": " "}]),
            ("links", [{"title": "no url"}]),
            ("name", "has space"),
            ("namespace", "Upper"),
            ("namespace", ""),
            ("title", ""),
        ]
    )
    metadata[name] = copy.deepcopy(value)


def _spoil_reference(rng: random.Random, entity: Entity) -> None:
    spec, bad = _spec(entity), rng.choice(BAD_REFERENCES)
    if rng.random() < 0.4:
        spec[rng.choice(("owner", "system", "domain", "parent", "subcomponentOf"))] = bad
    else:
        spec[rng.choice(LISTS)] = [*rng.sample(REFERENCES, k=3), bad, "nokind"]


def _spoil_kind(rng: random.Random, entity: Entity) -> None:
    key, values = rng.choice(
        [
            ("kind", ("Foo", "component", "My-Kind", "Domain", "")),
            ("apiVersion", ("v1", "backstage.io/v9", "backstage.io/v1beta1", "a/b/c", "")),
        ]
    )
    entity[key] = rng.choice(values)


def _spoil_placeholder(rng: random.Random, entity: Entity) -> None:
    name, target = rng.choice(
        [
            ("text", "./gone.md"),
            ("text", "../../outside.md"),
            ("text", 7),
            ("text", ["x"]),
            ("json", "./broken.json"),
            ("json", "./data.json"),
            ("yaml", "./broken.yaml"),
            ("text", "https://example.com/x.md"),
        ]
    )
    place = rng.choice((_spec(entity), _metadata(entity)))
    place[rng.choice(("definition", "title", "type", "other"))] = {f"${name}": target}
    if rng.random() < 0.3:
        place["list"] = [{"$text": "./text.md"}, {"$text": "./gone.md"}]


BREAKAGES: tuple[Callable[[random.Random, Entity], None], ...] = (
    _remove, _remove, _spoil, _spoil, _add_root, _spoil_fields, _spoil_fields, _spoil_reference, _spoil_kind, _spoil_placeholder,
)  # fmt: skip


def _somewhere(rng: random.Random, text: str, insert: str) -> str:
    lines = text.split("\n")
    at = rng.randrange(len(lines))
    return "\n".join([*lines[:at], insert, *lines[at:]])


def _parts(text: str) -> list[str]:
    return re.split(r"^---\n", text, flags=re.MULTILINE)


def _broken_document(rng: random.Random) -> str:
    return rng.choice(
        ('a: "open\n', "a: [1,\n", "a: {b\n", "a: 1\na: 2\n", "a: 1\nfoo\n", "\ta: 1\n", "a: *x\n", "a: \x07\n")
    )


TEXT_BREAKAGES: tuple[Callable[[random.Random, str], str], ...] = (
    lambda rng, text: text + "\n---\njust text\n",
    lambda rng, text: "- a\n- list\n---\n" + text,
    lambda rng, text: text + "\n---\n" + rng.choice(("7", "true", "null", "{}", "[]", "{kind: Component}", "~")) + "\n",
    lambda rng, text: _somewhere(rng, text, "\tno: tabs"),
    lambda rng, text: _somewhere(rng, text, "a: [unclosed"),
    lambda rng, text: _somewhere(rng, text, "kind: Component"),
    lambda rng, text: _somewhere(rng, text, "? {complex: key}\n: x"),
    lambda rng, text: _somewhere(rng, text, "# only a comment"),
    lambda rng, text: _somewhere(rng, text, "extra: *nowhere"),
    lambda rng, text: text.replace("name", "na\x07me", 1),
    lambda rng, text: "".join(
        rng.choice(("", "\n---\n" + _broken_document(rng))) + "\n---\n" + part for part in _parts(text)
    ),
    lambda rng, text: text[: text.find("\n", rng.randrange(len(text)))],
    lambda rng, text: "",
)
