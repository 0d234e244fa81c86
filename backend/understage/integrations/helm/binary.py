"""Helm in a clean room: no plugins, no cluster, no environment of the service, repositories of the configuration only.

Implements the port `sdk.Helm`; the actions `helm:*` call it through the context.
"""

import asyncio
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from understage.errors import ForeignError, InputError, ServiceUnavailableError
from understage.integrations.helm.repositories import (
    Repositories,
    Repository,
    check_dependencies,
    repositories_of,
)
from understage.sdk.ports import PackedChart

MAX_OUTPUT_BYTES = 20 * 1024 * 1024
MAX_ERROR_BYTES = 64 * 1024
DIGEST = re.compile(r"^Digest:\s*(sha256:[0-9a-f]{64})\s*$", re.MULTILINE)
FINDING = re.compile(r"^\[(INFO|WARNING|ERROR)\]\s*(.*)$")
# How registries say that a chart is not there: in Helm's words for status 404, or by the code of the distribution API.
ABSENT = re.compile(r"not found|\b404\b|name unknown|manifest unknown", re.IGNORECASE)


class HelmBinary:
    """A helm binary, version 3 or 4. `binary` is a path or a name on the PATH; nothing runs before the first command.

    Every command raises ServiceUnavailableError without a binary, and ForeignError at the time (`timeout`, in seconds) or
    size limit.
    """

    def __init__(self, binary: str | None = None, repositories: Repositories | None = None) -> None:
        self._asked = binary
        self._binary = shutil.which(binary or "helm")
        self._repositories = repositories or Repositories()

    def is_available(self) -> bool:
        """Whether a helm binary was found."""
        return self._binary is not None

    async def template(
        self,
        chart: Path,
        *,
        release: str,
        namespace: str,
        values: Sequence[Path] = (),
        include_crds: bool = False,
        kube_version: str | None = None,
        api_versions: Sequence[str] = (),
        timeout: float = 60.0,
    ) -> str:
        """Rendered manifests (YAML documents).

        `chart` is a folder with its dependencies under `charts/`; later `values` files win. Raises InputError with Helm's
        own words for a chart or values it refuses, and for a chart with links that lead out of its folder.
        """
        await asyncio.to_thread(_refuse_outside_links, chart)
        command = ["template", f"--namespace={namespace}", *(f"--values={file}" for file in values)]
        command += ["--include-crds"] if include_crds else []
        command += [f"--kube-version={kube_version}"] if kube_version else []
        command += [f"--api-versions={version}" for version in api_versions]
        code, output, errors = await self._run([*command, "--", release, str(chart)], timeout)
        if code != 0:
            raise InputError(f"Helm does not render the chart {chart.name}: {_clean(errors, chart)}")
        return output.decode()

    async def lint(
        self, chart: Path, *, values: Sequence[Path] = (), namespace: str = "default", timeout: float = 60.0
    ) -> list[tuple[str, str]]:
        """What `helm lint` finds: pairs of severity (INFO, WARNING, ERROR) and message."""
        await asyncio.to_thread(_refuse_outside_links, chart)
        command = ["lint", f"--namespace={namespace}", *(f"--values={file}" for file in values), "--", str(chart)]
        code, output, errors = await self._run(command, timeout)
        findings: list[tuple[str, str]] = []
        for line in output.decode(errors="replace").replace(str(chart), chart.name).splitlines():
            if found := FINDING.match(line):
                findings.append((found[1], found[2]))
            elif findings and line.strip() and not line.startswith(("==>", "Error:")):
                severity, message = findings[-1]
                findings[-1] = (severity, f"{message}\n{line}")
        if code != 0 and not any(severity == "ERROR" for severity, _ in findings):
            findings.append(("ERROR", _clean(errors, chart)))
        return findings

    async def update_dependencies(self, chart: Path, *, root: Path, timeout: float = 120.0) -> None:
        """Bring what the chart depends on into `charts/`, and write Chart.lock. NotAllowedError for other repositories."""
        await asyncio.to_thread(_refuse_outside_links, chart)
        used, folders = await asyncio.to_thread(check_dependencies, chart, root, self._repositories)
        for folder in folders:
            await asyncio.to_thread(_refuse_outside_links, folder)
        plain = ["--plain-http"] if any(repository.plain_http for _, repository in used) else []
        code, _, errors = await self._run(["dependency", "update", *plain, "--", str(chart)], timeout, used)
        if code != 0:
            raise InputError(f"Helm does not get the dependencies of the chart {chart.name}: {_clean(errors, chart)}")

    async def package(
        self,
        chart: Path,
        directory: Path,
        *,
        version: str | None = None,
        app_version: str | None = None,
        timeout: float = 60.0,
    ) -> Path:
        """Pack the chart into the folder `directory`; returns the file."""
        await asyncio.to_thread(_refuse_outside_links, chart)
        command = ["package", f"--destination={directory}"]
        command += [f"--version={version}"] if version else []
        command += [f"--app-version={app_version}"] if app_version else []
        before = await asyncio.to_thread(_entries, directory)
        code, _, errors = await self._run([*command, "--", str(chart)], timeout)
        made = await asyncio.to_thread(_entries, directory) - before
        if code != 0 or len(made) != 1:
            raise InputError(f"Helm does not pack the chart {chart.name}: {_clean(errors, chart)}")
        return made.pop()

    async def find_published(
        self, repository: str, name: str, version: str, *, timeout: float = 120.0
    ) -> PackedChart | None:
        """The chart in the registry, or None. Raises InputError when the registry refuses to answer."""
        found = self._repositories.get(repository)
        with tempfile.TemporaryDirectory(prefix="understage-helm-") as folder:
            command = ["pull", f"--version={version}", f"--destination={folder}"]
            command += ["--plain-http"] if found.plain_http else []
            reference = f"{repository.rstrip('/')}/{name}"
            code, output, errors = await self._run([*command, "--", reference], timeout, [(repository, found)])
            if code != 0:
                if ABSENT.search(errors.decode(errors="replace")):
                    return None
                raise InputError(f"Helm cannot look for {name} {version} in {repository}: {_clean(errors)}")
            return PackedChart(_digest(output, errors), await asyncio.to_thread(_sha256_of_only_file, Path(folder)))

    async def push(self, package: Path, repository: str, *, timeout: float = 120.0) -> str:
        """Push a packed chart to a folder of a registry; returns its digest there."""
        found = self._repositories.get(repository)
        command = ["push", *(["--plain-http"] if found.plain_http else []), "--", str(package), repository]
        code, output, errors = await self._run(command, timeout, [(repository, found)])
        if code != 0:
            raise InputError(f"Helm does not push {package.name} to {repository}: {_clean(errors, package)}")
        return _digest(output, errors)

    async def _run(
        self, arguments: Sequence[str], timeout: float, used: Sequence[tuple[str, Repository]] = ()
    ) -> tuple[int, bytes, bytes]:
        """Run a command; `used` are the repositories whose credentials it needs."""
        if self._binary is None:
            raise ServiceUnavailableError(self._missing())
        with tempfile.TemporaryDirectory(prefix="understage-helm-") as home:
            self._repositories.write(Path(home), used)
            return await _run([self._binary, *arguments], _environment(Path(home)), timeout)

    def _missing(self) -> str:
        if self._asked:
            return (
                f"no helm binary at {self._asked!r}: correct understage.helm.binary, or install Helm (https://helm.sh)"
            )
        return "no helm binary on the PATH: install Helm (https://helm.sh), or name it in understage.helm.binary"


