"""The template language, by a function of the test's choice."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from understage.errors import InputError

_VALUE = re.compile(r"\$\{\{\s*values((?:\.\w+)+)\s*\}\}")


def substitute_values(text: str, values: Mapping[str, Any]) -> str:
    """Replace `${{ values.a.b }}`; nothing else of the language. Raises InputError for a value that is not there."""

    def replace(match: re.Match[str]) -> str:
        value: Any = values
        for name in match[1].split(".")[1:]:
            if not isinstance(value, Mapping) or name not in value:
                raise InputError(f"1:{match.start() + 1}: values{match[1]} is not defined")
            value = value[name]
        return str(value)

    return _VALUE.sub(replace, text)


@dataclass
class FakeTemplating:
    """Renders with `render(text, values)`; by default `${{ values.x }}` only. `options` are those of each call."""

    render: Callable[[str, Mapping[str, Any]], str] = substitute_values
    options: list[dict[str, bool]] = field(default_factory=list)

    def render_text(
        self,
        text: str,
        values: Mapping[str, Any],
        *,
        cookiecutter_compat: bool = False,
        trim_blocks: bool = False,
        lstrip_blocks: bool = False,
    ) -> str:
        """Render `text`."""
        self.options.append(
            {
                "cookiecutter_compat": cookiecutter_compat,
                "trim_blocks": trim_blocks,
                "lstrip_blocks": lstrip_blocks,
            }
        )
        return self.render(text, values)
