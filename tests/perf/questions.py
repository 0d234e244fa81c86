"""What both contenders are asked: the requests of the issue, in several variants, so that no answer is the last one again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any
from urllib.parse import urlencode

from tests.perf.connection import Connection
from tests.perf.entities import LIFECYCLES, TYPES, component_name

CATALOG = "/api/catalog"
REFS = 100
VARIANTS = 20
SEARCHED_FIELDS = "metadata.name,metadata.title"


@dataclass(frozen=True)
class Question:
    """One row of the table. `repeat` is how often it is asked in a round, of one connection."""

    name: str
    title: str
    method: str
    paths: Sequence[str]
    bodies: Sequence[Any]
    repeat: int

    def requests(self, connection: Connection) -> list[bytes]:
        """Its variants, ready to be sent."""
        bodies = self.bodies or [None] * len(self.paths)
        paths = self.paths if len(self.paths) == len(bodies) else [self.paths[0]] * len(bodies)
        return [connection.request_bytes(self.method, path, body) for path, body in zip(paths, bodies, strict=True)]

    def answer(self, connection: Connection) -> Any:
        """What the first variant's answer says, without what must differ between two backends: what is compared."""
        return _essence(connection.json(self.method, self.paths[0], self.bodies[0] if self.bodies else None))


def questions(count: int) -> list[Question]:
    """The questions to a catalog of `count` generated components."""
    random = Random(count)
    names = [component_name(random.randrange(count)) for _ in range(VARIANTS)]
    refs = [
        [f"component:default/{component_name(random.randrange(count))}" for _ in range(REFS)] for _ in range(VARIANTS)
    ]
    pages = [
        _by_query(filter=f"kind=component,spec.type={type_},spec.lifecycle={lifecycle}", orderField="metadata.name,asc")
        for type_ in TYPES
        for lifecycle in LIFECYCLES
    ]
    terms = [name.removeprefix("part-")[:-2] for name in names]
    texts = [
        _by_query(
            filter="kind=component",
            orderField="metadata.name,asc",
            fullTextFilterTerm=term,
            fullTextFilterFields=SEARCHED_FIELDS,
        )
        for term in terms
    ]
    facets = f"{CATALOG}/entity-facets?" + urlencode(
        [("facet", "spec.type"), ("facet", "metadata.tags"), ("filter", "kind=component")]
    )
    named = [f"{CATALOG}/entities/by-name/component/default/{name}" for name in names]
    return [
        Question("page", "by-query page of 20, filter and order", "GET", pages, [], 60),
        Question("text", "full-text page of 20", "GET", texts, [], 40),
        Question("dump", "`/entities`, all of them", "GET", [f"{CATALOG}/entities"], [], 3),
        Question("facets", "facets of type and tags", "GET", [facets], [], 20),
        Question(
            "refs",
            f"by-refs of {REFS}",
            "POST",
            [f"{CATALOG}/entities/by-refs"],
            [{"entityRefs": some} for some in refs],
            60,
        ),
        Question("name", "by-name", "GET", named, [], 120),
    ]


def _by_query(**parameters: str) -> str:
    return f"{CATALOG}/entities/by-query?" + urlencode({"limit": 20, **parameters})


def total_components(connection: Connection) -> int:
    """How many components can be seen."""
    path = f"{CATALOG}/entities/by-query?limit=0&filter=kind=component"
    return int(connection.json("GET", path)["totalItems"])


def _essence(answer: Any) -> Any:
    if isinstance(answer, Mapping) and "facets" in answer:
        return {name: sorted([one["value"], one["count"]] for one in found) for name, found in answer["facets"].items()}
    if isinstance(answer, Mapping) and "items" in answer:
        return {"total": answer.get("totalItems"), "names": [_name(entity) for entity in answer["items"]]}
    if isinstance(answer, list):
        # Locations are left out: their names come from the folder of the files.
        return sorted(_name(entity) for entity in answer if entity["kind"] != "Location")
    return _name(answer)


def _name(entity: Any) -> str:
    return str(entity["metadata"]["name"]) if entity else ""
