"""`helm template` in a clean room: no plugins, no repositories, no cluster, no environment of the service.

Implements the port `sdk.Helm`; `helm:render-values` calls it through the context.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from understage.errors import ForeignError, InputError, ServiceUnavailableError

MAX_OUTPUT_BYTES = 20 * 1024 * 1024
MAX_ERROR_BYTES = 64 * 1024


class HelmBinary:
    """A helm binary, version 3 or 4. `binary` is a path or a name on the PATH; nothing runs before `template`."""

    def __init__(self, binary: str | None = None) -> None:
        self._asked = binary
        self._binary = shutil.which(binary or "helm")

    def is_available(self) -> bool:
        """Whether a helm binary was found."""
        return self._binary is not None

    async def template(
        self, chart: Path, *, release: str, namespace: str, values: Sequence[Path] = (), timeout: float = 60.0
    ) -> str:
        """Rendered manifests (YAML documents).

        `chart` is a folder with its dependencies under `charts/`; later `values` files win. Raises InputError with Helm's
        own words for a chart or values it refuses, and for a chart with links that lead out of its folder;
        ServiceUnavailableError without a binary; ForeignError at the time or size limit (`timeout` in seconds).
        """
        if self._binary is None:
            raise ServiceUnavailableError(self._missing())
        await asyncio.to_thread(_refuse_outside_links, chart)
        with tempfile.TemporaryDirectory(prefix="understage-helm-") as home:
            command = [self._binary, "template", "--namespace", namespace]
            for file in values:
                command += ["--values", str(file)]
            command += ["--", release, str(chart)]
            code, output, errors = await _run(command, _environment(Path(home)), timeout)
        if code != 0:
            raise InputError(f"Helm does not render the chart {chart.name}: {_clean(errors, chart)}")
        return output.decode()

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
    return HelmBinary(binary)


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
        raise ForeignError(f"helm template took longer than {timeout:g} s and was stopped") from error
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
            raise ForeignError(f"helm template wrote more than the {limit} bytes that are read")
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


def _clean(errors: bytes, chart: Path) -> str:
    text = errors.decode(errors="replace").replace(str(chart), chart.name).strip()
    lines = [line for line in text.splitlines() if not line.startswith(("level=", "walk.go")) and line.strip()]
    # Helm adds how to debug itself, which the reader of the message cannot do.
    kept = [line for line in lines if not line.startswith("Use --debug flag")]
    return "\n".join(kept).removeprefix("Error: ") or "no reason given"
