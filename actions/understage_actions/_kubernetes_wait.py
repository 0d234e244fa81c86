"""Waiting for objects of a cluster, their states in the step's log. Called by `kubernetes:wait` and `kubernetes:apply`.

What makes an object ready is what `kubectl rollout status` and kstatus look at, by kind.
"""

import asyncio
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from understage.sdk import ActionContext, Cluster, ForeignError, InputError
from understage.sdk.members import map_at
from understage_actions._manifests import title

Json = dict[str, Any]
POLL_SECONDS = 1.0
CONDITION = re.compile(r"condition=([A-Za-z0-9./_-]{1,100})(?:=(True|False|Unknown))?", re.IGNORECASE)
JSONPATH = re.compile(r"jsonpath=\{?(\.[A-Za-z0-9_.\[\]-]{1,200})\}?(?:=(.{0,300}))?")


@dataclass(frozen=True)
class State:
    """Where an object stands: `words` for people; `is_final` when waiting longer is in vain."""

    is_reached: bool
    words: str
    is_final: bool = False


Look = Callable[[Json | None], State]


def parse_for(text: str) -> Look:
    """What `for` says: ready, create, delete, `condition=Name[=Status]` or `jsonpath={.path}[=value]`, as kubectl has them."""
    if text == "ready":
        return _ready
    if text == "create":
        return lambda found: State(found is not None, "is there" if found else "is not there yet")
    if text == "delete":
        return lambda found: State(found is None, "is still there" if found else "is gone")
    if match := CONDITION.fullmatch(text):
        name, status = match[1], (match[2] or "True").capitalize()
        return lambda found: _has_condition(found, name, status)
    if match := JSONPATH.fullmatch(text):
        path, value = _path(match[1]), match[2]
        return lambda found: _has_value(found, path, value)
    raise InputError(
        f"for: {text[:100]!r} is not known: use ready, create, delete, condition=Available or jsonpath={{.status.phase}}=Running"
    )


async def wait_for(
    ctx: ActionContext, cluster: Cluster, manifests: Sequence[Json], goal: str, timeout: float
) -> list[Json]:
    """Wait until all objects are there; returns what was found last ({} for what is gone).

    `manifests` need apiVersion, kind and metadata only. Raises ForeignError with the state of each that is missing at the
    time limit (`timeout`, in seconds), and as soon as one has failed for good.
    """
    look = parse_for(goal)
    started = time.monotonic()
    shown: dict[int, str] = {}
    found: dict[int, Json] = {}
    waiting = dict(enumerate(manifests))
    while True:
        for index, manifest in list(waiting.items()):
            metadata = manifest["metadata"]
            current = await cluster.get(
                manifest["apiVersion"], manifest["kind"], metadata["name"], metadata.get("namespace")
            )
            state = look(current)
            if shown.get(index) != state.words:
                ctx.log.info(f"{title(manifest)} after {time.monotonic() - started:.0f} s: {state.words}")
                shown[index] = state.words
            if state.is_reached:
                found[index] = current or {}
                del waiting[index]
            elif state.is_final:
                raise ForeignError(f"{title(manifest)} in cluster {cluster.name} failed: {state.words}")
        if not waiting:
            return [found[index] for index in range(len(manifests))]
        if time.monotonic() - started >= timeout:
            left = "; ".join(f"{title(manifest)}: {shown[index]}" for index, manifest in waiting.items())
            raise ForeignError(f"Waited {timeout:g} s for {goal} in cluster {cluster.name}, in vain: {left}")
        await asyncio.sleep(min(POLL_SECONDS, timeout))


def _ready(found: Json | None) -> State:
    if found is None:
        return State(False, "is not there yet")
    if found.get("metadata", {}).get("deletionTimestamp"):
        return State(False, "is being deleted")
    status = map_at(found.get("status"))
    observed, generation = status.get("observedGeneration"), found.get("metadata", {}).get("generation")
    if isinstance(observed, int) and isinstance(generation, int) and observed < generation:
        return State(False, "its latest change is not seen yet")
    look = READY.get(found.get("kind", ""))
    return look(found, status) if look else _of_conditions(found, status)


def _deployment(found: Json, status: Json) -> State:
    wanted = map_at(found.get("spec")).get("replicas", 1)
    progressing = _conditions(status).get("Progressing", {})
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        return State(False, str(progressing.get("message") or "its progress deadline is over"), is_final=True)
    counts = [status.get(member) or 0 for member in ("updatedReplicas", "availableReplicas")]
    is_reached = "observedGeneration" in status and min(counts) >= wanted and (status.get("replicas") or 0) <= wanted
    return State(is_reached, f"{counts[0]} of {wanted} updated, {counts[1]} available{_trouble(status)}")


def _stateful_set(found: Json, status: Json) -> State:
    wanted = map_at(found.get("spec")).get("replicas", 1)
    ready, updated = status.get("readyReplicas") or 0, status.get("updatedReplicas") or 0
    is_reached = "observedGeneration" in status and min(ready, updated) >= wanted
    return State(is_reached, f"{updated} of {wanted} updated, {ready} ready")


