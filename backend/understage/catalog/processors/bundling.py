"""Making one JSON document of several that refer to each other by `$ref`. Pure; `placeholder_bundle` reads the files.

Rules of json-schema-ref-parser's `bundle`: what another file holds is put where it is referred to first, every other reference
to it becomes a pointer to there, references within the first file stay as they are.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote

from understage.errors import InputError

MOST_VALUES = 500_000
DEEPEST = 200
LONGEST_CHAIN = 50
Path = tuple[str, ...]


@dataclass(frozen=True)
class Source:
    """One file: its JSON value, and the places of the files that it refers to, by how it calls them."""

    value: Any
    places: Mapping[str, str]


@dataclass(frozen=True)
class Target:
    """A part of a file."""

    place: str
    pointer: Path


@dataclass
class Bundling:
    """`sources` are all files by place, `root` the place of the one that the others are put into."""

    sources: Mapping[str, Source]
    root: str
    _put: dict[Target, Path] = field(default_factory=dict)
    _kept: list[tuple[dict[str, Any], str]] = field(default_factory=list)
    _values: int = 0

    def run(self) -> Any:
        """The whole document. Raises InputError for references that lead nowhere or in a circle, and for too much."""
        value = self.sources[self.root].value
        self._put[Target(self.root, ())] = ()
        is_asyncapi_3 = isinstance(value, dict) and str(value.get("asyncapi", "")).startswith("3.")
        self._keeps = _keeps_reference if is_asyncapi_3 else _keeps_nothing
        whole = self._copy(value, self.root, ())
        for reference, place in self._kept:
            self._point(reference, place)
        return whole

    def _copy(self, value: Any, place: str, path: Path) -> Any:
        self._values += 1
        if self._values > MOST_VALUES:
            raise InputError(f"together its files hold more than {MOST_VALUES} values")
        if len(path) > DEEPEST:
            raise InputError(f"its files refer to each other more than {DEEPEST} levels deep")
        if isinstance(value, list):
            return [self._copy(item, place, (*path, str(index))) for index, item in enumerate(value)]
        if not isinstance(value, dict):
            return value
        reference = value.get("$ref")
        if not isinstance(reference, str):
            return {key: self._copy(item, place, (*path, key)) for key, item in value.items()}
        others = {key: self._copy(item, place, (*path, key)) for key, item in value.items() if key != "$ref"}
        if self._keeps(path):
            kept = {"$ref": reference, **others}
            self._kept.append((kept, place))
            return kept
        if place == self.root and reference.startswith("#"):
            return {"$ref": reference, **others}
        return self._include(self._find(reference, place), path, others)

    def _include(self, target: Target, path: Path, others: dict[str, Any]) -> Any:
        """The part itself when it stands nowhere yet, else a reference to where it stands."""
        there = self._where(target)
        if there is not None:
            return {"$ref": _pointer(there), **others}
        self._put[target] = path
        part = self._copy(self._value(target), target.place, path)
        if not others:
            return part
        # What stands beside a reference goes before what it names, so nobody else may be sent here.
        del self._put[target]
        return {**part, **others} if isinstance(part, dict) else part

    def _where(self, target: Target) -> Path | None:
        """Where in the whole the part stands, by itself or as part of a larger one."""
        for length in range(len(target.pointer), -1, -1):
            found = self._put.get(Target(target.place, target.pointer[:length]))
            if found is not None:
                return (*found, *target.pointer[length:])
        return None

    def _point(self, reference: dict[str, Any], place: str) -> None:
        """Make a kept reference one within the whole, if what it names stands there."""
        if place == self.root and reference["$ref"].startswith("#"):
            return
        there = self._where(self._find(reference["$ref"], place))
        if there is not None:
            reference["$ref"] = _pointer(there)

    def _find(self, reference: str, place: str) -> Target:
        """What a reference means in the end, references on the way followed."""
        target = self._target(reference, place)
        for _ in range(LONGEST_CHAIN):
            following = self._step(target)
            if following is None:
                return target
            target = following
        raise InputError(f"the reference {reference[:200]!r} in {place} leads in a circle")

    def _step(self, target: Target) -> Target | None:
        """The next target, when one is on the way to this one; None when this one is there."""
        value = self.sources[target.place].value
        for index, key in enumerate((*target.pointer, None)):
            reference = value.get("$ref") if isinstance(value, dict) else None
            # What stands beside a reference belongs to the part, and may be what is asked for.
            is_part = isinstance(value, dict) and (key in value if key is not None else len(value) > 1)
            if isinstance(reference, str) and not is_part:
                following = self._target(reference, target.place)
                return Target(following.place, following.pointer + target.pointer[index:])
            if key is not None:
                value = _member(value, key, target)
        return None

    def _target(self, reference: str, place: str) -> Target:
        name, pointer = split_reference(reference)
        return Target(self.sources[place].places[name] if name else place, pointer)

    def _value(self, target: Target) -> Any:
        value = self.sources[target.place].value
        for key in target.pointer:
            value = _member(value, key, target)
        return value


def external_references(value: Any) -> Iterator[str]:
    """All `$ref`s of a document that name another one."""
    waiting = [value]
    while waiting:
        current = waiting.pop()
        if isinstance(current, list):
            waiting.extend(reversed(current))
        elif isinstance(current, dict):
            reference = current.get("$ref")
            if isinstance(reference, str) and split_reference(reference)[0]:
                yield reference
            waiting.extend(reversed(list(current.values())))


def split_reference(reference: str) -> tuple[str, Path]:
    """The file (empty for the same one) and the path in it. Raises InputError for a fragment that is no JSON pointer."""
    name, _, fragment = reference.partition("#")
    if not fragment or fragment == "/":
        return name, ()
    if not fragment.startswith("/"):
        raise InputError(f"the reference {reference[:200]!r} ends in no JSON pointer: it begins with #/")
    parts = fragment[1:].split("/")
    return name, tuple(unquote(part).replace("~1", "/").replace("~0", "~") for part in parts)


def _pointer(path: Path) -> str:
    parts = (quote(part.replace("~", "~0").replace("/", "~1"), safe="~!$&'()*+,;=:@") for part in path)
    return "#" + "".join(f"/{part}" for part in parts)


def _member(value: Any, key: str, target: Target) -> Any:
    if isinstance(value, dict) and key in value:
        return value[key]
    if isinstance(value, list) and key.isascii() and key.isdigit() and len(key) < 10 and int(key) < len(value):
        return value[int(key)]
    raise InputError(f"{target.place} has nothing at {_pointer(target.pointer)[:200]!r}")


def _keeps_nothing(path: Path) -> bool:
    return False


def _keeps_reference(path: Path) -> bool:
    """AsyncAPI 3 wants references, not what they name: servers of channels; channels and messages of operations, replies too."""
    if len(path) < 3:
        return False
    section, part = path[0], path[2:]
    if section == "channels":
        return len(part) == 2 and part[0] == "servers"
    if section == "operations":
        part = part[1:] if part[0] == "reply" else part
        return part == ("channel",) or (len(part) == 2 and part[0] == "messages")
    return False
