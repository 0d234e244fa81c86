"""Where symbolic links lead, for whoever copies or unpacks folders that come from outside."""

from pathlib import Path


def leads_inside(link: Path, root: Path) -> bool:
    """Whether `link` ends below `root`, directly or over other links, even where nothing is there. `root` is resolved."""
    try:
        inside = link.resolve().is_relative_to(root)
    except (OSError, RuntimeError):  # somebody exchanges what it leads over
        return False
    try:
        link.stat()
    except FileNotFoundError:
        return inside
    except (OSError, RuntimeError):  # a loop of links: which error tells depends on the version of Python
        return False
    return inside
