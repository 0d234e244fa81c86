"""Requests made by hypothesis, for both backends: each strategy is a family of them. test_catalog_generated.py sends them.

What they name is taken from the files in `entities`, in other cases, with blanks, misspelt and of other types, so that many match
something, many nothing, and some are refused.
"""

import base64
import json
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from hypothesis import strategies as st
from tests.contract.cases import Case
from tests.contract.raw_posts import raw_posts

BASE = "/api/catalog"
Parameters = Sequence[tuple[str, str]]

KEYS = (
    "kind",
    "apiVersion",
    "metadata.name",
    "metadata.namespace",
    "metadata.title",
    "metadata.tags",
    "metadata.tags.java",
    "metadata.description",
    "metadata.uid",
    "metadata.etag",
    "metadata.labels.region",
    "metadata.labels.percent",
    "metadata.labels.example.com/tier",
    "metadata.annotations.github.com/project-slug",
    "metadata.annotations.a.b",
    "metadata.annotations.a.b/c",
    "metadata.links.title",
    "relations.ownedBy",
    "relations.hasPart",
    "relations.providesApi",
    "spec.type",
    "spec.lifecycle",
    "spec.owner",
    "spec.system",
    "spec.providesApis",
    "spec.customNumber",
    "spec.customNull",
    "spec.nothing",
    "spec.num",
    "spec.big",
    "spec.small",
    "spec.whole",
    "spec.truth",
    "spec.many",
    "spec.texts",
    "spec.a.b.c",
    "spec.list.x",
    "spec.nested",
    "spec.nested.b",
    "spec.nested.emptyStr",
    "spec.nested.emptyArr",
    "status",
    "relations",
    "nope",
)
VALUES = (
    "component",
    "API",
    "user",
    "group",
    "location",
    "service",
    "website",
    "Odd",
    "default",
    "music",
    "NS2",
    "java",
    "data",
    "bb",
    "comp-a",
    "artist-web",
    "page-03",
    "production",
    "experimental",
    "platform",
    "team-a",
    "group:default/team-a",
    "group:default/platform",
    "user:default/guest",
    "api:default/api-a",
    "1",
    "5",
    "3",
    "0.5",
    "12.5",
    "1e+23",
    "1e-7",
    "-7",
    "true",
    "False",
    "null",
    "c",
    "EU",
    "red",
    "a_b",
    "a%b",
    "100%",
    "back\\slash",
    "quote'd",
    "two  blanks",
    "ÄÖÜ İSTANBUL ΣΊΣΥΦΟΣ STRASSE",
    "😀 smile",
    "org/comp",
    "two",
    "",
    "x" * 201,
)
FIELDS = (
    *KEYS,
    "metadata",
    "spec",
    "metadata.annotations",
    "metadata.links",
    "spec.a",
    "spec.a.b",
    "spec.a.b.d",
    "metadata.annotations.a",
    "metadata.tags.0",
    "kind.nope",
    "__proto__",
    "constructor.name",
    "metadata.",
    ".kind",
    " kind ",
    "KIND",
)
REFS = (
    "component:default/comp-a",
    "component:default/artist-web",
    "component:music/playback_order.v2",
    "Component:default/Comp-A",
    "api:default/api-a",
    "api:music/notes-api",
    "resource:ns2/db",
    "domain:default/dom",
    "user:default/bob",
    "group:default/team-a",
    "group:default/nobody",
    "comp-a",
    "component:comp-a",
    "::",
    "",
    "a" * 300,
    "component:default/comp-a ",
    "ünï:cödé/🙂",
)


