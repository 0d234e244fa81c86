"""Waiting until an Application is Synced and Healthy, its states in the step's log. Called by the actions `argocd:*`."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

from understage.sdk import ActionContext, Application, Cluster, ForeignError, NotFoundError, UnderstageError
from understage_actions._argocd_ways import Way

Json = dict[str, Any]

POLL_SECONDS = 2.0
# Argo CD may report an error for some seconds after a project or a repository was made: its caches follow.
GRACE_SECONDS = 30.0


def read_state(application: Json) -> Application:
    """The state of an Application object, with Argo CD's reasons joined by `; `."""
    status = application.get("status") or {}
    sync = status.get("sync") or {}
    revisions = sync.get("revisions") or []
    return Application(
        name=application["metadata"]["name"],
        sync=sync.get("status") or "Unknown",
        health=(status.get("health") or {}).get("status") or "Unknown",
        message="; ".join(dict.fromkeys(_reasons(status))),
        revision=sync.get("revision") or (revisions[-1] if revisions else None),
    )


async def wait_until_healthy(
    ctx: ActionContext, way: Way, name: str, timeout: float, cluster: Cluster | None
) -> Application:
    """Wait for Synced and Healthy, at most `timeout` seconds. `cluster` is where it is deployed to, if we can look there.

    Raises ForeignError with the last state and Argo CD's reason at the time limit or for a sync that failed for good,
    NotFoundError when the Application disappears.
    """
    started = time.monotonic()
    watch = _Watch(started)
    while True:
        found = await way.get("Application", name)
        if found is None:
            raise NotFoundError(f"Application {name} disappeared from {way.place} while it was waited for")
        state = read_state(found)
        for line in watch.news(state, found.get("status") or {}):
            ctx.log.info(f"{name} after {time.monotonic() - started:.0f} s: {line}")
        if state.sync == "Synced" and state.health == "Healthy":
            return state
        if problem := watch.failure(found):
            raise ForeignError(f"Application {name} failed to sync: {problem}")
        if time.monotonic() - started > timeout:
            raise ForeignError(
                f"Application {name} is {state.sync} and {state.health} after {timeout:g} s: "
                f"{await _explain(state, found, cluster)}. It goes on without this task; see it in Argo CD"
            )
        await asyncio.sleep(min(POLL_SECONDS, timeout))


async def wait_for_operation(way: Way, name: str, before: Json, timeout: float) -> None:
    """Wait until Argo CD has taken up and ended an operation that began after `before` was read. ForeignError at the limit.

    Until then its states tell of the time before.
    """
    last = ((before.get("status") or {}).get("operationState") or {}).get("startedAt")
    started = time.monotonic()
    while True:
        found = await way.get("Application", name) or {}
        operation = (found.get("status") or {}).get("operationState") or {}
        if "operation" not in found and operation.get("startedAt") != last and operation.get("phase") != "Running":
            return
        if time.monotonic() - started > timeout:
            message = operation.get("message") or "Argo CD gives no reason"
            raise ForeignError(f"The sync of {name} has not ended after {timeout:g} s: {message}")
        await asyncio.sleep(min(POLL_SECONDS, timeout))


async def wait_until_gone(ctx: ActionContext, way: Way, name: str, timeout: float) -> None:
    """Wait until the Application is not there any more. ForeignError at the time limit."""
    started = time.monotonic()
    while (found := await way.get("Application", name)) is not None:
        if time.monotonic() - started > timeout:
            reasons = read_state(found).message or "what it deployed is still being deleted"
            raise ForeignError(f"Application {name} is still there after {timeout:g} s: {reasons}")
        await asyncio.sleep(min(POLL_SECONDS, timeout))
    ctx.log.info(f"Application {name} is gone after {time.monotonic() - started:.0f} s")


