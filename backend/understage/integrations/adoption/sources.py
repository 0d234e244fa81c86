"""Where a service's objects come from: plain manifests, a kustomization, a Helm chart, or what `helm get manifest` prints.

Called by `adopter`. Repositories are hostile: links out of them, huge files and bombs of aliases are refused, nothing of
them is run.
"""

import asyncio
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from understage.errors import InputError
from understage.integrations.adoption.kustomize import build, kustomization_of
from understage.model.yaml import parse_documents
from understage.sdk.ports import AdoptionRequest, Helm

Json = dict[str, Any]
SUFFIXES = (".yaml", ".yml", ".json")
# Where repositories keep their manifests, looked for when the root has none that is a chart or a kustomization.
USUAL = ("deploy", "k8s", "kubernetes", "manifests", "deployment", "chart", "helm", "kustomize")
SKIPPED = {"node_modules", "vendor", "testdata", "__pycache__"}
OWN = ("backstage.io/", "scaffolder.backstage.io/", "kustomize.config.k8s.io/")
MAX_FILE_BYTES = 2 * 1024 * 1024
MAX_FILES = 1000


async def read_objects(request: AdoptionRequest, helm: Helm) -> list[Json]:
    """All objects of the source. Raises InputError when there are none."""
    place = _inside(request.folder, request.path, "path")
    if not place.exists():
        raise InputError(f"There is no {request.path} in {request.folder.name}: name a file or a folder of it")
    place = place if place.is_file() else await asyncio.to_thread(_usual_place, place)
    if place.is_file():
        objects = parse_objects(_read(place), place.name, strict=True)
    elif (place / "Chart.yaml").is_file():
        objects = await _render(place, request, helm)
    elif kustomization_of(place) is not None:
        objects = parse_objects(await build(place, request.folder), f"{place.name}/kustomization.yaml", strict=True)
    else:
        objects = await asyncio.to_thread(_read_folder, place)
    if not objects:
        raise InputError(
            f"{request.path} has no Kubernetes objects: name the folder of manifests, kustomization or chart"
        )
    return objects


def parse_objects(text: str | bytes, file: str, *, strict: bool) -> list[Json]:
    """The objects of a text. `strict`: anything else is an error; otherwise it is left out."""
    found: list[Json] = []
    for document in parse_documents(text, file, max_bytes=MAX_FILE_BYTES * 10):
        value = document.value
        if value is None:
            continue
        is_object = (
            isinstance(value, dict) and isinstance(value.get("kind"), str) and isinstance(value.get("apiVersion"), str)
        )
        if is_object and not str(value["apiVersion"]).startswith(OWN):
            found.append(value)
        elif strict and not is_object:
            raise document.error("is no Kubernetes object: it needs apiVersion, kind and metadata.name")
    return found


def _usual_place(folder: Path) -> Path:
    if (folder / "Chart.yaml").is_file() or kustomization_of(folder) is not None:
        return folder
    for name in USUAL:
        below = folder / name
        adopted = (below / "ADOPTION.md").is_file()
        if below.is_dir() and not below.is_symlink() and not adopted and _is_source(below):
            return below
    return folder


def _is_source(folder: Path) -> bool:
    return (folder / "Chart.yaml").is_file() or kustomization_of(folder) is not None


async def _render(chart: Path, request: AdoptionRequest, helm: Helm) -> list[Json]:
    values = [_inside(request.folder, file, "value file") for file in request.value_files]
    for file in values:
        if not file.is_file():
            raise InputError(f"There is no values file {file.name} in {request.folder.name}")
    text = await helm.template(
        chart, release=request.release or chart.name, namespace=request.namespace or "default", values=values
    )
    return parse_objects(text, f"{chart.name}/templates", strict=True)


def _read_folder(folder: Path) -> list[Json]:
    objects: list[Json] = []
    for number, file in enumerate(_manifest_files(folder)):
        if number >= MAX_FILES:
            raise InputError(
                f"{folder.name} has more than {MAX_FILES} files of YAML or JSON: name the folder of the manifests"
            )
        text = _read(file)
        # Files of tools beside the manifests need not be YAML of one kind; a look spares to parse what has no objects.
        if b"kind" in text and b"apiVersion" in text:
            objects += parse_objects(text, str(file.relative_to(folder)), strict=False)
    return objects


def _manifest_files(folder: Path) -> Iterator[Path]:
    root = folder.resolve()
    for current, folders, files in os.walk(folder):
        here = Path(current)
        for name in (*folders, *files):
            path = here / name
            if path.is_symlink() and not path.resolve().is_relative_to(root):
                raise InputError(
                    f"{path.relative_to(folder)} is a link that leads out of the folder: replace it by the file"
                )
        folders[:] = sorted(name for name in folders if _is_looked_into(here / name))
        yield from (here / name for name in sorted(files) if _is_manifest(here / name))


def _is_looked_into(folder: Path) -> bool:
    return (
        not folder.name.startswith(".")
        and folder.name not in SKIPPED
        and not folder.is_symlink()
        and not _is_source(folder)
    )


def _is_manifest(file: Path) -> bool:
    return file.suffix in SUFFIXES and not file.name.startswith(".") and file.is_file() and not file.is_symlink()


def _read(file: Path) -> bytes:
    if file.stat().st_size > MAX_FILE_BYTES:
        raise InputError(f"{file.name} is longer than the {MAX_FILE_BYTES} bytes that are read: manifests are smaller")
    return file.read_bytes()


def _inside(folder: Path, path: str, what: str) -> Path:
    found = (folder / path).resolve()
    if not found.is_relative_to(folder.resolve()):
        raise InputError(f"{what} {path} leads out of the repository")
    return found


def namespaces_of(objects: Sequence[Json]) -> set[str]:
    """The namespaces that objects name."""
    names = (item.get("metadata", {}).get("namespace") for item in objects if isinstance(item.get("metadata"), dict))
    return {name for name in names if isinstance(name, str)}
