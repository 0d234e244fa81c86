"""Kubernetes manifests that are named on a command line. Called by `understage policy` and `understage cost`."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from understage.model.yaml import parse_documents

SUFFIXES = (".yaml", ".yml", ".json")


def read_manifest_file(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a file, of all files of a folder, or of the standard input (`-`). Raises SourceError or OSError."""
    if str(path) == "-":
        yield from _objects(sys.stdin.buffer.read(), "the standard input")
        return
    files = sorted(file for file in path.rglob("*") if file.suffix in SUFFIXES) if path.is_dir() else [path]
    for file in files:
        if file.is_file() or file == path:
            yield from _objects(file.read_bytes(), str(file))


def _objects(text: bytes, name: str) -> Iterator[dict[str, Any]]:
    for document in parse_documents(text, name):
        if document.value is None:
            continue
        if not isinstance(document.value, dict) or not isinstance(document.value.get("kind"), str):
            raise document.error("a manifest is a map with apiVersion and kind")
        yield document.value
