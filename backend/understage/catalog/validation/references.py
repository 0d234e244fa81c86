"""References that lead nowhere: neither into the validated files nor, where one is asked, into a live catalog."""

from collections.abc import Awaitable, Callable, Sequence

from understage.catalog.validation.finding import Finding
from understage.catalog.validation.walk import Walk
from understage.errors import Place
from understage.model.kinds import references_of

FindExisting = Callable[[Sequence[str]], Awaitable[set[str]]]
"""Which of these references a catalog has."""


async def check_references(walk: Walk, find_existing: FindExisting | None, where: str) -> list[Finding]:
    """A finding for each reference to an entity that does not exist; `where` says in messages what was asked."""
    own = {checked.ref for checked in walk.checked}
    wanted = [
        (checked, path, target)
        for checked in walk.checked
        for path, target in references_of(checked.entity)
        if isinstance(target, str) and target not in own
    ]
    known: set[str] = set()
    if find_existing is not None and wanted:
        known = await find_existing(sorted({target for _, _, target in wanted}))
    findings = []
    for checked, path, target in wanted:
        if target not in known:
            position = await walk.sources.position(checked.entity, checked.location, Place(path))
            message = f"/{'/'.join(map(str, path))} names {target}, which is not in {where}"
            findings.append(
                Finding.of_check("reference", "error", message, checked.ref, position, str(checked.location))
            )
    return findings
