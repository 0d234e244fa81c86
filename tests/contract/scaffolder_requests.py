"""Requests to the scaffolder made by hypothesis: each strategy is a family of them. test_scaffolder_generated.py sends them.

Forms and values go into dry runs, which take any template: what is wrong with values is told by `{"errors": […]}`.
"""

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from hypothesis import strategies as st
from tests.contract.cases import Case
from tests.contract.raw_posts import raw_posts

BASE = "/api/scaffolder"
NOBODY = "00000000-0000-4000-8000-000000000000"


def get(path: str, parameters: Sequence[tuple[str, str]] = ()) -> Case:
    """A GET of the scaffolder."""
    full = BASE + path + ("?" + urlencode(parameters) if parameters else "")
    return Case(f"GET {full}", "GET", full)


def post(path: str, body: Any, *, any_order: bool = False) -> Case:
    """A POST of JSON to the scaffolder; `any_order` where a form may list several errors."""
    return Case(
        f"POST {path} {json.dumps(body, ensure_ascii=False)}", "POST", BASE + path, {"json": body}, any_order=any_order
    )


def _joined(*parts: st.SearchStrategy[Any]) -> st.SearchStrategy[list[tuple[str, str]]]:
    return st.tuples(*parts).map(lambda lists: [pair for part in lists for pair in part])


def _some(name: str, texts: st.SearchStrategy[str], most: int = 1) -> st.SearchStrategy[list[tuple[str, str]]]:
    return st.lists(texts.map(lambda text: (name, text)), max_size=most)


# Lists of tasks

creators = st.sampled_from(
    ("user:default/guest", "user:default/guest", "user:default/nobody", "USER:default/guest", "")
)
statuses = st.sampled_from(("completed", "failed", "failed", "open", "processing", "cancelled", "skipped", "nope", ""))
ways = st.sampled_from(("asc", "desc"))
limits = st.sampled_from(("0", "1", "2", "5", "100"))
offsets = st.sampled_from(("0", "1", "3", "100"))
odd_numbers = st.sampled_from(
    ("-1", "1.5", "abc", "1e3", "0x10", "+1", " 1", "01", "1 ", "９", "true", "null", "-0", "1_0")
)
odd_orders = st.sampled_from(
    (
        "up:status",
        "asc",
        "asc:",
        ":status",
        "status,asc",
        "ASC:status",
        "asc:status:x",
        " asc:status",
        "asc:id",
        "",
        ":",
    )
)
# What else has no order of its own is told apart by its time.
orders = st.one_of(
    st.just([]),
    ways.map(lambda way: [("order", f"{way}:created_at")]),
    st.builds(
        lambda way, field, by: [("order", f"{way}:{field}"), ("order", f"{by}:created_at")],
        ways,
        st.sampled_from(("status", "created_by")),
        ways,
    ),
)
task_lists = st.builds(
    get,
    st.just("/v2/tasks"),
    _joined(
        _some("createdBy", creators, 2),
        _some("status", statuses, 3),
        orders,
        _some("limit", limits),
        _some("offset", offsets),
    ),
)
malformed_lists = st.builds(
    get,
    st.just("/v2/tasks"),
    _joined(
        orders | odd_orders.map(lambda text: [("order", text)]),
        _some("limit", odd_numbers | limits, 2),
        _some("offset", odd_numbers | offsets),
        _some("foo", st.just("bar"))
        | _some("limit[]", limits)
        | _some("status[]", statuses)
        | _some("Status", statuses),
    ),
)
malformed_positions = st.builds(
    get,
    st.sampled_from((f"/v2/tasks/{NOBODY}/events", f"/v2/tasks/{NOBODY}/events", f"/v2/tasks/{NOBODY}")),
    _joined(_some("after", odd_numbers | limits, 2), _some("foo", st.just("bar"))),
)

# Bodies

anything = st.recursive(
    st.sampled_from((None, True, 5, 1.5, -1, "x", "")),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(("a", "apiKey", "path")), inner, max_size=2)
    ),
    max_leaves=3,
)
FORM = ("name", "owner", "count", "list", "kind")
refs = st.sampled_from(
    (
        "template:default/params",
        "params",
        "Template:Default/Params",
        "template:default/nope",
        "component:default/artist-web",
        "api:params",
    )
)
# Not one of them starts a task: the template wants a secret that is never given.
orders_of_tasks = st.builds(
    post,
    st.just("/v2/tasks"),
    st.fixed_dictionaries(
        {},
        optional={
            "templateRef": refs | refs | anything,
            "values": anything
            | st.dictionaries(st.sampled_from(("name", "owner", "count", "list", "kind")), anything, max_size=4),
            "secrets": anything | st.sampled_from(({"apiKey": "x"}, {"other": "long enough"}, {})),
            "foo": anything,
        },
    ),
    any_order=st.just(True),
)
MEMBERS: dict[str, tuple[str, ...]] = {
    "/v2/dry-run": ("template", "values", "secrets", "directoryContents", "foo"),
    f"/v2/tasks/{NOBODY}/retry": ("secrets", "foo"),
    "/v2/autocomplete/somebody/repositoriesWithOwner": ("token", "context", "foo"),
    "/v2/autocomplete/nobody/nothing": ("token", "context"),
}
malformed_bodies = st.sampled_from(sorted(MEMBERS)).flatmap(
    lambda path: st.builds(
        post, st.just(path), st.one_of(st.dictionaries(st.sampled_from(MEMBERS[path]), anything, max_size=4), anything)
    )
)
raw_bodies = raw_posts(BASE, ("/v2/tasks", *sorted(MEMBERS)), ('{"values":{}}', "a=1"))

