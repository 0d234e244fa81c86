"""What differs between the objects before and after, one line per path.

Called with what runs and with what Helm renders. A part that is only on one side is one line, not one per leaf.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from understage.adoption.normal import normalise
from understage.adoption.reading import Json, name_of, title

# By which member the entries of a list are told apart; the first that all of them have.
KEYS = ("containerPort", "mountPath", "port", "name", "topologyKey", "type", "host", "path")
ABSENT: Any = None


@dataclass(frozen=True)
class Difference:
    """One of them. `path` is empty for an object that is on one side only; None is what is not there."""

    about: str
    path: str
    before: Any
    after: Any


def compare(
    before: Sequence[Json], after: Sequence[Json], *, container: tuple[str, str], renamed: Mapping[str, str]
) -> list[Difference]:
    """All differences. `container` is the old and the new name of the main container, `renamed` titles before and after."""
    old, new = _sides(before), _sides(after)
    found: list[Difference] = []
    for about, item in old.items():
        other = new.pop(renamed.get(about, about), None)
        if other is None:
            found.append(Difference(about, "", "there", ABSENT))
            continue
        if about in renamed:
            found.append(Difference(about, "metadata.name", name_of(item), name_of(other)))
            item = {**item, "metadata": {**item["metadata"], "name": name_of(other)}}
        if item["kind"] == "Deployment":
            found += _rename_container(item, *container)
        found += _walk(about, "", item, other)
    found += [Difference(about, "", ABSENT, "there") for about in new]
    return found


def _sides(objects: Sequence[Json]) -> dict[str, Json]:
    (deployment,) = [item for item in objects if item["kind"] == "Deployment"]
    services = [item for item in objects if item["kind"] == "Service"]
    is_scaled = any(item["kind"] == "HorizontalPodAutoscaler" for item in objects)
    return {title(item): normalise(item, deployment, services, is_scaled=is_scaled) for item in objects}


def _rename_container(deployment: Json, old: str, new: str) -> list[Difference]:
    if old == new:
        return []
    for container in deployment["spec"]["template"]["spec"]["containers"]:
        if container.get("name") == old:
            container["name"] = new
    return [Difference(title(deployment), f"spec.template.spec.containers[{new}].name", old, new)]


def _walk(about: str, path: str, before: Any, after: Any) -> Iterator[Difference]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in [*before, *(key for key in after if key not in before)]:
            yield from _walk(about, _join(path, str(key)), before.get(key), after.get(key))
    elif isinstance(before, list) and isinstance(after, list) and (key := _key(before, after)):
        old, new = {str(each[key]): each for each in before}, {str(each[key]): each for each in after}
        for name in [*old, *(name for name in new if name not in old)]:
            yield from _walk(about, f"{path}[{name}]", old.get(name), new.get(name))
    elif before != after or (type(before) is not type(after) and not _are_numbers(before, after)):
        yield Difference(about, path, before, after)


def _are_numbers(before: Any, after: Any) -> bool:
    return isinstance(before, int | float) and isinstance(after, int | float)


def _key(before: Sequence[Any], after: Sequence[Any]) -> str | None:
    entries = [*before, *after]
    if not all(isinstance(entry, Mapping) for entry in entries):
        return None
    for key in KEYS:
        sides = [[str(entry.get(key)) for entry in side] for side in (before, after)]
        if all(key in entry for entry in entries) and all(len(set(side)) == len(side) for side in sides):
            return key
    return None


def _join(path: str, key: str) -> str:
    if "." in key or "/" in key:
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else key