def _cased(texts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(texts, st.sampled_from((str, str, str.upper, str.lower, str.title))).map(lambda it: it[1](it[0]))


keys = _cased(st.sampled_from(KEYS))
values = _cased(st.sampled_from(VALUES))
limits = st.sampled_from(("0", "1", "2", "3", "5", "10", "200", "1000"))
offsets = st.sampled_from(("0", "1", "3", "20", "1000"))
odd_numbers = st.sampled_from(
    ("-1", "1.5", "abc", "1e3", "0x10", "+1", " 1", "01", "1 ", "９", "true", "null", "-0", "1_0")
)
blanks = st.sampled_from(("", "", "", " ", "  "))

statements = st.one_of(
    st.builds(lambda key, value: f"{key}={value}", keys, values),
    st.builds(lambda key, value: f"{key}={value}", keys, values),
    st.builds(
        lambda a, key, b, c, value, d: f"{a}{key}{b}={c}{value}{d}", blanks, keys, blanks, blanks, values, blanks
    ),
    keys,
    keys.map(lambda key: f"{key}="),
    values.map(lambda value: f"kind=component,kind={value}"),
    st.sampled_from(("", " ", "=x", "=", "a=b=c", "kind==component", "kind=component=")),
)
filters = st.lists(statements, min_size=1, max_size=3).map(",".join)
filter_parameters = st.lists(filters.map(lambda text: ("filter", text)), max_size=3)

field_lists = st.lists(_cased(st.sampled_from(FIELDS)) | st.sampled_from(FIELDS), min_size=1, max_size=4).map(",".join)
field_parameters = st.lists(field_lists.map(lambda text: ("fields", text)), max_size=2)
odd_fields = st.sampled_from(("relations[0]", "", ",", "a[", "kind,,kind", "metadata..name"))


def get(path: str, parameters: Parameters = ()) -> Case:
    """A GET of the catalog."""
    full = BASE + path + ("?" + urlencode(parameters) if parameters else "")
    return Case(f"GET {full}", "GET", full)


def post(path: str, body: Any, parameters: Parameters = ()) -> Case:
    """A POST of JSON to the catalog."""
    full = BASE + path + ("?" + urlencode(parameters) if parameters else "")
    return Case(f"POST {full} {json.dumps(body, ensure_ascii=False)}", "POST", full, {"json": body})


def _joined(*parts: st.SearchStrategy[Any]) -> st.SearchStrategy[list[tuple[str, str]]]:
    return st.tuples(*parts).map(lambda lists: [pair for part in lists for pair in part])


def _maybe(name: str, texts: st.SearchStrategy[str]) -> st.SearchStrategy[list[tuple[str, str]]]:
    return st.one_of(st.just([]), texts.map(lambda text: [(name, text)]))


# GET with filters: the list, pages, counts, facets, by reference

facet_parameters = st.lists(keys.map(lambda key: ("facet", key)), min_size=1, max_size=3)
filtered = st.one_of(
    st.builds(get, st.just("/entities"), _joined(filter_parameters, _maybe("fields", st.just("kind,metadata.name")))),
    st.builds(get, st.just("/entities/by-query"), _joined(filter_parameters, _maybe("limit", limits))),
    st.builds(get, st.just("/entity-facets"), _joined(facet_parameters, filter_parameters)),
    st.builds(
        post,
        st.just("/entities/by-refs"),
        st.lists(st.sampled_from(REFS), max_size=5).map(lambda refs: {"entityRefs": refs}),
        filter_parameters,
    ),
)

# GET /entities: orders, slices, projections

orders = st.builds(lambda way, key: f"{way}:{key}", st.sampled_from(("asc", "desc")), keys)
odd_orders = st.sampled_from(("up:kind", "asc", "asc:", ":kind", "kind,asc", "ASC:kind", "asc:kind:desc", " asc:kind"))
order_parameters = st.lists((orders | orders | orders | odd_orders).map(lambda it: ("order", it)), max_size=3)


def _after(value: Any) -> str:
    return base64.b64encode(json.dumps(value).encode()).decode()


afters = st.one_of(
    st.fixed_dictionaries({"limit": st.integers(1, 9), "offset": st.integers(0, 40)}).map(_after),
    st.fixed_dictionaries(
        {},
        optional={
            "limit": st.sampled_from((1, 2.5, "2", True, None, 3.0)),
            "offset": st.sampled_from((0, 1.5, "1", None, 2.0)),
        },
    ).map(_after),
    st.sampled_from((_after([]), _after(5), _after("x"), _after({}), "zzz", "e30", "{}", "!!!!")),
)
lists = st.builds(
    get,
    st.sampled_from(("/entities", "/entities", "/entities/")),
    _joined(
        st.lists(filters.map(lambda text: ("filter", text)), max_size=1),
        order_parameters,
        _maybe("limit", limits | limits | limits | odd_numbers),
        _maybe("offset", offsets | offsets | odd_numbers),
        _maybe("after", afters),
        field_parameters | odd_fields.map(lambda text: [("fields", text)]),
    ),
)

# Predicates, by POST

primitives = st.one_of(
    values,
    st.sampled_from((5, 3, 0.5, 12.5, 1e23, 1e-7, -7, 0, True, False, 10, 3.0, -0.0, 1e21, 123456789012345680000)),
)
field_values = st.one_of(
    primitives,
    primitives,
    st.booleans().map(lambda it: {"$exists": it}),
    st.lists(primitives, max_size=4).map(lambda it: {"$in": it}),
    primitives.map(lambda it: {"$contains": it}),
    values.map(lambda it: {"$hasPrefix": it[:3]}),
    st.sampled_from(("a_", "100%", "a%", "_", "%", "\\", "back\\", "")).map(lambda it: {"$hasPrefix": it}),
)
relation_values = st.fixed_dictionaries(
    {"type": st.sampled_from(("ownedBy", "OWNEDBY", "hasPart", "nope", ""))},
    optional={
        "targetRef": st.one_of(
            st.sampled_from(("group:default/team-a", "GROUP:default/platform", "team-a")),
            st.lists(st.sampled_from(("group:default/team-a", "user:default/guest")), max_size=2).map(
                lambda it: {"$in": it}
            ),
        )
    },
).map(lambda it: {"$contains": it})
expressions = st.one_of(
    st.dictionaries(keys, field_values, max_size=2),
    st.dictionaries(keys, field_values, min_size=1, max_size=3),
    relation_values.map(lambda it: {"relations": it}),
)
junk = st.sampled_from(
    (
        None,
        [],
        ["a"],
        {},
        5,
        "x",
        True,
        {"$foo": 1},
        {"$in": "x"},
        {"$exists": "yes"},
        {"$in": [None]},
        {"$hasPrefix": 5},
        {"$contains": None},
        {"$contains": {"a": 1}},
        {"$contains": {"$any": ["a"]}},
        {"$in": ["user"], "$exists": True},
        {"$hasPrefix": "a", "$foo": 2},
    )
)
odd_expressions = st.one_of(
    st.dictionaries(keys, junk, min_size=1, max_size=2),
    st.dictionaries(st.sampled_from(("$foo", "$in", "$exists", "$all", "", "a\nb", "$")), junk, min_size=1, max_size=2),
    st.builds(lambda key, value: {"$not": {}, key: value}, keys, primitives),
    st.sampled_from(
        (
            {"$all": {}},
            {"$any": "x"},
            {"$not": []},
            {"$not": None},
            {"$all": [None]},
            {"$any": [5]},
            {"$not": "x"},
            {"$all": ["x", {}]},
            {"relations": {"$contains": {"type": "a", "TYPE": "b"}}},
            {"relations": {"$contains": {"type": "ownedBy", "targetRef": 5}}},
            {"relations": {"$contains": {"type": "ownedBy", "targetRef": {"$in": [5]}}}},
            {"relations": {"$contains": {"targetRef": "x"}}},
            {"relations": {"$contains": {"type": 5}}},
            {"relations": {"$contains": {"type": "x", "foo": "y"}}},
            {"relations": {"$contains": {}}},
            {"metadata.links": {"$contains": {"title": "L1"}}},
        )
    ),
)


def _trees(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3).map(lambda it: {"$all": it}),
            st.lists(inner, max_size=3).map(lambda it: {"$any": it}),
            inner.map(lambda it: {"$not": it}),
        ),
        max_leaves=6,
    )


