"""Requests of one step to a forge: reads are sent; writes are sent once, or in a dry run told instead. Called by its actions.

A write is kept as a checkpoint, so that a step that runs again does not repeat it. Where a run may have ended between a write
and its checkpoint, `unless` finds out whether the write has had its effect.
"""

import json
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import WithJsonSchema

from understage.sdk import ActionContext, ApiAnswer, ForgeApi, InputError, NotFoundError, Query
from understage.sdk.path_segment import path_segment
from understage_actions._effects import begun_before

HIDDEN = "***"
Found = Callable[[], Awaitable[Any]]
Keep = Callable[[Any], Any]
Number = Annotated[int, WithJsonSchema({"type": "number"})]
"""A whole number, called a number in schemas, as the stock actions do."""


@dataclass(frozen=True)
class Calls:
    """The API of a forge, as one step uses it."""

    ctx: ActionContext
    api: ForgeApi

    async def read(self, path: str, query: Query | None = None) -> Any:
        """GET; the body. Raises as `ForgeApi.request`."""
        return (await self.api.request("GET", path, query=query)).body

    async def find(self, path: str, query: Query | None = None) -> Any:
        """GET; None where there is nothing."""
        try:
            return await self.read(path, query)
        except NotFoundError:
            return None

    async def pages(self, path: str, query: Query | None = None, *, size: int = 100, limit: int = 100) -> list[Any]:
        """All rows of a list that is read by page number. Raises InputError above `limit` pages."""
        rows: list[Any] = []
        for number in range(1, limit + 1):
            page = await self.read(path, {**(query or {}), "per_page": size, "page": number})
            rows += page or []
            if not page or len(page) < size:
                return rows
        raise InputError(f"{self.api.host} lists more than {limit * size} rows for {path}")

    async def write(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None,
        query: Query | None = None,
        keep: Keep | None = None,
        planned: Any = None,
        unless: Found | None = None,
        check_first: Callable[[], Awaitable[None]] | None = None,
        hide: Collection[str] = (),
    ) -> Any:
        """Send a change once per task, step and `key`; returns what `keep` takes of the answer, in a dry run `planned`.

        Without a key it is sent whenever the step runs: for what changes nothing that is there, such as a git object.
        `unless` is asked when an earlier run of the step may have sent it: what it finds (not None) stands for the answer.
        `check_first` raises where the effect must not begin, because what is there already is somebody else's.
        `hide` names members of the body that no log line may show.
        """
        if self.ctx.is_dry_run:
            if check_first is not None:
                await check_first()
            self.ctx.log.info(f"Would {self._describe(method, path, query, body, hide)}")
            return planned
        if key is None:
            return self._kept(await self.api.request(method, path, query=query, body=body), keep)
        resumed = unless is not None and await begun_before(self.ctx, key, check_first=check_first)

        async def send() -> Any:
            if resumed and unless is not None:
                found = await unless()
                if found is not None:
                    self.ctx.log.info(f"{method} {path} was done by an earlier run of this step")
                    return found
            answer = await self.api.request(method, path, query=query, body=body)
            return self._kept(answer, keep)

        return await self.ctx.checkpoint(key, send)

    async def has_begun(self, key: str) -> bool:
        """Whether an earlier run of this step has begun the write of that key; unlike the write, notes nothing."""

        async def refuse() -> None:
            raise _NotBegunError

        if self.ctx.is_dry_run:
            return False
        try:
            return await begun_before(self.ctx, key, check_first=refuse)
        except _NotBegunError:
            return False

    def _kept(self, answer: ApiAnswer, keep: Keep | None) -> Any:
        return None if keep is None else keep(answer.body)

    def _describe(self, method: str, path: str, query: Query | None, body: Any, hide: Collection[str]) -> str:
        parts = [method, f"{self.api.url}{path}"]
        if query:
            parts.append(json.dumps(dict(query), ensure_ascii=False))
        if body is not None:
            parts.append(json.dumps(_hidden(body, hide), ensure_ascii=False))
        return " ".join(parts)


class _NotBegunError(Exception):
    """No earlier run of the step has come so far."""


def given(**members: Any) -> dict[str, Any]:
    """The members that are not None: what a form left out is not sent."""
    return {name: value for name, value in members.items() if value is not None}


def require_user_token(ctx: ActionContext, host: str, token: str | None) -> None:
    """Raise InputError where users must bring a token of their own and this one brought none."""
    if not token and host in ctx.defaults.get("userCredentialsHosts", ()):
        raise InputError(
            f"No user credentials provided for host {host}, but scaffolder.requireScmUserCredentials is enabled: let the "
            "template ask for them (requestUserCredentials) and pass them as `token`"
        )


def _hidden(value: Any, hide: Collection[str]) -> Any:
    if isinstance(value, dict):
        return {name: HIDDEN if name in hide else _hidden(item, hide) for name, item in value.items()}
    if isinstance(value, list):
        return [_hidden(item, hide) for item in value]
    return value


def segment(text: str | int) -> str:
    """A name as one segment of a path. Raises InputError for one that would be none."""
    return path_segment(str(text), "cannot be a part of a forge's URL: check the names in the step's input")
