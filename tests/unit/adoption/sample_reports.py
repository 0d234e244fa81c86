"""The samples and their reports: `python -m tests.unit.adoption.sample_reports` writes the reports anew.

They are what a pull request shows: read them before they are committed.
"""

import asyncio
from pathlib import Path
from typing import Any

from tests.cluster import tools
from tests.unit.skeletons.golden_path import GUARDRAILS, SKELETONS

from understage.integrations.adoption import ServiceAdoption
from understage.integrations.helm import HelmBinary
from understage.sdk import AdoptionProposal, AdoptionRequest
from understage.sdk.yaml import parse_document

SAMPLES = Path(__file__).with_name("samples")
REPORT = "report.md"
OWN = (REPORT, "options.yaml")


def names() -> list[str]:
    """All samples."""
    return sorted(folder.name for folder in SAMPLES.iterdir() if folder.is_dir())


def request_of(name: str, **other: Any) -> AdoptionRequest:
    """What is asked of a sample: its options.yaml, and `other`."""
    folder = SAMPLES / name
    options = {}
    if (folder / "options.yaml").is_file():
        options = parse_document((folder / "options.yaml").read_bytes()).value
    gateway = options.pop("gateway", None)
    asked = {"namespace": "shop", **options, **({"gateway": tuple(gateway)} if gateway else {}), **other}
    return AdoptionRequest(
        folder=folder,
        base_chart=SKELETONS / "charts" / "base-service",
        owner="group:default/shop",
        team="shop",
        environment="production",
        **asked,
    )


async def propose(name: str, helm: Path, **other: Any) -> AdoptionProposal:
    """The proposal for a sample, with real Helm and the platform's own rules."""
    return await ServiceAdoption(HelmBinary(str(helm)), GUARDRAILS).propose(request_of(name, **other))


def write_reports() -> None:
    """Write all of them."""
    for name in names():
        proposal = asyncio.run(propose(name, tools.binary("helm")))
        (SAMPLES / name / REPORT).write_text(proposal.report, "utf-8")


if __name__ == "__main__":
    write_reports()
