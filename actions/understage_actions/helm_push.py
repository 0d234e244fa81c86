"""`helm:push`: a packed chart into an OCI registry, once."""

import asyncio
import gzip
import hashlib
import tarfile
import zlib
from pathlib import Path

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, ConflictError, Example, InputError, action
from understage.sdk.yaml import parse_document
from understage_actions._tree import frozen

MAX_CHART_YAML = 1024 * 1024
MAX_UNPACKED = 256 * 1024 * 1024


class PushInput(ActionModel):
    """Which package, to where."""

    path: str = Field(description="The packed chart (.tgz) in the workspace, as helm:package makes it")
    repository: str = Field(
        pattern=r"^oci://[^\s?#@]+$", description="Folder of a registry: oci://registry.example.com/charts"
    )
    overwrite: bool = Field(default=False, description="Replace a version that is there with another content")


class PushOutput(ActionModel):
    """Where it is."""

    reference: str = Field(description="registry.example.com/charts/name:version")
    digest: str | None = Field(description="Digest of the chart in the registry; null in a dry run")
    pushed: bool = Field(description="false: it was there already, or a dry run")


@action(
    "helm:push",
    description="""
    Pushes a packed chart to an OCI registry of `understage.helm.repositories`. The same package twice is pushed once; a
    version that is there with another content is left alone unless `overwrite` says so.
    """,
    examples=[
        Example(
            "Publish a packed chart",
            {"path": "dist/ledger-1.2.0.tgz", "repository": "oci://registry.example.com/charts"},
        )
    ],
    supports_dry_run=True,
)
async def push(ctx: ActionContext, input: PushInput) -> PushOutput:
    """Look first, then push. ConflictError for a version that is there with another content."""
    if not ctx.workspace.resolve(input.path).is_file():
        raise InputError(f"path: the workspace has no file {input.path}")
    package = await frozen(ctx, input.path)
    repository = input.repository.rstrip("/")
    name, version, sha256 = await asyncio.to_thread(_look_into, package, input.path)
    # A tag of a registry has no plus sign: Helm writes an underscore in its place.
    reference = f"{repository.removeprefix('oci://')}/{name}:{version.replace('+', '_')}"
    found = await ctx.ports.helm.find_published(repository, name, version)
    if found is not None and found.sha256 == sha256:
        ctx.log.info(f"{reference} is there already ({found.digest})")
        return PushOutput(reference=reference, digest=found.digest, pushed=False)
    if found is not None and not input.overwrite:
        raise ConflictError(
            f"{reference} is there already with another content ({found.digest}): give the chart a new version, or set "
            "`overwrite: true`"
        )
    if ctx.is_dry_run:
        ctx.log.info(f"Would push {input.path} as {reference}")
        return PushOutput(reference=reference, digest=None, pushed=False)
    digest = await ctx.ports.helm.push(package, repository)
    ctx.log.info(f"Pushed {reference} ({digest})")
    return PushOutput(reference=reference, digest=digest, pushed=True)


def _look_into(package: Path, shown: str) -> tuple[str, str, str]:
    """Name and version of the chart, and the SHA-256 of the file. The archive is read as a stream, nothing is unpacked."""
    with package.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    size = 0
    try:
        # Python's own reading of compressed streams stumbles over the comment that Helm writes into the header.
        with gzip.open(package) as unpacked, tarfile.open(fileobj=unpacked, mode="r|") as archive:
            for member in archive:
                size += 512 + member.size
                if size > MAX_UNPACKED:
                    raise InputError(f"{shown} is larger than the {MAX_UNPACKED} bytes of a chart")
                if member.isfile() and member.name.count("/") == 1 and member.name.endswith("/Chart.yaml"):
                    content = archive.extractfile(member)
                    text = content.read(MAX_CHART_YAML + 1) if content else b""
                    about = parse_document(text, f"{shown}: Chart.yaml", max_bytes=MAX_CHART_YAML).value
                    if isinstance(about, dict) and isinstance(about.get("name"), str) and about.get("version"):
                        return about["name"], str(about["version"]), sha256
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise InputError(f"{shown} is no packed chart: {error}") from error
    raise InputError(f"{shown} is no packed chart: there is no Chart.yaml with name and version in it")
