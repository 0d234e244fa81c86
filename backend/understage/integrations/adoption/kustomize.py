"""The kustomize binary, for folders with a kustomization that reads nothing but files of its repository. Called by `sources`.

kustomize follows URLs and git repositories wherever a kustomization names one, so each is looked through before it runs.
"""

import asyncio
import os
import re
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from understage.errors import ForeignError, InputError, ServiceUnavailableError
from understage.model.members import list_at
from understage.model.yaml import parse_documents

NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
# Members that name files or folders; those of generators and patches are one level deeper.
PATHS = ("resources", "bases", "components", "crds", "configurations", "generators", "transformers", "validators",
         "patchesStrategicMerge")  # fmt: skip
NESTED = (("patches", "path"), ("patchesJson6902", "path"), ("replacements", "path"))
GENERATORS = ("configMapGenerator", "secretGenerator")
REFUSED = ("helmCharts", "helmChartInflationGenerator", "helmGlobals")
MAX_FOLDERS = 100
MAX_OUTPUT_BYTES = 20 * 1024 * 1024
SECONDS = 60


def kustomization_of(folder: Path) -> Path | None:
    """The kustomization of a folder, or None."""
    return next((folder / name for name in NAMES if (folder / name).is_file()), None)


async def build(folder: Path, root: Path) -> str:
    """What `kustomize build` makes of a folder of the repository `root`. Raises InputError in kustomize's own words."""
    await asyncio.to_thread(check, folder, root, set())
    binary = shutil.which("kustomize")
    if binary is None:
        raise ServiceUnavailableError(
            f"no kustomize on the PATH, which {folder.name} needs: install it (https://kustomize.io), or give what it makes: "
            "`kustomize build OVERLAY | understage adopt -`"
        )
    with tempfile.TemporaryDirectory(prefix="understage-kustomize-") as home:
        return await _run([binary, "build", "--", str(folder)], Path(home), folder)


def check(folder: Path, root: Path, seen: set[Path]) -> None:
    """Refuse a kustomization that leads out of `root`, to a URL, or to a plugin."""
    file = kustomization_of(folder)
    if file is None:
        raise InputError(f"{_shown(folder, root)} has no kustomization.yaml")
    if not file.resolve().is_relative_to(root.resolve()):
        raise InputError(f"{_shown(file, root)} is a link that leads out of the repository")
    if folder.resolve() in seen:
        return
    seen.add(folder.resolve())
    if len(seen) > MAX_FOLDERS:
        raise InputError(f"{_shown(folder, root)} leads to more than {MAX_FOLDERS} kustomizations")
    for document in parse_documents(file.read_bytes(), _shown(file, root)):
        content = document.value if isinstance(document.value, dict) else {}
        for key in REFUSED:
            if key in content:
                raise document.error(f"{key} downloads a chart: render it with Helm, and adopt the result", [key])
        for entry in _entries(content):
            target = (folder / entry).resolve()
            if not target.is_relative_to(root.resolve()) or not target.exists():
                raise document.error(
                    f"{entry} is no file or folder of the repository; what is elsewhere is not read: put a copy into it"
                )
            if target.is_dir():
                check(target, root, seen)


def _entries(content: dict[str, Any]) -> list[str]:
    found = [
        entry for key in PATHS for entry in list_at(content.get(key)) if isinstance(entry, str) and "\n" not in entry
    ]
    for key, member in NESTED:
        found += [
            entry[member]
            for entry in list_at(content.get(key))
            if isinstance(entry, dict) and isinstance(entry.get(member), str)
        ]
    for key in GENERATORS:
        for entry in list_at(content.get(key)):
            if isinstance(entry, dict):
                files = [*list_at(entry.get("files")), *list_at(entry.get("envs")), entry.get("env")]
                found += [file.rpartition("=")[2] for file in files if isinstance(file, str)]
    openapi = content.get("openapi")
    if isinstance(openapi, dict) and isinstance(openapi.get("path"), str):
        found.append(openapi["path"])
    return found


async def _run(command: list[str], home: Path, folder: Path) -> str:
    # The proxy that nobody listens on is the second line of defence: what `check` overlooked gets no answer.
    environment = {
        "HOME": str(home),
        "PATH": str(home),
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "HTTP_PROXY": "http://127.0.0.1:9",
    }
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
        cwd=os.fspath(home),
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with asyncio.timeout(SECONDS):
            output, errors = await asyncio.gather(_read(process.stdout), _read(process.stderr))
            code = await process.wait()
    except TimeoutError as error:
        raise ForeignError(f"kustomize took longer than {SECONDS} s and was stopped") from error
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    if code != 0:
        reason = re.sub(r"\s+", " ", errors.decode(errors="replace")).replace(str(folder), folder.name).strip()
        raise InputError(f"kustomize does not build {folder.name}: {reason.removeprefix('Error: ')}")
    return output.decode()


async def _read(stream: asyncio.StreamReader) -> bytes:
    parts: list[bytes] = []
    size = 0
    while part := await stream.read(65536):
        size += len(part)
        if size > MAX_OUTPUT_BYTES:
            raise ForeignError(f"kustomize wrote more than the {MAX_OUTPUT_BYTES} bytes that are read")
        parts.append(part)
    return b"".join(parts)


def _shown(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else path.name