def helm_from_config(config: Mapping[str, Any]) -> HelmBinary:
    """The binary that `understage.helm.binary` of the merged app-config names, else the one on the PATH."""
    own = config.get("understage")
    helm = own.get("helm") if isinstance(own, Mapping) else None
    binary = helm.get("binary") if isinstance(helm, Mapping) else None
    if binary is not None and not isinstance(binary, str):
        raise InputError("understage.helm.binary must be the path of the helm binary")
    return HelmBinary(binary, repositories_of(helm.get("repositories") if isinstance(helm, Mapping) else None))


def _environment(home: Path) -> dict[str, str]:
    folders = {name: str(home / name.lower()) for name in ("HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME")}
    # Without KUBECONFIG and HOME Helm finds no cluster; an empty plugin folder is the way to have none.
    return {
        **folders,
        "HOME": str(home),
        "HELM_PLUGINS": str(home / "plugins"),
        "HELM_REPOSITORY_CONFIG": str(home / "repositories.yaml"),
        "HELM_REGISTRY_CONFIG": str(home / "registry.json"),
        "KUBECONFIG": os.devnull,
        "PATH": os.defpath,
    }


async def _run(command: Sequence[str], environment: Mapping[str, str], timeout: float) -> tuple[int, bytes, bytes]:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=dict(environment),
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(timeout):
            output, errors = await asyncio.gather(
                _read(process.stdout, MAX_OUTPUT_BYTES), _read(process.stderr, MAX_ERROR_BYTES)
            )
            code = await process.wait()
    except TimeoutError as error:
        raise ForeignError(f"helm {command[1]} took longer than {timeout:g} s and was stopped") from error
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    return code, output, errors


async def _read(stream: asyncio.StreamReader | None, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while stream is not None and (part := await stream.read(65536)):
        size += len(part)
        if size > limit:
            raise ForeignError(f"helm wrote more than the {limit} bytes that are read")
        parts.append(part)
    return b"".join(parts)


def _refuse_outside_links(chart: Path) -> None:
    root = chart.resolve()
    for folder, names, files in os.walk(root):
        for name in (*names, *files):
            path = Path(folder, name)
            if path.is_symlink() and not path.resolve().is_relative_to(root):
                raise InputError(
                    f"The chart {chart.name} holds the link {path.relative_to(root)}, which leads out of it; replace the "
                    "link by the file"
                )


def _entries(folder: Path) -> set[Path]:
    return set(folder.iterdir())


def _sha256_of_only_file(folder: Path) -> str:
    with next(folder.iterdir()).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest(output: bytes, errors: bytes) -> str:
    found = DIGEST.search((output + b"\n" + errors).decode(errors="replace"))
    if found is None:
        raise ForeignError("helm did not say the digest of the chart")
    return found[1]


def _clean(errors: bytes, chart: Path | None = None) -> str:
    text = errors.decode(errors="replace").strip()
    if chart is not None:
        text = text.replace(str(chart), chart.name)
    lines = [line for line in text.splitlines() if not line.startswith(("level=", "walk.go")) and line.strip()]
    # Helm adds how to debug itself, which the reader of the message cannot do.
    kept = [line for line in lines if not line.startswith("Use --debug flag")]
    return "\n".join(kept).removeprefix("Error: ") or "no reason given"
