"""Builds the stock frontend from its npm packages, once per machine and release; called by `understage portal build` and `up`.

    copy the composition -> npm ci -> bundle -> pack -> rename into the cache

All of it happens in a working folder beside the result, which appears by one rename, so a build that dies leaves nothing
that could be taken for a bundle; what it does leave is swept away by the next builder, under the same lock.
"""

import gzip
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import NamedTuple

from understage.portal.bundle import FRONTEND, MARKER, bundle_inputs, bundle_key, find_built_portal, portal_cache
from understage.portal.toolchain import PortalBuildError, Toolchain, find_toolchain

Progress = Callable[[str], None]
"""Receives one line of plain text for each step that begins, and every ten seconds of a long one."""

_NPM_CI = ("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--legacy-peer-deps", "--include=dev")
_BUNDLER = "node_modules/@backstage/cli-module-build/bin/backstage-cli-module-build"
_SPACE_NEEDED = 2 * 1024**3  # 1.2 GB of packages, 60 MB of output with source maps, and some air
_COMPRESSIBLE = {".css", ".html", ".js", ".json", ".svg", ".ttf", ".txt", ".wasm", ".xml"}


class _Size(NamedTuple):
    plain: int
    packed: int


def build_portal(
    progress: Progress, *, force: bool = False, stop: Event | None = None, frontend: Path = FRONTEND
) -> Path:
    """Return the folder of the bundle, building it if there is none yet (or if `force`).

    Blocks for one to three minutes when it builds and needs Node, npm, the npm registry and 2 GB of disk while it does;
    at once, and with none of them, when it does not. Another thread ends it by setting `stop`. Raises PortalBuildError,
    which says what is missing or what failed.
    """
    if not force and (built := find_built_portal(frontend)):
        return built
    toolchain = find_toolchain()
    cache = portal_cache()
    cache.mkdir(parents=True, exist_ok=True)
    watch = _Watch(progress, stop or Event())
    with _builder_lock(cache, watch):
        if not force and (built := find_built_portal(frontend)):
            return built
        _sweep(cache)
        _check_space(cache)
        with tempfile.TemporaryDirectory(prefix=".work-", dir=cache) as work:
            return _build(Path(work), cache / bundle_key(frontend), toolchain, watch, frontend)


def _build(work: Path, result: Path, toolchain: Toolchain, watch: "_Watch", frontend: Path) -> Path:
    progress = watch.progress
    started = time.monotonic()
    project = work / "project"
    for path in bundle_inputs(frontend):
        copy = project / path.relative_to(frontend)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)

    progress(f"[1/3] installing about {_package_count(project)} npm packages (once, one to three minutes)")
    npm = [str(toolchain.npm), *_NPM_CI]
    toolchain.run(npm, cwd=project, doing="npm ci", waiting=watch.while_waiting("[1/3] still installing"))

    progress("[2/3] bundling the stock frontend")
    bundler = [str(toolchain.node), _BUNDLER, "package", "build", "--role", "frontend"]
    toolchain.run(bundler, cwd=project, doing="the bundler", waiting=watch.while_waiting("[2/3] still bundling"))
    if not (project / "dist" / "index.html.tmpl").is_file():
        raise PortalBuildError("The bundler ended without an error, but wrote no dist/index.html.tmpl.")

    progress("[3/3] packing")
    packed = work / "packed"
    size = _pack(project / "dist", packed)
    seconds = time.monotonic() - started
    made_by = {"node": toolchain.version, "seconds": round(seconds, 1), "bytes": size.plain, "packed": size.packed}
    (packed / MARKER).write_text(json.dumps(made_by) + "\n", encoding="utf-8")
    if result.exists():
        result.rename(work / "replaced")
    packed.rename(result)
    progress(f"built in {seconds:.0f} s: {_megabytes(size.plain)}, {_megabytes(size.packed)} on the wire")
    progress("removing what it was built from")  # by our caller: a minute on a busy machine
    return result


def _pack(dist: Path, packed: Path) -> _Size:
    """Copy what a server needs, without source maps and the build-time page, with a `.gz` beside what compresses."""
    plain = wire = 0
    for source in sorted(path for path in dist.rglob("*") if path.is_file()):
        name = source.relative_to(dist)
        if name.suffix == ".map" or name.name.startswith(".") or name.as_posix() == "index.html":
            continue
        content = source.read_bytes()
        target = packed / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        plain += len(content)
        smaller = gzip.compress(content, 9, mtime=0) if name.suffix in _COMPRESSIBLE else content
        if len(smaller) < 0.9 * len(content):
            target.with_name(f"{target.name}.gz").write_bytes(smaller)
            wire += len(smaller)
        else:
            wire += len(content)
    return _Size(plain, wire)


@dataclass(frozen=True)
class _Watch:
    """What happens while one waits: news for who looks on, and an ear for a stop."""

    progress: Progress
    stop: Event

    def while_waiting(self, text: str) -> Callable[[float], None]:
        """A function to be called often, with the seconds gone by: says `text` every ten of them, raises on a stop."""
        said = 0

        def tell(seconds: float) -> None:
            nonlocal said
            if self.stop.is_set():
                raise PortalBuildError("Building the portal page was stopped before its end.")
            if seconds // 10 > said:
                said = int(seconds // 10)
                self.progress(f"{text} ({seconds:.0f} s)")

        return tell


@contextmanager
def _builder_lock(cache: Path, watch: _Watch) -> Iterator[None]:
    """One builder at a time; the lock dies with its holder."""
    import fcntl  # not on Windows, where the rest of the package must still import

    tell = watch.while_waiting("still waiting for another process that builds the portal page")
    with (cache / ".lock").open("w") as lock:
        started = time.monotonic()
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                tell(time.monotonic() - started)
                time.sleep(0.2)
            else:
                break
        yield


def _sweep(cache: Path) -> None:
    for leftover in cache.glob(".work-*"):
        shutil.rmtree(leftover, ignore_errors=True)


def _check_space(cache: Path) -> None:
    free = shutil.disk_usage(cache).free
    if free < _SPACE_NEEDED:
        raise PortalBuildError(
            f"Building the portal page needs {_megabytes(_SPACE_NEEDED)} of disk for a few minutes, and {cache} has "
            f"{_megabytes(free)} left. Free some, or point UNDERSTAGE_CACHE at a folder on another disk."
        )


def _package_count(project: Path) -> int:
    """Those of the lock file that are for every platform, besides the project itself."""
    packages: Mapping[str, Mapping[str, object]] = json.loads((project / "package-lock.json").read_bytes())["packages"]
    return sum(1 for name, package in packages.items() if name and not {"os", "cpu"} & package.keys())


def _megabytes(size: int) -> str:
    return f"{size / 1024**2:.1f} MB" if size < 1024**3 else f"{size / 1024**3:.1f} GB"
