"""`POST /analyze-location`: the first analyzer that knows the URL is asked, else a component is proposed."""

from collections.abc import Mapping, Sequence
from typing import Any

from understage.catalog.analyzers.proposal import propose
from understage.errors import InputError
from understage.model.url import is_absolute_url
from understage.platform.extensions import installed
from understage.sdk.analyzer import AnalyzerSetup, ExistingFile, LocationAnalyzer, Trial

GROUP = "understage.analyzers"


def installed_analyzers(setup: AnalyzerSetup) -> list[LocationAnalyzer]:
    """The analyzers that entry points name, by name. One that cannot be made stops the start, naming the package to repair."""
    analyzers: list[LocationAnalyzer] = []
    for entry in sorted(installed(GROUP), key=lambda entry: entry.name):
        try:
            analyzers.append(entry.load()(setup))
        except Exception as error:
            package = entry.dist.name if entry.dist else "unknown"
            raise InputError(
                f"the analyzer {entry.value} of package {package} cannot be made: {error}; repair or remove the package"
            ) from error
    return analyzers


async def analyze(
    target: str, analyzers: Sequence[LocationAnalyzer], trial: Trial, integrations: Mapping[str, Any]
) -> dict[str, Any]:
    """The answer's body: `existingEntityFiles`, or without any `generateEntities`. Raises InputError for what is no URL."""
    if not is_absolute_url(target):
        raise InputError("The given location.target is not a URL")
    analyzer = next((each for each in analyzers if each.supports(target)), None)
    existing = await analyzer.analyze(target, trial) if analyzer else []
    if existing:
        return {"existingEntityFiles": [_to_json(file) for file in existing], "generateEntities": []}
    return {"existingEntityFiles": [], "generateEntities": [{"entity": propose(target, integrations), "fields": []}]}


def _to_json(file: ExistingFile) -> dict[str, Any]:
    location = {"type": file.location.type, "target": file.location.target}
    return {"location": location, "isRegistered": file.is_registered, "entity": file.entity}
