"""The stage of Location entities: which places they name, and who reads them."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import PurePosixPath
from posixpath import normpath
from typing import Any

from understage.catalog.failure import wrap
from understage.catalog.processing.collector import Collector
from understage.catalog.processing.delayed import Delayed
from understage.errors import InputError, UnderstageError
from understage.model.entity import Entity
from understage.model.ref import LocationRef
from understage.platform.json import dumps_text
from understage.sdk.processor import ProcessingContext, Processor
from understage.sdk.reader import UrlReader

Path = tuple[str | int, ...]
"""Of a value in an entity."""
AHEAD = 4
"""How many targets of one location are read at a time; what they emit is taken in their order."""

ALLOWED_TYPES = ("url",)
"""Location types that may be registered, and that a location may name besides its own."""


class LocationStage:
    """Reads the targets of Location entities by the first processor that knows how."""

    def __init__(self, processors: Sequence[Processor], reader: UrlReader, *, most_targets: int) -> None:
        self._readers = [item for item in processors if type(item).read_location is not Processor.read_location]
        self._reader = reader
        self._most_targets = most_targets

    async def read(
        self,
        entity: Entity,
        location: LocationRef,
        collector: Collector,
        context_of: Callable[[Processor], ProcessingContext],
        taken: Callable[[], None],
    ) -> None:
        """Read all targets; what cannot be read becomes an error of the collector, and the others go on.

        `taken` is called after each.
        """
        spec = entity["spec"]
        type_ = spec.get("type") or location.type
        # Its own target may be of any type: the configuration or the registration allowed it.
        if type_ != location.type and type_ not in ALLOWED_TYPES:
            raise InputError(f"Registered locations must be of an allowed type {dumps_text(list(ALLOWED_TYPES))}").at(
                "spec", "type"
            )
        if sum(1 for _ in targets_of(spec)) > self._most_targets:
            raise InputError(
                f"the location has more than {self._most_targets} targets; catalog.mostChildren is the limit"
            ).at("spec", "targets")
        is_optional = spec.get("presence") == "optional"
        waiting = targets_of(spec)
        under_way: deque[tuple[Path, Delayed, asyncio.Task[None]]] = deque()
        try:
            while True:
                for path, target in islice(waiting, AHEAD - len(under_way)):
                    emit = Delayed()
                    if type_ == "file" and target.endswith("/"):
                        reading = _refuse_folder(target, emit)
                    else:
                        place = LocationRef(type_, self._absolute(location, type_, target))
                        reading = self._read_one(place, is_optional, emit, context_of)
                    under_way.append((path, emit, asyncio.create_task(reading)))
                if not under_way:
                    return
                await _take(*under_way.popleft(), collector)
                taken()
        finally:
            for *_, task in under_way:
                task.cancel()
            await asyncio.gather(*(task for *_, task in under_way), return_exceptions=True)

    async def _read_one(
        self, place: LocationRef, optional: bool, emit: Delayed, context_of: Callable[[Processor], ProcessingContext]
    ) -> None:
        for processor in self._readers:
            context = context_of(processor)._replace(emit=emit)
            try:
                if await processor.read_location(place, optional=optional, context=context):
                    return
            except Exception as error:
                raise wrap(
                    f"Processor {type(processor).__name__} threw an error while reading {place}", error
                ) from error
        raise InputError(f"No processor was able to handle reading of {place}")

    def _absolute(self, base: LocationRef, type_: str, target: str) -> str:
        if type_ != base.type:
            return target
        if type_ == "file":
            return absolute_file(base.target, target)
        if type_ == "url":
            try:
                return self._reader.resolve_url(target, base.target)
            except (UnderstageError, ValueError):
                return target
        return target


def absolute_file(base: str, target: str) -> str:
    """Where a target of a file is, which may be relative to it."""
    return normpath(PurePosixPath(base).parent / target) if target.startswith(".") else target


async def _refuse_folder(target: str, emit: Delayed) -> None:
    emit.error(
        InputError(
            f"a location of type file cannot have the target {target}, which ends with a path separator; "
            "name a file, or files by a glob such as ./**/catalog-info.yaml"
        )
    )


async def _take(path: Path, emit: Delayed, reading: asyncio.Task[None], collector: Collector) -> None:
    """Wait for one target, and say of all that is wrong with it that it is about this target."""
    before = len(collector.errors)
    try:
        try:
            await reading
        finally:
            emit.pass_on(collector)
    except UnderstageError as error:
        error.at(*path)
        raise
    for problem in collector.errors[before:]:
        if isinstance(problem, UnderstageError):
            problem.at(*path)


def targets_of(spec: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """The targets, each with its path in the entity."""
    if "target" in spec:
        yield ("spec", "target"), spec["target"]
    for index, target in enumerate(spec.get("targets", ())):
        yield ("spec", "targets", index), target