@dataclass
class _Watch:
    """What was seen so far, so that only news are logged."""

    started: float
    shown: tuple[str, str, str] = ("", "", "")
    resources: dict[str, str] | None = None
    error_since: float | None = None

    def news(self, state: Application, status: Json) -> Iterator[str]:
        seen = (state.sync, state.health, state.message)
        if seen != self.shown:
            self.shown = seen
            yield f"{state.sync}, {state.health}" + (f": {state.message}" if state.message else "")
        before, self.resources = self.resources or {}, dict(_resource_states(status))
        for resource, words in self.resources.items():
            if before.get(resource) != words:
                yield f"  {resource}: {words}"

    def failure(self, application: Json) -> str | None:
        """The reason why waiting longer is in vain, if so."""
        status = application.get("status") or {}
        operation = status.get("operationState") or {}
        if operation.get("phase") in ("Failed", "Error") and "operation" not in application:
            return str(operation.get("message") or operation["phase"])
        if forbidden := [text for text in _sync_failures(operation) if "not permitted in project" in text]:
            return "; ".join(forbidden)  # Argo CD tries again, but the answer stays the same
        errors = [text for kind, text in _conditions(status) if kind in ("InvalidSpecError", "ComparisonError")]
        if not errors:
            self.error_since = None
            return None
        self.error_since = self.error_since or time.monotonic()
        return "; ".join(errors) if time.monotonic() - self.error_since > GRACE_SECONDS else None


async def _explain(state: Application, application: Json, cluster: Cluster | None) -> str:
    """Argo CD's reason, else what the cluster says of the workloads that are not available."""
    reasons = [state.message] if state.message else []
    if cluster is not None:
        try:
            reasons += [reason async for reason in _workload_reasons(application, cluster)]
        except UnderstageError as error:
            reasons.append(error.message)
    return "; ".join(reasons) or "Argo CD gives no reason"


async def _workload_reasons(application: Json, cluster: Cluster) -> AsyncIterator[str]:
    for resource in (application.get("status") or {}).get("resources") or []:
        kind, name = resource.get("kind"), resource.get("name")
        if resource.get("group") != "apps" or not name:
            continue
        found = await cluster.get(f"apps/{resource.get('version') or 'v1'}", kind, name, resource.get("namespace"))
        conditions = ((found or {}).get("status") or {}).get("conditions") or []
        for condition in conditions:
            is_bad = condition.get("status") == ("True" if condition.get("type") == "ReplicaFailure" else "False")
            if is_bad and condition.get("message"):
                yield f"{kind} {name}: {condition['message']}"


def _reasons(status: Json) -> Iterator[str]:
    for kind, text in _conditions(status):
        if kind.endswith(("Error", "Warning")):
            yield text
    operation = status.get("operationState") or {}
    if operation.get("phase") in ("Failed", "Error") or operation.get("retryCount"):
        yield from _sync_failures(operation)
        yield str(operation.get("message") or "")
    for resource in status.get("resources") or []:
        health = resource.get("health") or {}
        if health.get("status") in ("Degraded", "Missing", "Unknown") and health.get("message"):
            yield f"{resource.get('kind')} {resource.get('name')}: {health['message']}"


def _sync_failures(operation: Json) -> Iterator[str]:
    """What the last sync said of each object that it could not apply."""
    for resource in (operation.get("syncResult") or {}).get("resources") or []:
        if resource.get("status") in ("SyncFailed", "PruneFailed") and resource.get("message"):
            yield f"{resource.get('kind')} {resource.get('name')}: {resource['message']}"


def _resource_states(status: Json) -> Iterator[tuple[str, str]]:
    for resource in status.get("resources") or []:
        health = (resource.get("health") or {}).get("status")
        words = ", ".join(word for word in (resource.get("status"), health) if word)
        yield f"{resource.get('kind')} {resource.get('name')}", words


def _conditions(status: Json) -> Iterator[tuple[str, str]]:
    for condition in status.get("conditions") or []:
        yield str(condition.get("type", "")), str(condition.get("message", ""))
