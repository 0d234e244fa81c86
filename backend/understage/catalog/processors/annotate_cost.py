"""Notes on components what they cost a month, as OpenCost tells it. Runs where `understage.costs.openCost` is configured.

An entity is rewritten only when the amount has changed by more than a twentieth, and once in `annotateEvery` at most: what was
noted, and when, is kept in the entity's cache, which all replicas share. While OpenCost fails the last note stays.
"""

import time
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from understage.config.platform_settings import CostSettings
from understage.integrations.opencost import Cost, OpenCostSource, Spending, service_of, source_from_settings
from understage.model.entity import Entity
from understage.sdk.processor import ProcessingContext, Processor, ProcessorSetup

ANNOTATION = "understage.io/monthly-cost"
NOTE = "note"
TOLERANCE = 0.05


class CostAnnotationProcessor(Processor):
    """Sets the annotation; one of this name that the file has goes, since nobody would know whose it is."""

    def __init__(self, setup: ProcessorSetup) -> None:
        super().__init__(setup)
        costs = CostSettings.model_validate((setup.config.get("understage") or {}).get("costs") or {})
        self._source: OpenCostSource | None = None
        if costs.open_cost is not None and costs.open_cost.annotate:
            self._source = source_from_settings(costs)
            self._every = costs.open_cost.annotate_every.total_seconds()

    async def pre_process(self, entity: Entity, context: ProcessingContext) -> Entity:
        """Set, replace or remove the annotation."""
        if self._source is None:
            return entity
        metadata = entity["metadata"]
        annotations = metadata.get("annotations")
        # What is of another shape is told by others.
        if not isinstance(annotations, Mapping | None) or str(entity["kind"]).lower() != "component":
            return entity
        spending = await self._source.known()
        text = self._note(context.cache.get(NOTE), spending, entity, context)
        others = {name: value for name, value in (annotations or {}).items() if name != ANNOTATION}
        wanted = others if text is None else {**others, ANNOTATION: text}
        if wanted == (annotations or {}):
            return entity
        return {**entity, "metadata": {**metadata, "annotations": wanted}}

    def _note(self, before: Any, spending: Spending | None, entity: Entity, context: ProcessingContext) -> str | None:
        """What is noted; kept anew when it changes."""
        kept = before if isinstance(before, dict) else {}
        known: str | None = kept.get("text")
        if spending is None or (kept and time.time() - kept["at"] < self._every):
            return known
        amount = _amount(spending, entity)
        if kept and not _differs(kept.get("amount"), amount):
            return known
        text = None if amount is None else f"{rounded(amount)} {spending.currency}"
        if text is not None or kept:
            context.cache.set(NOTE, {"text": text, "amount": amount, "at": int(time.time())})
        return text


def rounded(amount: float) -> str:
    """Two digits that count, and cents at the least: 0.43, 7.1, 120, 3400."""
    if amount < 0.01:
        return "0"
    return f"{Decimal(f'{amount:.{2 if amount >= 0.1 else 1}g}'):f}"


def _amount(spending: Spending, entity: Entity) -> float | None:
    service, namespaces = service_of(entity)
    costs = spending.of_service(service, namespaces)
    return spending.monthly(sum(costs.values(), Cost())) if costs else None


def _differs(before: float | None, now: float | None) -> bool:
    if before is None or now is None:
        return before is not now
    return abs(now - before) > TOLERANCE * max(abs(before), abs(now))
