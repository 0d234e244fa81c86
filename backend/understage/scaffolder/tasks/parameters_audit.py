"""Parameters as the audit log shows them: long texts cut off."""

from typing import Any

MARK = "...<truncated>"


def shorten(value: Any, longest: int) -> Any:
    """A copy in which texts have at most `longest` characters; -1 keeps them whole."""
    if longest < 0:
        return value
    if isinstance(value, str):
        return value if len(value) <= longest else value[:longest] + MARK
    if isinstance(value, list):
        return [shorten(item, longest) for item in value]
    if isinstance(value, dict):
        return {key: shorten(item, longest) for key, item in value.items()}
    return value