predicates = _trees(expressions)
odd_predicates = _trees(st.one_of(expressions, odd_expressions))


def _asked(query: Any, how: str) -> Case:
    if how == "facets":
        return post("/entity-facets", {"facets": ["kind", "spec.type"], "query": query})
    if how == "refs":
        return post("/entities/by-refs", {"entityRefs": list(REFS[:9]), "query": query, "fields": ["metadata.name"]})
    if how == "locations":
        return post("/locations/by-query", {"query": query})
    body = {"query": query, "fields": ["metadata.name"], "limit": 1000 if how == "all" else 3}
    return post("/entities/by-query", body)


predicated = st.builds(_asked, predicates, st.sampled_from(("all", "page", "facets", "refs")))
malformed_predicates = st.builds(
    _asked, odd_predicates, st.sampled_from(("all", "page", "facets", "refs", "locations"))
)

# By-query: first pages by GET and POST

terms = st.sampled_from(
    ("COMP", "art", " page ", "a", "java", "İstan", "ΣΊΣ", "😀", "two  blanks", "", "  ", "nope", "5", "back\\")
)
term_fields = st.lists(keys, min_size=1, max_size=3)
order_fields = st.builds(lambda key, way: f"{key},{way}", keys, st.sampled_from(("asc", "desc")))
odd_order_fields = st.sampled_from(("kind,up", "kind,", ",asc", "kind,asc,desc", "kind,ASC"))
pages_by_get = st.builds(
    get,
    st.just("/entities/by-query"),
    _joined(
        st.lists(filters.map(lambda text: ("filter", text)), max_size=2),
        st.lists((order_fields | order_fields | odd_order_fields).map(lambda it: ("orderField", it)), max_size=2),
        _maybe("limit", limits | limits | odd_numbers),
        _maybe("offset", offsets | offsets | odd_numbers),
        _maybe("totalItems", st.sampled_from(("include", "exclude", "exclude", "some"))),
        _maybe("fullTextFilterTerm", terms),
        _maybe("fullTextFilterFields", term_fields.map(",".join)),
        field_parameters,
    ),
)
page_bodies = st.fixed_dictionaries(
    {},
    optional={
        "query": predicates,
        "limit": st.sampled_from((0, 1, 2, 5, 1000)),
        "offset": st.sampled_from((0, 1, 5, 1000)),
        "orderBy": st.lists(
            st.fixed_dictionaries({"field": keys, "order": st.sampled_from(("asc", "desc"))}), max_size=2
        ),
        "fullTextFilter": st.fixed_dictionaries({}, optional={"term": terms, "fields": term_fields}),
        "fields": st.lists(st.sampled_from(FIELDS), max_size=3),
        "totalItems": st.sampled_from(("include", "exclude")),
        "unknown": st.just(1),
    },
)
pages_by_post = st.builds(post, st.just("/entities/by-query"), page_bodies)
first_pages = pages_by_get | pages_by_post


