"""Fills in the owner that an entity does not name, from the CODEOWNERS file of the repository it stands in.

Backstage had this processor built in once; now it is a community module. It runs when `catalog.processorOptions` names it.
"""

import asyncio
import time
from collections import OrderedDict
from urllib.parse import parse_qs, unquote, urlsplit

from understage.catalog.processors.code_owners_file import Ownership, find_owner, parse_code_owners
from understage.catalog.repository import integration_type
from understage.errors import NotFoundError
from understage.model.entity import Entity
from understage.sdk.processor import ProcessingContext, Processor, ProcessorSetup

KINDS = frozenset(("API", "Component", "Domain", "Resource", "System"))
# In the order in which the forge itself looks.
PLACES = {
    "github": (".github/", "", "docs/"),
    "gitlab": ("", "docs/", ".gitlab/"),
    "gitea": ("", "docs/", ".gitea/"),
    "bitbucketCloud": (".bitbucket/", "", "docs/"),
}
OTHER_PLACES = ("", ".github/", "docs/", ".gitlab/")
KEPT_SECONDS = 20.0
KEPT_REPOSITORIES = 256


class CodeOwnersProcessor(Processor):
    """Sets `spec.owner` where it is missing; a file is read once for all entities that are processed within seconds."""

    on_by_default = False

    def __init__(self, setup: ProcessorSetup) -> None:
        super().__init__(setup)
        self._integrations = setup.config.get("integrations") or {}
        self._files: OrderedDict[tuple[str, ...], tuple[float, asyncio.Task[list[Ownership]]]] = OrderedDict()

    async def pre_process(self, entity: Entity, context: ProcessingContext) -> Entity:
        """Add the owner."""
        spec = {} if entity.get("spec") is None else entity["spec"]
        if entity["kind"] not in KINDS or context.location.type != "url":
            return entity
        if not isinstance(spec, dict) or spec.get("owner"):
            return entity
        target = context.location.target
        kind = integration_type(target, self._integrations)
        if kind is None:
            return entity
        resolve = self.setup.reader.resolve_url
        urls = tuple(resolve(f"/{place}CODEOWNERS", target) for place in PLACES.get(kind, OTHER_PLACES))
        for url in urls:
            context.emit.refresh_key(f"url:{url}")
        folder, root = _path(resolve("./", target)), _path(resolve("/", target))
        path = folder.removeprefix(root) + _path(target).rpartition("/")[2]
        owner = find_owner(await self._lines(urls), path.lstrip("/"))
        return entity if owner is None else {**entity, "spec": {**spec, "owner": owner}}

    async def _lines(self, urls: tuple[str, ...]) -> list[Ownership]:
        """The lines of the first file that there is."""
        now = time.monotonic()
        until, reading = self._files.get(urls, (0.0, None))
        if reading is None or until < now or (reading.done() and (reading.cancelled() or reading.exception())):
            reading = asyncio.create_task(self._read(urls))
            self._files[urls] = (now + KEPT_SECONDS, reading)
            self._files.move_to_end(urls)
            while len(self._files) > KEPT_REPOSITORIES:
                self._files.popitem(last=False)
        # One that gives up must not take the file from the others.
        return await asyncio.shield(reading)

    async def _read(self, urls: tuple[str, ...]) -> list[Ownership]:
        for url in urls:
            try:
                file = await self.setup.reader.read_url(url)
            except NotFoundError:
                continue
            return parse_code_owners(file.content.decode("utf-8", "replace"))
        return []


def _path(url: str) -> str:
    """The path of a page URL; Azure DevOps has that of the file in the query."""
    parts = urlsplit(url)
    return unquote(parse_qs(parts.query).get("path", [parts.path])[0])
