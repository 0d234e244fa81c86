"""What a JSON Schema validator finds, as the error objects of npm's `jsonschema` 1.5, which the stock form shows.

`parameters` asks. Each object is `{path, property, message, schema, instance, name, argument?, stack}`. That library tells more
than others do: a line of its own for each branch of `allOf` and for each dependency that fails, before what is wrong inside.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import reduce
from typing import Any

from understage.templating.values import to_string

ErrorItem = dict[str, Any]
Path = Sequence[str | int]
# Keywords whose value is a list or an object of schemas, and how many steps into the instance one of them leads.
STEPS_OF_ONE = {"properties": 1, "patternProperties": 1, "dependencies": 0, "allOf": 0}
STEPS = {"additionalProperties": 1, "additionalItems": 1, "items": 1, "then": 0, "else": 0}


def describe(
    errors: Iterable[Any], schema: Mapping[str, Any], root: Any, *, only_branch: bool = False
) -> list[ErrorItem]:
    """The objects for the errors of a `jsonschema_rs` validator of `schema` on `root`; one for each text.

    `only_branch`: of two alternatives one of which is null, the errors of the other say more than that none fits.
    """
    found = list(_all_items(errors, schema, root, only_branch))
    for item in found:
        if item["name"] == "allOf":
            inside = [other for other in found if other is not item and _is_within(other, item)]
            count = len({other["stack"] for other in inside})
            item["argument"] = {**item["argument"], "length": count}
            item["message"] += f" with {count} error[s]:"
            item["stack"] += f" with {count} error[s]:"
    for item in found:
        item.pop("_at")
    return list({item["stack"]: item for item in found}.values())


def _all_items(errors: Iterable[Any], schema: Mapping[str, Any], root: Any, only_branch: bool) -> Iterator[ErrorItem]:
    told: set[tuple[Any, ...]] = set()
    for error in errors:
        schema_path, instance_path = list(error.schema_path), _true_path(root, error.instance_path)
        shift: list[str | int] = []
        for end, depth in _outer(schema_path):
            keyword, branch = schema_path[end - 1], schema_path[end]
            place = [*instance_path[:depth], *shift]
            parent = _follow(schema, schema_path[: end - 1])
            if keyword == "dependencies":
                shift = [*shift, branch]
            if (at := (*schema_path[: end + 1], *place)) not in told:
                told.add(at)
                outer = _summary(keyword, branch, place, parent, _follow(root, instance_path[:depth]))
                yield {**outer, "_at": (schema_path[: end + 1], place)}
        for item in _items_of(error, schema, root, only_branch):
            path = [*shift, *item["path"]] if shift else item["path"]
            moved = {**item, **_place(path, item["message"])} if shift else item
            yield {**moved, "_at": (schema_path, path)}


def _outer(schema_path: list[str | int]) -> Iterator[tuple[int, int]]:
    """Where a branch of `allOf` or a dependency begins in the path: index of the branch, steps into the instance so far."""
    depth = index = 0
    while index < len(schema_path):
        keyword = schema_path[index]
        if keyword in STEPS_OF_ONE and index + 1 < len(schema_path):
            if keyword in ("allOf", "dependencies") and index + 2 < len(schema_path):
                yield index + 1, depth
            depth += STEPS_OF_ONE[str(keyword)]
            index += 2
        elif keyword in STEPS:
            depth += STEPS[str(keyword)]
            index += 1 + (
                keyword == "items" and index + 1 < len(schema_path) and isinstance(schema_path[index + 1], int)
            )
        else:
            return  # the keyword that failed, or one behind a `$ref`


def _summary(keyword: str | int, branch: str | int, path: list[str | int], parent: Any, instance: Any) -> ErrorItem:
    if keyword == "dependencies":
        required_by = _property([*path, branch])
        message, argument = f"does not meet dependency required by {required_by}", required_by
        return _item(path, "dependencies", message, parent, instance, argument)
    label = _label(parent["allOf"][branch], int(branch))
    return _item(path, "allOf", f"does not match allOf schema {label}", parent, instance, {"id": label})


def _is_within(item: ErrorItem, outer: ErrorItem) -> bool:
    (inner_schema, inner_place), (schema, place) = item["_at"], outer["_at"]
    starts = inner_schema[: len(schema)] == schema and inner_place[: len(place)] == place
    return bool(starts and (len(inner_schema) > len(schema) or item["name"] != "allOf"))


def _items_of(error: Any, schema: Mapping[str, Any], root: Any, only_branch: bool) -> list[ErrorItem]:
    path = _true_path(root, error.instance_path)
    keyword: str = error.schema_path[-1] if error.schema_path else error.kind.name
    if keyword not in _WORDS:
        keyword = error.kind.name
    parent = _parent_schema(schema, error.schema_path, keyword)
    argument = parent.get(keyword) if isinstance(parent, dict) else None
    if keyword == "dependencies":
        return _missing_dependencies(error, path, parent)
    if keyword == "required":
        argument = error.kind.property
        if argument in error.instance:
            return []  # the validator says so of what must and must not be there
    if keyword == "anyOf" and only_branch and (branch := _only_branch(argument)) is not None:
        return describe(error.kind.context[branch], schema, root, only_branch=True)
    if keyword == "additionalProperties":
        # Where no properties are declared at all, the validator does not name the member.
        owner = _follow(root, path)
        names = getattr(error.kind, "unexpected", None) or list(owner)
        return [_item(path, keyword, _WORDS[keyword](name), parent, owner, name) for name in names]
    words = _WORDS.get(keyword, lambda _argument: f"does not satisfy {keyword}")
    return [_item(path, keyword, words(argument), parent, error.instance, _ARGUMENTS.get(keyword, _same)(argument))]


def _missing_dependencies(error: Any, path: list[str | int], parent: Any) -> list[ErrorItem]:
    missing = error.kind.property
    owners = [
        name
        for name, needed in parent["dependencies"].items()
        if isinstance(needed, list) and missing in needed and name in error.instance
    ]
    places = [_property([*path, name]) for name in owners]
    return [
        _item(path, "dependencies", f"property {missing} not found, required by {place}", parent, error.instance, place)
        for place in places
    ]


def _only_branch(branches: Any) -> int | None:
    """The index of the one alternative that is not null."""
    if not isinstance(branches, list) or len(branches) != 2 or {"type": "null"} not in branches:
        return None
    return 1 - branches.index({"type": "null"})


def _item(path: Path, keyword: str, message: str, schema: Any, instance: Any, argument: Any) -> ErrorItem:
    item = {**_place(path, message), "message": message, "schema": schema, "instance": instance, "name": keyword}
    return item if argument is _NONE else {**item, "argument": argument}


def _place(path: Path, message: str) -> dict[str, Any]:
    return {"path": list(path), "property": _property(path), "stack": f"{_property(path)} {message}"}


def _property(path: Path) -> str:
    return "instance" + "".join(map(_suffix, path))


def _suffix(key: str | int) -> str:
    text = str(key)
    if re.search(r"[.\s\[\]]", text):
        return f"[{json.dumps(text, ensure_ascii=False)}]"
    return f"[{text}]" if text.isdigit() else f".{text}"


def _parent_schema(schema: Mapping[str, Any], path: Path, keyword: str) -> Any:
    """The schema object that holds the failing keyword."""
    steps = list(path)
    while steps and steps[-1] != keyword:
        steps.pop()
    try:
        return _follow(schema, steps[:-1])
    except (KeyError, IndexError, TypeError):
        return schema  # behind a $ref: the path is not one of the document


def _follow(value: Any, path: Path) -> Any:
    return reduce(lambda node, step: node[_key(node, step)], path, value)


def _key(node: Any, step: str | int) -> str | int:
    """The validator takes names that are numbers for positions."""
    return str(step) if isinstance(node, Mapping) else step


def _true_path(value: Any, path: Path) -> list[str | int]:
    found: list[str | int] = []
    for step in path:
        found.append(_key(value, step))
        value = value[found[-1]]
    return found


def _label(schema: Any, index: int) -> str:
    """How one of several schemas is named."""
    if isinstance(schema, dict):
        if name := schema.get("$id") or schema.get("id"):
            return f"<{name}>"
        if title := schema.get("title"):
            return json.dumps(title, ensure_ascii=False)
        if reference := schema.get("$ref"):
            return f"<{reference}>"
    return f"[subschema {index}]"


def _labels(schemas: Any) -> list[str]:
    return [_label(schema, index) for index, schema in enumerate(schemas if isinstance(schemas, list) else [])]


def _listed(values: Any) -> str:
    return ",".join(map(to_string, values)) if isinstance(values, list) else to_string(values)


def _same(argument: Any) -> Any:
    return argument


_NONE = object()
"""No argument at all."""
_ARGUMENTS: Mapping[str, Callable[[Any], Any]] = {
    "type": lambda types: types if isinstance(types, list) else [types],
    "anyOf": _labels,
    "oneOf": _labels,
    "uniqueItems": lambda _: _NONE,
    "additionalItems": lambda _: _NONE,
}
_WORDS: Mapping[str, Callable[[Any], str]] = {
    "type": lambda types: f"is not of a type(s) {_listed(types)}",
    "required": lambda name: f"requires property {json.dumps(name, ensure_ascii=False)}",
    "additionalProperties": lambda name: (
        f"is not allowed to have the additional property {json.dumps(name, ensure_ascii=False)}"
    ),
    "minLength": lambda limit: f"does not meet minimum length of {to_string(limit)}",
    "maxLength": lambda limit: f"does not meet maximum length of {to_string(limit)}",
    "pattern": lambda pattern: f"does not match pattern {json.dumps(pattern, ensure_ascii=False)}",
    "format": lambda name: f"does not conform to the {json.dumps(name, ensure_ascii=False)} format",
    "enum": lambda values: f"is not one of enum values: {_listed(values)}",
    "const": lambda value: f"does not exactly match expected constant: {to_string(value)}",
    "minimum": lambda limit: f"must be greater than or equal to {to_string(limit)}",
    "maximum": lambda limit: f"must be less than or equal to {to_string(limit)}",
    "exclusiveMinimum": lambda limit: f"must be strictly greater than {to_string(limit)}",
    "exclusiveMaximum": lambda limit: f"must be strictly less than {to_string(limit)}",
    "multipleOf": lambda factor: f"is not a multiple of (divisible by) {to_string(factor)}",
    "minItems": lambda limit: f"does not meet minimum length of {to_string(limit)}",
    "maxItems": lambda limit: f"does not meet maximum length of {to_string(limit)}",
    "uniqueItems": lambda _: "contains duplicate item",
    "additionalItems": lambda _: "additionalItems not permitted",
    "minProperties": lambda limit: f"does not meet minimum property length of {to_string(limit)}",
    "maxProperties": lambda limit: f"does not meet maximum property length of {to_string(limit)}",
    "anyOf": lambda schemas: f"is not any of {','.join(_labels(schemas))}",
    "oneOf": lambda schemas: f"is not exactly one from {','.join(_labels(schemas))}",
    "not": lambda schema: f"is of prohibited type {to_string(schema)}",
    "contains": lambda _: "must contain an item matching given schema",
    "dependencies": lambda _: "",
    "propertyNames": lambda _: "has a property with a name that is not allowed",
}
