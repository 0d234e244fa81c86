"""The npm packages of the reference backend: installed once per lock file into a folder outside of the work tree.

Called by the fixture `stock_installation` and by the bench. The folder is `$UNDERSTAGE_CACHE`, or `~/.cache/understage`.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
REFERENCE = Path(__file__).with_name("reference")
ENTITY_FOLDERS = ("catalog-info", "skeletons")
PACKAGE_FILES = ("package.json", "package-lock.json", ".npmrc")
OLDEST_NODE = 20
LAST_LINES = 20


@dataclass(frozen=True)
class Installation:
    """Node, and the folder whose `node_modules` hold the stock backend."""

    node: Path
    packages: Path

    def compose(self, folder: Path) -> None:
        """Make `folder` one to run `node index.js` in: composition, packages, and what relative paths in app-config.yaml name.

        The stock backend wants a package.json in its working folder or above, which the repository does not have.
        """
        folder.mkdir(parents=True, exist_ok=True)
        for source in (*REFERENCE.glob("*.js"), REFERENCE / "package.json"):
            shutil.copy(source, folder / source.name)
        (folder / "node_modules").symlink_to(self.packages / "node_modules")
        for name in ENTITY_FOLDERS:
            (folder / name).symlink_to(ROOT / name)


def lacking() -> str | None:
    """What to install before the stock backend can run here; None when all is there."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return f"install Node.js ({OLDEST_NODE} or newer, with npm): the stock Backstage backend runs under it"
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.removeprefix("v").split(".")[0]) < OLDEST_NODE:
        return f"Node.js {version} is too old for the stock Backstage backend: install {OLDEST_NODE} or newer"
    return None


def install(node: Path | None = None) -> Installation:
    """Install what the lock file names, unless it is there; one process at a time. Takes about a minute the first time.

    `node` runs the backend; None is that of the machine. What is installed is the same for every Node: nothing is compiled.
    """
    own = shutil.which("node")
    assert own is not None
    return Installation(node or Path(own), install_packages(REFERENCE, "stock-backend"))


def install_packages(source: Path, name: str) -> Path:
    """The folder, called after `name`, in which the packages of the lock file in `source` are installed."""
    npm = shutil.which("npm")
    assert npm is not None
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    target = cache / f"{name}-{package_key(source)}"
    with _lock(cache / f"{name}.lock"):
        if not target.exists():
            with tempfile.TemporaryDirectory(dir=cache) as scratch:
                _install_into(source, Path(scratch) / "packages", npm)
                (Path(scratch) / "packages").rename(target)
    return target


def cache_folder() -> Path:
    """Where what is expensive to make is kept, outside of the work tree."""
    return Path(os.environ.get("UNDERSTAGE_CACHE") or Path.home() / ".cache" / "understage")


def package_key(source: Path = REFERENCE) -> str:
    """Names the packages that the lock file names."""
    content = b"\0".join((source / name).read_bytes() for name in PACKAGE_FILES)
    return hashlib.sha256(content).hexdigest()[:12]


def _install_into(source: Path, folder: Path, npm: str) -> None:
    folder.mkdir()
    for name in PACKAGE_FILES:
        shutil.copy(source / name, folder / name)
    # Without scripts nothing is compiled: the SQLite client is left as it is and cannot be used, PostgreSQL needs none.
    command = [npm, "ci", "--ignore-scripts"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = (done.stderr or done.stdout or "it printed nothing; npm keeps logs in ~/.npm/_logs").splitlines()
        raise RuntimeError(f"npm ci failed for the packages of {source.name}:\n" + "\n".join(lines[-LAST_LINES:]))


@contextmanager
def _lock(file: Path) -> Iterator[None]:
    with file.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
