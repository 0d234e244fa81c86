"""Puts the orchestrator together: for the engine, and for validation, which runs the same code without a database."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from understage.catalog.processing.location_stage import LocationStage
from understage.catalog.processing.orchestrator import Orchestrator
from understage.catalog.processing.rules import Rules
from understage.catalog.processing.sources import Sources
from understage.catalog.processors.registry import create_processors, installed_processors
from understage.config.catalog_settings import CatalogSettings
from understage.sdk.processor import ParseDocuments, Processor, ProcessorSetup, parse_in_thread
from understage.sdk.reader import UrlReader


def create_orchestrator(
    settings: CatalogSettings,
    reader: UrlReader,
    config: Mapping[str, Any],
    folder: Path,
    *,
    processors: Sequence[type[Processor]] | None = None,
    sources: Sources | None = None,
    parse: ParseDocuments = parse_in_thread,
    with_rules: bool = True,
) -> Orchestrator:
    """The orchestrator of a configuration; `processors` are the installed ones unless given.

    `parse` reads long files. Without rules every kind may come from everywhere: where nobody knows what the platform allows.
    """
    made = create_processors(
        list(installed_processors() if processors is None else processors),
        ProcessorSetup(reader, config, parse),
        options=settings.processor_options,
        disable_defaults=settings.disable_default_processors,
    )
    return Orchestrator(
        made,
        Rules(settings, folder) if with_rules else None,
        LocationStage(made, reader, most_targets=settings.most_children),
        Sources(reader) if sources is None else sources,
        most_children=settings.most_children,
    )
