"""Faults that somebody might put into the catalog's wire code, each of which some fast test must notice. Run by `mutation`.

A mutant names the rule of the checklist that it breaks, the file below `backend/understage`, and what becomes of one piece of it.
"""

from typing import NamedTuple


class Mutant(NamedTuple):
    """`old`, which the file has once, becomes `new`."""

    rule: str
    file: str
    old: str
    new: str


QUERY, ENTITIES, LOCATIONS = "catalog/api/query.py", "catalog/api/entities.py", "catalog/api/locations.py"
CURSOR, FILTER, PREDICATES = "catalog/query/cursor.py", "catalog/query/filter.py", "catalog/query/predicates.py"
PAGES, FIELDS, REQUESTS = "catalog/query/entities.py", "catalog/query/fields.py", "platform/requests.py"

MUTANTS = (
    # Filters and predicates
    Mutant("filter sets are ORed", FILTER, '{"$any": sets} if len', '{"$all": sets} if len'),
    Mutant("statements of a set are ANDed", FILTER, '{"$all": leaves} if len', '{"$any": leaves} if len'),
    Mutant("a key alone asks whether it exists", FILTER, '{"$exists": True}', '{"$exists": False}'),
    Mutant(
        "blanks around filters do not count",
        FILTER,
        "part.strip() for part in statement.partition",
        "part for part in statement.partition",
    ),
    Mutant(
        "an empty statement is skipped",
        FILTER,
        "if not statement:\n            continue",
        "if False:\n            continue",
    ),
    Mutant(
        "a statement without key is refused", FILTER, "if not key:\n            raise", "if False:\n            raise"
    ),
    Mutant(
        "$not", PREDICATES, "            return Not(read_predicate(inner))", "            return read_predicate(inner)"
    ),
    Mutant("$exists false", PREDICATES, "return has(key) if wanted else Not(has(key))", "return has(key)"),
    Mutant(
        "$hasPrefix does not mind case",
        PREDICATES,
        "StartsWith(key.lower(), prefix.lower())",
        "StartsWith(key.lower(), prefix)",
    ),
    Mutant(
        "top-level primitives are refused",
        PREDICATES,
        "    if _is_primitive(wire):\n        example",
        "    if False:\n        example",
    ),
    Mutant("unknown operators are refused", PREDICATES, 'if key.startswith("$") or', "if"),
    Mutant("deep predicates are refused", PREDICATES, "if depth > DEEPEST or self._nodes > LARGEST:", "if False:"),
    Mutant("relations are asked by their type", PREDICATES, "    if not type:\n", "    if False:\n"),
    # Fields
    Mutant("array fields are refused", FIELDS, 'if "[" in name:', "if False:"),
    Mutant("keys with dots are found", FIELDS, 'key = ".".join(parts[start:end])', "key = parts[end - 1]"),
    # Pages, orders and cursors
    Mutant("the default limit is 200", PAGES, "DEFAULT_LIMIT = 200", "DEFAULT_LIMIT = 201"),
    Mutant("a page is no longer than asked for", PAGES, "rows = rows[: question.limit]", "rows = rows[:]"),
    Mutant("pages backwards keep the order", PAGES, "rows = rows[::-1]", "rows = rows[:]"),
    Mutant(
        "the first page has none before it",
        PAGES,
        "beginning is not None and first != beginning",
        "beginning is not None",
    ),
    Mutant("a cursor carries the total", PAGES, "return question.cursor.total", "return None"),
    Mutant("totalItems=exclude answers 0", QUERY, 'with_total=query.get("totalItems") != "exclude"', "with_total=True"),
    Mutant(
        "the body may exclude the total", QUERY, 'with_total=body.get("totalItems") != "exclude"', "with_total=True"
    ),
    Mutant(
        "only the first order counts",
        PAGES,
        "return self.orders[0] if self.orders else None",
        "return self.orders[-1] if self.orders else None",
    ),
    Mutant("desc is descending", QUERY, 'Order(field, rest[:1] == ["desc"])', 'Order(field, rest[:1] == ["asc"])'),
    Mutant("other directions are refused", QUERY, 'if rest and rest[0] not in ("asc", "desc"):', "if False:"),
    Mutant("an order of the body is checked", QUERY, 'required=True, choices=("asc", "desc")', "required=True"),
    Mutant("an empty cursor is refused", QUERY, 'if not body["cursor"]:', "if False:"),
    Mutant("a forged cursor's direction is checked", CURSOR, "if not isinstance(backwards, bool):", "if False:"),
    Mutant(
        "a forged cursor's total is checked",
        CURSOR,
        "if isinstance(value, bool) or not isinstance(value, int | float):",
        "if False:",
    ),
    Mutant(
        "the offset counts without a cursor", PAGES, '"offset": question.offset if cursor is None else 0', '"offset": 0'
    ),
    Mutant(
        "full text looks at the fields asked for",
        PAGES,
        "return question.full_text.fields\n",
        'return ("metadata.uid",)\n',
    ),
    Mutant("blanks around a term do not count", PAGES, "question.full_text.term.strip()", "question.full_text.term"),
    # Lists
    Mutant("limit 0 of a list is refused", ENTITIES, 'if query.get("limit") == 0:', "if False:"),
    Mutant(
        "a list links to its next part",
        ENTITIES,
        'headers["link"] = _next_link(request, limit, offset + limit)',
        "pass",
    ),
    Mutant(
        "the next part begins after this one",
        ENTITIES,
        "_next_link(request, limit, offset + limit)",
        "_next_link(request, limit, offset + limit + 1)",
    ),
    Mutant("a malformed after is refused", ENTITIES, "            or not 0 <= value < 2**53\n", ""),
    Mutant(
        "an order without a direction is refused",
        ENTITIES,
        'if direction not in ("asc", "desc") or not field:',
        "if not field:",
    ),
    # One entity, references, ancestry
    Mutant(
        "by-refs keeps the order and null",
        ENTITIES,
        'encode_array(map(found.get, body["entityRefs"]), projection)',
        "encode_array(found.values(), projection)",
    ),
    Mutant("by-refs needs references", ENTITIES, 'if "entityRefs" not in body:', "if False:"),
    Mutant(
        "an entity is found by its name",
        ENTITIES,
        "database, served, [ref], both(readable))\n            if ref not",
        "database, served, [ref.upper()], both(readable))\n            if ref not",
    ),
    Mutant(
        "an unknown uid is not found",
        ENTITIES,
        'raise NotFoundError(f"No entity with uid {uid}")',
        'raise InputError(f"No entity with uid {uid}")',
    ),
    # Facets
    Mutant(
        "a facet must be named",
        QUERY,
        '                raise InputError("Missing facet parameter")',
        "                pass",
    ),
    Mutant(
        "facets have the name that was asked for", QUERY, "for name in names\n        }", "for name in keys\n        }"
    ),
    Mutant("facets count what the caller may read", QUERY, "both(predicate, readable)", "both(predicate)"),
    # Who may
    Mutant(
        "a denied caller reads nothing",
        "catalog/access.py",
        'return None if decision == "ALLOW" else NOTHING',
        "return None",
    ),
    Mutant(
        "conditions become predicates", "catalog/access.py", "return predicate_of(decision.conditions)", "return None"
    ),
    Mutant(
        "deleting an entity needs the permission",
        ENTITIES,
        "await access.require(request.state.credentials, CATALOG_ENTITY_DELETE, ref)",
        "pass",
    ),
    Mutant(
        "registering needs the permission",
        LOCATIONS,
        "await access.require(request.state.credentials, CATALOG_LOCATION_CREATE)\n            created",
        "created",
    ),
    Mutant(
        "unregistering needs the permission",
        LOCATIONS,
        "await access.require(request.state.credentials, CATALOG_LOCATION_DELETE)",
        "pass",
    ),
    Mutant(
        "refreshing needs the permission",
        "catalog/api/refresh.py",
        'await access.require(credentials, CATALOG_ENTITY_REFRESH, body["entityRef"])',
        "pass",
    ),
    Mutant(
        "readonly refuses changes", "catalog/ingestion.py", "        if self._settings.readonly:", "        if False:"
    ),
    Mutant(
        "a dry run may be made of a readonly catalog",
        "catalog/ingestion.py",
        "        if not dry_run:\n            self._check_writable()",
        "        self._check_writable()",
    ),
    Mutant(
        "every route asks who is calling",
        "platform/plugin.py",
        "        if path in self._public_paths:\n            return",
        "        return",
    ),
    # Requests and answers
    Mutant(
        "unknown parameters are refused",
        REQUESTS,
        "        if name not in declared:\n            raise",
        "        if False:\n            raise",
    ),
    Mutant("empty parameters are refused", REQUESTS, 'if values == "":', "if False:"),
    Mutant(
        "minima of parameters hold",
        REQUESTS,
        "if parameter.minimum is not None and number < parameter.minimum:",
        "if False:",
    ),
    Mutant("large bodies are refused", REQUESTS, "        if size > limit:", "        if False:"),
    Mutant("other content types are refused", REQUESTS, 'if content_type != "application/json":', "if False:"),
    Mutant(
        "an answer that is known is not sent",
        "catalog/api/answers.py",
        "status == 200 and etag in",
        "False and etag in",
    ),
    Mutant("a limit of locations is positive", LOCATIONS, "or limit < 1:", "or limit < 0:"),
    Mutant("a page of locations goes on after the last", LOCATIONS, 'page[-1]["id"], query)', 'page[0]["id"], query)'),
)
