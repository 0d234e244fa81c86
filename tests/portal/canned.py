"""A catalog and a scaffolder with canned answers: enough of both protocols to draw every page of the walk.

It stands in for nothing in the product; it lets the portal and the page objects be tried without a database, and a page
be shown in states that are hard to reach for real (a task that waits in the middle of its log).
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response, StreamingResponse

Entity = dict[str, Any]
TASK_ID = "4f7c2f1e-0000-4000-8000-000000000001"
LOCATION = "url:https://git.example/acme/shop/catalog-info.yaml"


def entity(kind: str, name: str, *, owner: str = "", links: Mapping[str, str] | None = None, **spec: Any) -> Entity:
    relations = [{"type": kind_, "targetRef": ref} for kind_, ref in (links or {}).items()]
    if owner:
        relations.append({"type": "ownedBy", "targetRef": owner})
        spec["owner"] = owner
    return {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": kind,
        "metadata": {
            "namespace": "default",
            "name": name,
            "uid": f"uid-{kind.lower()}-{name}",
            "description": f"The {name} {kind.lower()}",
            "annotations": {
                "backstage.io/managed-by-location": LOCATION,
                "backstage.io/managed-by-origin-location": LOCATION,
            },
        },
        "spec": spec,
        "relations": relations,
    }


def shop() -> list[Entity]:
    """A team with three services, an API, a system and a template, and 25 more components for a second page."""
    team = "group:default/shop-team"
    services = [
        entity("Component", "cart", owner=team, type="service", lifecycle="production",
               links={"partOf": "system:default/shop", "providesApi": "api:default/cart-api"}),
        entity("Component", "checkout", owner=team, type="service", lifecycle="experimental",
               links={"dependsOn": "component:default/cart"}),
        entity("Component", "storefront", owner="user:default/guest", type="website", lifecycle="production"),
        *(entity("Component", f"worker-{number:02}", owner=team, type="library", lifecycle="production")
          for number in range(25)),
    ]  # fmt: skip
    template = entity("Template", "new-service", owner=team, type="service")
    template["apiVersion"] = "scaffolder.backstage.io/v1beta3"
    template["metadata"]["title"] = "New service"
    return [
        *services,
        entity("API", "cart-api", owner=team, type="openapi", lifecycle="production",
               definition="openapi: 3.0.0\ninfo: {title: The cart service, version: '1'}\npaths: {}\n"),
        entity("System", "shop", owner=team, links={"hasPart": "component:default/cart"}),
        entity("Group", "shop-team", type="team", profile={"displayName": "Shop Team"},
               children=[], links={"hasMember": "user:default/guest"}),
        entity("User", "guest", profile={"displayName": "Guest"}, links={"memberOf": team}),
        template,
    ]  # fmt: skip


def ref_of(item: Entity) -> str:
    metadata = item["metadata"]
    return f"{item['kind']}:{metadata['namespace']}/{metadata['name']}".lower()


def values_at(item: Entity, path: str) -> list[str]:
    """The search values of an entity below a dotted path, lower-case."""
    if path.startswith("relations."):
        kind = path.removeprefix("relations.").lower()
        return [link["targetRef"].lower() for link in item["relations"] if link["type"].lower() == kind]
    value: Any = item
    for key in path.split(".") if not path.startswith("metadata.annotations.") else path.split(".", 2):
        value = value.get(key) if isinstance(value, dict) else None
    found = value if isinstance(value, list) else [] if value is None else [value]
    return [str(one).lower() for one in found]


def matches(item: Entity, filters: list[str]) -> bool:
    """`filter=` parameters: any of them, each an AND over keys, values of one key an OR."""

    def one(text: str) -> bool:
        wanted: dict[str, list[str]] = {}
        for part in text.split(","):
            key, _, value = part.partition("=")
            wanted.setdefault(key, []).append(value.lower())
        return all(set(values_at(item, key)) & set(values) for key, values in wanted.items())

    return not filters or any(one(text) for text in filters)


def satisfies(item: Entity, query: Any) -> bool:
    """The predicate form that the pickers send: `$all`, `$in` and equality."""
    if "$all" in query:
        return all(satisfies(item, part) for part in query["$all"])
    return all(
        set(values_at(item, key)) & {str(one).lower() for one in (want["$in"] if isinstance(want, dict) else [want])}
        for key, want in query.items()
    )


class CannedBackend:
    """Answers for `/api/catalog` and `/api/scaffolder`, and what was asked of them."""

    def __init__(self) -> None:
        self.entities = shop()
        self.created: list[Any] = []
        self.refreshed: list[str] = []
        self.registered: list[Any] = []
        self.authorizations: list[str] = []
        self.task_may_finish = False
        self.task_fails_with = ""

    def find(self, ref: str) -> Entity | None:
        return next((item for item in self.entities if ref_of(item) == ref.lower()), None)

    def catalog(self) -> APIRouter:
        router = APIRouter()

        @router.get("/entity-facets")
        async def facets(request: Request) -> Any:
            chosen = [item for item in self.entities if matches(item, request.query_params.getlist("filter"))]
            answer = {}
            for facet in request.query_params.getlist("facet"):
                counts: dict[str, int] = {}
                for item in chosen:
                    for value in values_at(item, facet):
                        counts[value] = counts.get(value, 0) + 1
                answer[facet] = [{"value": value, "count": count} for value, count in counts.items()]
            return {"facets": answer}

        @router.get("/entities/by-query")
        async def by_query(request: Request) -> Any:
            self.authorizations.append(request.headers.get("authorization", ""))
            query = request.query_params
            asked: dict[str, Any] = {
                "at": 0,
                "filter": query.getlist("filter"),
                "term": query.get("fullTextFilterTerm", "").lower(),
            }
            if "cursor" in query:
                asked = json.loads(query["cursor"])
            chosen = [
                item
                for item in self.entities
                if matches(item, asked["filter"]) and asked["term"] in item["metadata"]["name"]
            ]
            return _page(chosen, int(query.get("limit", "20")), asked)

        @router.post("/entities/by-query")
        async def by_predicate(request: Request) -> Any:
            body = await request.json()
            return _page([item for item in self.entities if satisfies(item, body["query"])], body["limit"], {"at": 0})

        @router.get("/entities")
        async def entities(request: Request) -> Any:
            return [item for item in self.entities if matches(item, request.query_params.getlist("filter"))]

        @router.post("/entities/by-refs")
        async def by_refs(request: Request) -> Any:
            return {"items": [self.find(ref) for ref in (await request.json())["entityRefs"]]}

        @router.get("/entities/by-name/{kind}/{namespace}/{name}/ancestry")
        async def ancestry(kind: str, namespace: str, name: str) -> Any:
            ref = f"{kind}:{namespace}/{name}"
            return {"rootEntityRef": ref, "items": [{"entity": self.find(ref), "parentEntityRefs": []}]}

        @router.get("/entities/by-name/{kind}/{namespace}/{name}")
        async def by_name(kind: str, namespace: str, name: str) -> Any:
            return self.find(f"{kind}:{namespace}/{name}") or _not_found("entity")

        @router.post("/refresh")
        async def refresh(request: Request) -> Response:
            self.refreshed.append((await request.json())["entityRef"])
            return Response(status_code=200)

        @router.get("/locations")
        async def locations() -> Any:
            kind, _, target = LOCATION.partition(":")
            return [{"data": {"id": "location-1", "type": kind, "target": target}}]

        @router.post("/locations", status_code=201)
        async def register(request: Request) -> Any:
            body = await request.json()
            if request.query_params.get("dryRun") == "true":
                return {"exists": False, "location": body, "entities": [self.find("component:default/cart")]}
            self.registered.append(body)
            return {"location": {**body, "id": "location-2"}, "entities": []}

        @router.delete("/locations/{location_id}", status_code=204)
        async def unregister(location_id: str) -> None:
            self.entities = [item for item in self.entities if item["kind"] not in ("Component", "API", "System")]

        return router

    def scaffolder(self) -> APIRouter:
        router = APIRouter()
        steps = [
            {"id": "render", "name": "Render", "action": "fetch:template"},
            {"id": "publish", "name": "Publish", "action": "publish:gitea"},
        ]

        def task() -> Any:
            return {
                "id": TASK_ID,
                "status": "completed" if self.task_may_finish else "processing",
                "createdAt": "2026-01-01T00:00:00.000Z",
                "createdBy": "user:default/guest",
                "spec": {
                    "steps": steps,
                    "parameters": self.created[-1]["values"] if self.created else {},
                    "templateInfo": {
                        "entityRef": "template:default/new-service",
                        "entity": {"metadata": {"namespace": "default", "name": "new-service"}},
                    },
                    "user": {"ref": "user:default/guest"},
                },
            }

        @router.get("/v2/templates/{namespace}/{kind}/{name}/parameter-schema")
        async def parameter_schema(name: str) -> Any:
            return FORM if name == "new-service" else _not_found("template")

        @router.post("/v2/tasks", status_code=201)
        async def create(request: Request) -> Any:
            self.created.append(await request.json())
            return {"id": TASK_ID}

        @router.get("/v2/tasks")
        async def tasks() -> Any:
            found = [task()] if self.created else []
            return {"tasks": found, "totalTasks": len(found)}

        @router.get("/v2/tasks/{task_id}")
        async def one(task_id: str) -> Any:
            return task() if task_id == TASK_ID else _not_found("task")

        @router.get("/v2/tasks/{task_id}/eventstream")
        async def events(request: Request) -> Response:
            return StreamingResponse(self._events(), media_type="text/event-stream")

        @router.get("/v2/actions")
        async def actions() -> Any:
            schema = {"type": "object", "properties": {"message": {"type": "string", "description": "What to write"}}}
            return [{"id": "debug:log", "description": "Writes a line into the log", "schema": {"input": schema}}]

        return router

    async def _events(self) -> AsyncIterator[str]:
        yield _event(1, "log", "Starting up task with 2 steps")
        yield _event(2, "log", "Beginning step Render", stepId="render", status="processing")
        if self.task_fails_with:
            yield _event(3, "log", "Failed step Render", stepId="render", status="failed")
            yield _event(4, "log", "Skipped step Publish", stepId="publish", status="skipped")
            error = {"name": "ForeignError", "message": self.task_fails_with}
            yield _event(5, "completion", "Run completed with status: failed", error=error)
            return
        yield _event(3, "log", "Finished step Render", stepId="render", status="completed")
        yield _event(4, "log", "Beginning step Publish", stepId="publish", status="processing")
        while not self.task_may_finish:
            yield ": still running\n\n"
            await asyncio.sleep(0.05)
        yield _event(5, "log", "Finished step Publish", stepId="publish", status="completed")
        links = [
            {"title": "Repository", "url": "https://git.example/acme/billing"},
            {"title": "Open in catalog", "entityRef": "component:default/cart"},
        ]
        yield _event(6, "completion", "Run completed with status: completed", output={"links": links})


FORM = {
    "title": "New service",
    "steps": [
        {
            "title": "About the service",
            "schema": {
                "type": "object",
                "required": ["name", "owner", "environment"],
                "properties": {
                    "name": {"type": "string", "title": "Name", "pattern": "^[a-z][a-z0-9-]*$"},
                    "owner": {
                        "type": "string",
                        "title": "Owner",
                        "ui:field": "OwnerPicker",
                        "ui:options": {"catalogFilter": {"kind": "Group"}},
                    },
                    "language": {"type": "string", "title": "Language", "enum": ["python", "go"]},
                    "environment": {
                        "type": "string",
                        "title": "Environment",
                        "enum": ["development", "production"],
                        "enumNames": ["Development", "Production"],
                        "default": "development",
                        "ui:widget": "radio",
                    },
                    "token": {"type": "string", "title": "Deploy token", "ui:field": "Secret"},
                },
            },
        },
        {
            "title": "Where it runs",
            "schema": {
                "type": "object",
                "properties": {
                    "system": {
                        "type": "string",
                        "title": "System",
                        "ui:field": "EntityPicker",
                        "ui:options": {"catalogFilter": {"kind": "System"}},
                    },
                    "replicas": {"type": "integer", "title": "Replicas", "default": 2},
                    "public": {"type": "boolean", "title": "Reachable from outside", "default": False},
                },
            },
        },
    ],
}


def _page(chosen: list[Entity], limit: int, asked: dict[str, Any]) -> Any:
    """One page, with cursors that are what was asked, at another place."""
    start = asked["at"]
    items = sorted(chosen, key=lambda item: str(item["metadata"]["name"]))[start : start + limit]
    info = {}
    if limit and start + limit < len(chosen):
        info["nextCursor"] = json.dumps({**asked, "at": start + limit})
    if start:
        info["prevCursor"] = json.dumps({**asked, "at": max(0, start - limit)})
    return {"items": items, "totalItems": len(chosen), "pageInfo": info}


def _event(number: int, kind: str, message: str, **body: Any) -> str:
    data = {
        "id": number,
        "taskId": TASK_ID,
        "type": kind,
        "createdAt": f"2026-01-01T00:00:0{number}.000Z",
        "body": {"message": message, **body},
    }
    return f"event: {kind}\ndata: {json.dumps(data)}\n\n"


def _not_found(what: str) -> JSONResponse:
    error = {"name": "NotFoundError", "message": f"No {what}"}
    return JSONResponse({"error": error, "response": {"statusCode": 404}}, 404)