def turn(cursor: str, limit: int, verb: str) -> Case:
    """The request for the page of a cursor."""
    if verb == "GET":
        return get("/entities/by-query", [("cursor", cursor), ("limit", str(limit)), ("fields", "metadata.name")])
    return post("/entities/by-query", {"cursor": cursor, "limit": limit, "fields": ["metadata.name"]})


turns = st.lists(
    st.tuples(
        st.sampled_from(("nextCursor", "nextCursor", "prevCursor")), st.integers(1, 7), st.sampled_from(("GET", "POST"))
    ),
    min_size=1,
    max_size=6,
)

# Cursors that no backend made

uids = st.sampled_from(
    (
        "00000000-0000-0000-0000-000000000000",
        "7fffffff-ffff-4fff-bfff-ffffffffffff",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
    )
)
forged_members: dict[str, st.SearchStrategy[Any]] = {
    "orderFields": st.lists(
        st.fixed_dictionaries({"field": keys, "order": st.sampled_from(("asc", "desc"))}), max_size=2
    ),
    "isPrevious": st.booleans(),
    "orderFieldValues": st.lists(values | uids | st.none(), max_size=3),
    "firstSortFieldValues": st.lists(values | uids | st.none(), max_size=3),
    "totalItems": st.sampled_from((0, 7, -1, 2.5, 1e30)),
    "query": predicates,
    "filter": st.one_of(
        st.builds(lambda key, value: {"key": key, "values": value}, keys, st.lists(values, max_size=2)),
        keys.map(lambda key: {"key": key}),
        keys.map(lambda key: {"not": {"anyOf": [{"key": key}, {"allOf": []}]}}),
    ),
    "fullTextFilter": st.fixed_dictionaries({"term": terms}, optional={"fields": term_fields}),
}
wrong = st.sampled_from(
    (None, 5, "x", [], {}, True, [1], ["x"], [[]], {"a": 1}, [{"field": "kind"}], [{"field": 5, "order": "asc"}])
)


@st.composite
def forged_cursors(draw: st.DrawFn) -> str:
    """A cursor as text: well-made, with members left out or of other types, or damaged text."""
    order = draw(
        st.lists(
            st.builds(lambda key, way: {"field": key, "order": way}, keys, st.sampled_from(("asc", "desc"))), max_size=1
        )
    )
    place = ([draw(values)] if order else []) + [draw(uids)]
    content: dict[str, Any] = {"orderFields": order, "isPrevious": draw(st.booleans()), "orderFieldValues": place}
    for name in draw(st.lists(st.sampled_from(sorted(forged_members)), max_size=3)):
        content[name] = draw(forged_members[name] | forged_members[name] | wrong)
    for name in draw(st.lists(st.sampled_from(sorted(content)), max_size=1) if draw(st.booleans()) else st.just([])):
        del content[name]
    text = base64.b64encode(json.dumps(content).encode()).decode()
    damage: Callable[[str], str] = draw(st.sampled_from((*[str] * 8, *DAMAGES)))
    return damage(text)


