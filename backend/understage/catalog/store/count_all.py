"""How much the catalog holds, as metrics: asked of the database now and then, told whenever somebody collects."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation
from sqlalchemy import text

from understage.catalog.store.stitch_queue import count_stitches
from understage.platform.database import Database

_meter = metrics.get_meter("understage.catalog")


@dataclass
class _Counts:
    kinds: dict[str, int] = field(default_factory=dict)
    locations: int = 0
    relations: int = 0
    stitches: int = 0


_latest = _Counts()


async def refresh_counts(database: Database) -> None:
    """Ask the database."""
    async with database.read() as connection:
        kinds = await connection.execute(text("SELECT value, count(*) FROM search WHERE key = 'kind' GROUP BY value"))
        # A kind that is gone is told as 0: dashboards would show its last count for a while.
        _latest.kinds = {**dict.fromkeys(_latest.kinds, 0), **{row[0]: row[1] for row in kinds}}
        for name in ("locations", "relations"):
            count = (await connection.execute(text(f"SELECT count(*) FROM {name}"))).scalar_one()
            setattr(_latest, name, count)
        _latest.stitches = await count_stitches(connection)


def _kinds(_options: CallbackOptions) -> Iterable[Observation]:
    return [Observation(count, {"kind": kind}) for kind, count in _latest.kinds.items()]


_meter.create_observable_gauge("catalog_entities_count", [_kinds], description="Entities, by kind")
_meter.create_observable_gauge(
    "catalog_registered_locations_count",
    [lambda _: [Observation(_latest.locations)]],
    description="Registered locations",
)
_meter.create_observable_gauge(
    "catalog_relations_count", [lambda _: [Observation(_latest.relations)]], description="Relations between entities"
)
_meter.create_observable_gauge(
    "catalog.stitching.queue.length", [lambda _: [Observation(_latest.stitches)]], description="Entities to be stitched"
)
