"""The port `Templating`: the template language as `fetch:template` offers it to files."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from understage.templating import Environment


@dataclass(frozen=True)
class FileTemplating:
    """Implements `understage.sdk.Templating`. The only root variable is `values`, or `cookiecutter` with its delimiters."""

    environment: Environment = field(default_factory=Environment)

    def render_text(
        self,
        text: str,
        values: Mapping[str, Any],
        *,
        cookiecutter_compat: bool = False,
        trim_blocks: bool = False,
        lstrip_blocks: bool = False,
    ) -> str:
        """Rendered text. Raises TemplateError (an InputError) with line and column."""
        return self.environment.render_text(
            text,
            {"cookiecutter" if cookiecutter_compat else "values": values},
            variable_delimiters=("{{", "}}") if cookiecutter_compat else ("${{", "}}"),
            trim_blocks=trim_blocks,
            lstrip_blocks=lstrip_blocks,
        )
