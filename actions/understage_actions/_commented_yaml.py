"""Changing a YAML text without losing its comments, by ruamel.yaml.

Called by `utils:merge`, after the text was read and bounded.
"""

import io
from typing import Any


def merge_keeping_comments(text: bytes, index: int, content: Any, *, merge_arrays: bool) -> str:
    """The text with `content` merged into its document `index`. The text has been read by `sdk.yaml` before."""
    from ruamel.yaml import YAML

    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True
    yaml.width = 2**20
    documents = list(yaml.load_all(text.decode())) or [{}]
    documents[index] = _merged(documents[index], content, merge_arrays)
    stream = io.StringIO()
    yaml.dump_all(documents, stream)
    return stream.getvalue()


def _merged(base: Any, content: Any, merge_arrays: bool) -> Any:
    """In place, where there is something to keep."""
    if isinstance(base, dict) and isinstance(content, dict):
        for key, value in content.items():
            base[key] = _merged(base[key], value, merge_arrays) if key in base else value
        return base
    if merge_arrays and isinstance(base, list) and isinstance(content, list):
        base.extend(content)
        return base
    return content
