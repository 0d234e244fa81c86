"""Wires the validation of catalog files: what the service would use for ingestion, without database and server."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from understage.catalog.processing.assembly import create_orchestrator
from understage.catalog.processing.sources import Sources
from understage.catalog.processors.registry import installed_processors
from understage.catalog.validation.finding import Finding
from understage.catalog.validation.problems import find_problems
from understage.catalog.validation.references import FindExisting, check_references
from understage.catalog.validation.targets import find_roots, given_texts, standard_input
from understage.catalog.validation.walk import Checked, Walk
from understage.config.settings import Settings
from understage.config.sources import Configuration
from understage.integrations.sources import create_readers
from understage.platform.http import HttpClient


@dataclass(frozen=True)
class ValidationOptions:
    """`references`: whether they must lead into the files, or into the catalog at `against`, asked with `token`.

    `with_rules`: whether the configuration says which kinds are allowed. `text` is what `-` stands for. `skeletons`: whether the
    files that templates render are looked at, where they lie on this machine.
    """

    references: bool = False
    against: str | None = None
    token: str | None = None
    with_rules: bool = True
    text: bytes | None = None
    skeletons: bool = False


@dataclass(frozen=True)
class Report:
    """What was found, in the order of the files; and what was looked at."""

    findings: Sequence[Finding]
    files: int
    entities: int


async def validate(
    paths: Sequence[str], configuration: Configuration, settings: Settings, root: Path, options: ValidationOptions
) -> Report:
    """Validate what the paths name. Raises UnderstageError where that is not possible."""
    roots = find_roots(paths, settings.catalog, root)
    http = HttpClient()
    try:
        reader = create_readers(settings.integrations, settings.backend.reading, http)
        sources = Sources(reader)
        processors = installed_processors()
        if options.text is not None:
            place = standard_input(root)
            sources.remember(place, options.text)
            processors.append(given_texts({place: options.text}))
        orchestrator = create_orchestrator(
            settings.catalog,
            reader,
            configuration.data,
            root,
            processors=processors,
            sources=sources,
            with_rules=options.with_rules,
        )
        walk = Walk(orchestrator, sources)
        await walk.run(roots)
        findings = [*await find_problems(walk), *await _check_templates(walk, options)]
        if options.references or options.against is not None:
            existing, where = _live_catalog(http, options)
            findings += await check_references(walk, existing, where)
    finally:
        await http.close()
    return Report(
        sorted(_different(findings), key=lambda found: (found.file or "", found.line or 0, found.column or 0)),
        len({checked.location for checked in walk.checked}),
        # A root is the location of a file, and no entity of one.
        len(walk.checked) - len(roots),
    )


def _different(findings: Sequence[Finding]) -> Iterable[Finding]:
    """Two locations that lead to one file find the same there; a kind that is not allowed from both is named once."""
    by_place: dict[object, Finding] = {}
    for found in findings:
        what = found.entity if found.rule == "allowed-kind" else found.message
        by_place.setdefault((found.rule, found.file, found.line, found.column, what), found)
    return by_place.values()


def _live_catalog(http: HttpClient, options: ValidationOptions) -> tuple[FindExisting | None, str]:
    if options.against is None:
        return None, "these files"
    from understage.app.http import ServiceFetch
    from understage.integrations.catalog import HttpCatalog

    base = options.against.rstrip("/")
    url = base if base.endswith("/api/catalog") else f"{base}/api/catalog"

    async def token_of() -> str | None:
        return options.token

    return HttpCatalog(ServiceFetch(http, f"{url}#"), url, token_of).existing, f"these files or the catalog at {base}"


async def _check_templates(walk: Walk, options: ValidationOptions) -> list[Finding]:
    templates = [
        checked
        for checked in walk.checked
        if checked.result.entity is not None and checked.entity["kind"] == "Template"
    ]
    if not templates:
        return []
    from understage.scaffolder.actions import ActionRegistry
    from understage.scaffolder.template_check import TemplateCheck

    check = TemplateCheck(ActionRegistry.from_entry_points())
    findings = []
    for checked in templates:
        for problem in check.problems(checked.entity):
            position = await walk.sources.position(checked.entity, checked.location, problem.place)
            findings.append(
                Finding.of_check(
                    problem.rule, problem.level, problem.message, checked.ref, position, str(checked.location)
                )
            )
        if options.skeletons and checked.location.type == "file":
            findings += await asyncio.to_thread(_check_skeletons, checked)
    return findings


def _check_skeletons(checked: Checked) -> list[Finding]:
    from understage.scaffolder.skeleton_check import skeleton_problems

    return [
        Finding.of_check(problem.rule, problem.level, problem.message, checked.ref, problem.position, problem.file)
        for problem in skeleton_problems(checked.entity, Path(checked.location.target))
    ]
