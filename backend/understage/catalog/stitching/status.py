"""The status items of a final entity: its errors as the stock backend has them, and what only this catalog tells.

Called by `stitching.final_entity`. The stock page shows items of this type and level `error`, of the entity and of those
above it, by the `error` of the item.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from understage.catalog.failure import SerializedError
from understage.catalog.store.select_troubles import Conflict, Troubles, Unadmitted
from understage.platform.json import loads

STATUS_TYPE = "backstage.io/catalog-processing"
KEPT = "LastGoodState"
CONFLICT = "NameConflict"
UNADMITTED = "NotAdmitted"

StatusItem = dict[str, Any]


def status_items(errors: Sequence[SerializedError], troubles: Troubles | None) -> list[StatusItem]:
    """All items of an entity: its errors of processing first, then those of stitching, then the rest."""
    items = [_item(error) for error in errors]
    if troubles is None:
        return items
    stitching = troubles.failures.get("stitching")
    if stitching is not None and stitching.error is not None:
        items.append(_item(loads(stitching.error)))
    items += _kept(troubles)
    items += [_item(_conflict(conflict)) for conflict in troubles.lost]
    items += _more(troubles.lost_count - len(troubles.lost), CONFLICT, "names of this location are held by others, too")
    items += [_item(_unadmitted(child)) for child in troubles.unadmitted]
    items += _more(
        troubles.unadmitted_count - len(troubles.unadmitted),
        UNADMITTED,
        "entities of this location are not admitted, too",
    )
    items += [_item(_conflict(conflict), "warning") for conflict in troubles.won]
    return items + _more(troubles.won_count - len(troubles.won), CONFLICT, "others claim this name, too", "warning")


def iso_time(milliseconds: int) -> str:
    """A time as it stands in JSON: UTC, to the second."""
    return datetime.fromtimestamp(milliseconds // 1000, UTC).isoformat().replace("+00:00", "Z")


def _item(error: SerializedError, level: str = "error") -> StatusItem:
    return {"type": STATUS_TYPE, "level": level, "message": f"{error['name']}: {error['message']}", "error": error}


def _kept(troubles: Troubles) -> list[StatusItem]:
    since = [failure.since for failure in troubles.failures.values() if failure.is_kept]
    if not since:
        return []
    time = iso_time(min(since))
    message = f"kept at its last good state since {time}: what came in after that has errors"
    return [_item({"name": KEPT, "message": message, "since": time})]


def _conflict(conflict: Conflict) -> SerializedError:
    message = (
        f"{conflict.entity_ref} is claimed twice: {_claimant(conflict.holder_location, conflict.holder_source)} has the "
        f"name, {_claimant(conflict.loser_location, conflict.loser_source)} does not get it; rename or remove one of them"
    )
    return {"name": CONFLICT, "message": message, "entityRef": conflict.entity_ref, "since": iso_time(conflict.since)}


def _claimant(location: str | None, source: str | None) -> str:
    if location is None:
        return f"an entity of {source}"
    return location if source is None else f"{location} (from {source})"


def _unadmitted(child: Unadmitted) -> SerializedError:
    first: SerializedError = loads(child.errors)[0]
    place = f" from {child.location}" if child.location else ""
    position: SerializedError = {key: first[key] for key in ("file", "line", "column", "text") if key in first}
    return {
        "name": UNADMITTED,
        "message": f"{child.entity_ref}{place} is not in the catalog: {first['name']}: {first['message']}",
        "entityRef": child.entity_ref,
        **position,
    }


def _more(count: int, name: str, what: str, level: str = "error") -> list[StatusItem]:
    return [_item({"name": name, "message": f"{count} {what}"}, level)] if count > 0 else []
