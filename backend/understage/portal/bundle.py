"""Where a built portal page lies: `<cache>/portal/<hash of everything it is built from>/`, outside of any work tree.

`build` writes a bundle there, `static` serves it, `understage up` asks `find_built_portal` whether there is one. The
result of a build runs in the browser, so neither the Node version nor the platform is a part of the hash, and a bundle
that exists is found without Node.
"""

import hashlib
import os
from pathlib import Path

FRONTEND = Path(__file__).parent / "frontend"
"""The composition of the stock frontend: package.json, lock file, src, public, app-config.yaml."""

MARKER = "build.json"
"""Written last, so a folder that holds it is whole."""

_INPUTS = (".npmrc", "app-config.yaml", "package-lock.json", "package.json", "public/**/*", "src/**/*")
_FORMAT = b"1"  # raise when what is kept of a build, or how, changes


def portal_cache() -> Path:
    """The folder of all bundles: `$UNDERSTAGE_CACHE/portal`, by default `~/.cache/understage/portal`."""
    root = os.environ.get("UNDERSTAGE_CACHE")
    return (Path(root).expanduser() if root else Path.home() / ".cache" / "understage") / "portal"


def bundle_inputs(frontend: Path = FRONTEND) -> list[Path]:
    """The files a bundle is built from, sorted; nothing else of the folder is copied or hashed."""
    found = {path for pattern in _INPUTS for path in frontend.glob(pattern) if path.is_file()}
    return sorted(found, key=lambda path: path.relative_to(frontend).as_posix())


def bundle_key(frontend: Path = FRONTEND) -> str:
    """16 hex digits over names and contents of the inputs."""
    digest = hashlib.sha256(_FORMAT)
    for path in bundle_inputs(frontend):
        content = path.read_bytes()
        digest.update(f"\0{path.relative_to(frontend).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


def bundle_folder(frontend: Path = FRONTEND) -> Path:
    """Where the bundle of this release belongs, whether or not it has been built."""
    return portal_cache() / bundle_key(frontend)


def find_built_portal(frontend: Path = FRONTEND) -> Path | None:
    """The folder of the bundle of this release, None if it has not been built on this machine."""
    folder = bundle_folder(frontend)
    return folder if (folder / MARKER).is_file() else None