def _daemon_set(found: Json, status: Json) -> State:
    wanted = status.get("desiredNumberScheduled") or 0
    counts = [status.get(member) or 0 for member in ("updatedNumberScheduled", "numberAvailable")]
    is_reached = "observedGeneration" in status and min(counts) >= wanted
    return State(is_reached, f"{counts[0]} of {wanted} updated, {counts[1]} available")


def _job(found: Json, status: Json) -> State:
    conditions = _conditions(status)
    for name in ("Failed", "FailureTarget"):
        if conditions.get(name, {}).get("status") == "True":
            return State(False, _said(name, conditions[name]), is_final=True)
    is_complete = conditions.get("Complete", {}).get("status") == "True"
    return State(is_complete, "complete" if is_complete else f"{status.get('active') or 0} pods run")


def _pod(found: Json, status: Json) -> State:
    phase = str(status.get("phase") or "Pending")
    if phase == "Failed":
        return State(False, f"Failed {status.get('message') or status.get('reason') or ''}".strip(), is_final=True)
    is_ready = _conditions(status).get("Ready", {}).get("status") == "True"
    return State(is_ready or phase == "Succeeded", f"{phase}{', ready' if is_ready else _trouble(status)}")


def _phase(wanted: str) -> Callable[[Json, Json], State]:
    return lambda found, status: State(status.get("phase") == wanted, str(status.get("phase") or "no phase yet"))


def _service(found: Json, status: Json) -> State:
    if map_at(found.get("spec")).get("type") != "LoadBalancer":
        return State(True, "is there")
    has_address = bool(map_at(status.get("loadBalancer")).get("ingress"))
    return State(has_address, "has an address" if has_address else "has no address yet")


def _definition(found: Json, status: Json) -> State:
    return _has_condition(found, "Established", "True")


def _of_conditions(found: Json, status: Json) -> State:
    """Any other kind: the condition Ready or Available if it has one, else that it is there."""
    conditions = _conditions(status)
    for name in ("Ready", "Available"):
        if name in conditions:
            return State(conditions[name].get("status") == "True", _said(name, conditions[name]))
    return State(True, "is there")


READY: dict[str, Callable[[Json, Json], State]] = {
    "Deployment": _deployment,
    "StatefulSet": _stateful_set,
    "DaemonSet": _daemon_set,
    "Job": _job,
    "Pod": _pod,
    "Namespace": _phase("Active"),
    "PersistentVolumeClaim": _phase("Bound"),
    "Service": _service,
    "CustomResourceDefinition": _definition,
}


def _has_condition(found: Json | None, name: str, status: str) -> State:
    if found is None:
        return State(False, "is not there yet")
    for kind, condition in _conditions(map_at(found.get("status"))).items():
        if kind.lower() == name.lower():
            return State(condition.get("status") == status, _said(kind, condition))
    return State(False, f"has no condition {name} yet")


def _has_value(found: Json | None, path: Sequence[str | int], value: str | None) -> State:
    current: Any = found
    for part in path:
        if isinstance(part, int):
            current = current[part] if isinstance(current, list) and part < len(current) else None
        else:
            current = current.get(part) if isinstance(current, Mapping) else None
    if current is None:
        return State(False, "has no value there yet")
    text = str(current).lower() if isinstance(current, bool) else str(current)
    return State(value is None or text == value, f"the value is {text[:200]}")


def _path(text: str) -> list[str | int]:
    """`.status.ingress[0].ip` as its parts. InputError for anything that is no plain path."""
    parts: list[str | int] = []
    for token in re.findall(r"\.[A-Za-z0-9_-]+|\[[0-9]{1,6}\]|.", text):
        if token.startswith(".") and len(token) > 1:
            parts.append(token[1:])
        elif token.startswith("[") and len(token) > 1:
            parts.append(int(token[1:-1]))
        else:
            raise InputError(f"for: {text!r} is no plain path such as .status.loadBalancer.ingress[0].ip")
    return parts


def _trouble(status: Json) -> str:
    """What stands in the way, as conditions and containers say it."""
    return "".join(f"; {text}" for text in dict.fromkeys(_troubles(status)))[:600]


def _troubles(status: Json) -> Iterator[str]:
    for kind, condition in _conditions(status).items():
        is_bad = condition.get("status") == ("True" if kind == "ReplicaFailure" else "False")
        if is_bad and condition.get("message"):
            yield str(condition["message"])
    for container in status.get("containerStatuses") or []:
        waiting = map_at(map_at(container.get("state")).get("waiting"))
        if waiting.get("reason"):
            yield f"{container.get('name')}: {waiting['reason']}"


def _said(name: str, condition: Json) -> str:
    told = condition.get("message") or condition.get("reason")
    return f"{name} is {condition.get('status')}" + (f": {str(told)[:500]}" if told else "")


def _conditions(status: Json) -> dict[str, Json]:
    entries = status.get("conditions")
    found = entries if isinstance(entries, list) else []
    return {str(each.get("type")): each for each in found if isinstance(each, dict)}