DAMAGES: tuple[Callable[[str], str], ...] = (
    lambda text: text.rstrip("="),
    lambda text: text.replace("+", "-").replace("/", "_"),
    lambda text: text[:-5],
    lambda text: text[1:],
    lambda text: f" {text} ",
    lambda text: f"{text}!",
    lambda text: text[:8] + "\n" + text[8:],
    lambda text: base64.b64encode(text.encode()).decode(),
    lambda text: "",
)
forged = st.builds(turn, forged_cursors(), st.integers(0, 5), st.sampled_from(("GET", "POST")))

# By reference, by name, by uid

parts = st.sampled_from(
    (
        "component",
        "Component",
        "api",
        "default",
        "MUSIC",
        "ns2",
        "Comp-A",
        "artist-web",
        "db",
        "dom",
        "nope",
        "a b",
        "ä",
        "x:y",
        "%",
        "a/b",
        ".",
        "'",
        "bob",
        "resource",
        "domain",
        "user",
        "sys-a",
        "system",
    )
)
names = st.builds(
    lambda kind, namespace, name, rest: get(
        f"/entities/by-name/{quote(kind, safe='')}/{quote(namespace, safe='')}/{quote(name, safe='')}{rest}"
    ),
    parts,
    parts | st.just("default"),
    parts,
    st.sampled_from(("", "", "/", "/ancestry", "?fields=kind", "/ancestry?x=1", "/more")),
)
ref_bodies = st.fixed_dictionaries(
    {"entityRefs": st.lists(st.sampled_from(REFS), max_size=6)},
    optional={"fields": st.lists(st.sampled_from(FIELDS), max_size=3), "query": predicates, "other": st.just(1)},
)
references = st.one_of(
    st.builds(post, st.just("/entities/by-refs"), ref_bodies),
    st.builds(post, st.just("/entities/by-refs"), ref_bodies),
    names,
    uids.map(lambda uid: get(f"/entities/by-uid/{uid}")),
)

# Parameters and bodies of other names and types

declared = (
    "filter",
    "fields",
    "order",
    "limit",
    "offset",
    "after",
    "cursor",
    "orderField",
    "totalItems",
    "facet",
    "fullTextFilterTerm",
    "fullTextFilterFields",
    "foo",
    "dryRun",
    "Limit",
    "limit[]",
    "filter[]",
    "filter[0]",
    "filter[a]",
    "a.b",
)
odd_parameters = st.lists(
    st.tuples(
        st.sampled_from(declared), st.sampled_from(("", "1", "x", "kind=component", "asc:kind", "a,b", " ", "true"))
    ),
    min_size=1,
    max_size=3,
)
PATHS = (
    "/entities",
    "/entities/by-query",
    "/entity-facets",
    "/entities/by-uid/x",
    "/entities/by-name/component/default/comp-a",
    "/locations",
    "/locations/by-entity/component/default/comp-a",
    "/nope",
)
malformed_parameters = st.builds(get, st.sampled_from(PATHS), odd_parameters)

anything = st.recursive(
    st.sampled_from((None, True, 5, 1.5, -1, "x", "", "kind")),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(("a", "field", "order", "term", "type", "target", "kind", "fields")), inner, max_size=2
        )
    ),
    max_leaves=3,
)
BODIES: dict[str, tuple[str, ...]] = {
    "/entities/by-query": ("cursor", "limit", "offset", "orderBy", "fullTextFilter", "fields", "totalItems", "query"),
    "/entities/by-refs": ("entityRefs", "fields", "query"),
    "/entity-facets": ("facets", "query"),
    "/locations": ("type", "target", "presence", "other"),
    "/locations/by-query": ("cursor", "limit", "query"),
    "/refresh": ("entityRef", "authorizationToken", "other"),
    "/validate-entity": ("entity", "location", "other"),
    "/analyze-location": ("location", "catalogFilename", "catalogFileName", "other"),
}
malformed_bodies = st.sampled_from(sorted(BODIES)).flatmap(
    lambda path: st.builds(
        post, st.just(path), st.one_of(st.dictionaries(st.sampled_from(BODIES[path]), anything, max_size=3), anything)
    )
)
raw_bodies = raw_posts(BASE, sorted(BODIES), ('{"limit":1}', "limit=1"))