# Values against schemas

texts = st.sampled_from(
    ("", "a", "ab", "abc", "Abc", "a b", "1", "true", "ünï", "😀", "group:default/platform", "2020-01-01")
)
numbers = st.sampled_from((0, 1, 2, 5, -1, 1.5, 10, 1e21, 0.1))
NAMES = ("name", "count", "list", "deep", "a b", "x.y", "0")
plain = st.one_of(texts, numbers, st.booleans(), st.none())
values_of = st.recursive(
    plain,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=5,
)
TYPES = ("string", "number", "integer", "boolean", "array", "object", "null")
keywords = st.one_of(
    st.sampled_from(TYPES).map(lambda name: {"type": name}),
    st.sampled_from(TYPES).map(lambda name: {"type": name}),
    st.lists(st.sampled_from(TYPES), min_size=2, max_size=3, unique=True).map(lambda names: {"type": names}),
    st.lists(plain, min_size=1, max_size=3).map(lambda options: {"enum": options}),
    plain.map(lambda value: {"const": value}),
    st.sampled_from(("^[a-z]+$", "b", "^.{2,}$", "[0-9]")).map(lambda pattern: {"pattern": pattern}),
    st.tuples(st.sampled_from(("minLength", "maxLength", "minItems", "maxItems")), st.integers(0, 3)).map(
        lambda it: dict([it])
    ),
    st.tuples(
        st.sampled_from(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")),
        st.sampled_from((1, 2, 5, 0.5)),
    ).map(lambda it: dict([it])),
    st.just({"uniqueItems": True}),
    st.integers(1, 2).map(lambda number: {"minProperties": number}),
    st.integers(0, 1).map(lambda number: {"maxProperties": number}),
    st.sampled_from(("email", "uri", "date", "date-time", "hostname", "ipv4")).map(lambda name: {"format": name}),
)
some_keywords = st.lists(keywords, min_size=1, max_size=2).map(
    lambda parts: {k: v for part in parts for k, v in part.items()}
)


def _composed(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    several = st.lists(inner, min_size=1, max_size=2)
    members = st.dictionaries(st.sampled_from(NAMES), inner, min_size=1, max_size=3)
    return st.one_of(
        inner.map(lambda schema: {"type": "array", "items": schema}),
        members.map(lambda schemas: {"type": "object", "properties": schemas}),
        st.builds(
            lambda schemas, names: {"properties": schemas, "required": names},
            members,
            st.lists(st.sampled_from(NAMES), max_size=2, unique=True),
        ),
        members.map(lambda schemas: {"properties": schemas, "additionalProperties": False}),
        st.builds(lambda schemas, more: {"properties": schemas, "additionalProperties": more}, members, inner),
        several.map(lambda schemas: {"anyOf": schemas}),
        several.map(lambda schemas: {"oneOf": schemas}),
        several.map(lambda schemas: {"allOf": schemas}),
        inner.map(lambda schema: {"not": schema}),
        st.builds(lambda a, b, c: {"if": a, "then": b, "else": c}, inner, inner, inner),
        st.sampled_from(({"dependencies": {"name": ["count"]}}, {"dependencies": {"list": {"required": ["deep"]}}})),
        inner.map(lambda schema: {"patternProperties": {"^[a-l]": schema}}),
    )


schemas = st.recursive(some_keywords, _composed, max_leaves=4)
pages = st.builds(
    lambda properties, required, rest: {"properties": properties, "required": required, **rest},
    st.dictionaries(st.sampled_from(NAMES), schemas, min_size=1, max_size=3),
    st.lists(st.sampled_from(NAMES), max_size=2, unique=True),
    st.sampled_from(
        ({}, {}, {"additionalProperties": False}, {"dependencies": {"name": ["count"]}}, {"title": "A page"})
    ),
)
values = st.dictionaries(st.sampled_from(NAMES), values_of, max_size=4)


def _dry_run(parameters: Any, given: dict[str, Any], secrets: Any = None, sent: Any = None) -> Case:
    spec = {
        "type": "service",
        "owner": "guest",
        "parameters": parameters,
        "steps": [{"id": "log", "action": "debug:log", "input": {"message": "taken"}}],
        **({} if secrets is None else {"secrets": {"schema": secrets}}),
    }
    template = {
        "apiVersion": "scaffolder.backstage.io/v1beta3",
        "kind": "Template",
        "metadata": {"name": "generated"},
        "spec": spec,
    }
    body = {"template": template, "values": given, "directoryContents": []}
    shown = f"POST /v2/dry-run {json.dumps([parameters, given, secrets, sent], ensure_ascii=False)}"
    options = {"json": body if sent is None else {**body, "secrets": sent}}
    return Case(shown, "POST", f"{BASE}/v2/dry-run", options, any_order=True)


checked_values = st.builds(_dry_run, pages | st.lists(pages, min_size=1, max_size=2), values)
checked_secrets = st.builds(
    _dry_run,
    st.just({"properties": {}}),
    st.just({}),
    st.builds(
        lambda properties, required: {"type": "object", "properties": properties, "required": required},
        st.dictionaries(st.sampled_from(("tok", "a b", "key")), some_keywords, max_size=2),
        st.lists(st.sampled_from(("tok", "key")), max_size=2, unique=True),
    ),
    st.none() | st.dictionaries(st.sampled_from(("tok", "a b", "key")), texts, max_size=3),
)
