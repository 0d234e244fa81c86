"""Rendering a step's fields: values in, values out, and errors that say which expression of which field is wrong.

Backstage swallows such errors and goes on with the unrendered text; here the step fails (docs/differences.md).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from understage.errors import InputError
from understage.templating import UNDEFINED, Environment, Filter, Function, TemplateError

LONGEST_QUOTE = 200


class ExpressionError(InputError):
    """An expression in a field of a step, or in the task's output, cannot be rendered."""

    name: ClassVar[str] = "TemplateRenderError"


@dataclass(frozen=True)
class TemplateExtensions:
    """What templates can use besides the language: filters and functions by name, values of names."""

    filters: Mapping[str, Filter] = field(default_factory=dict)
    functions: Mapping[str, Function] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)


class Renderer:
    """Renders the fields of one step. `called` are those of `always` and `failure` that were called so far."""

    def __init__(self, extensions: TemplateExtensions, *, has_failed: bool = False) -> None:
        self.called: set[str] = set()

        def always() -> bool:
            self.called.add("always")
            return True

        def failure() -> bool:
            self.called.add("failure")
            return has_failed

        functions = {**extensions.functions, "always": always, "failure": failure}
        self._environment = Environment(extensions.filters, functions, extensions.values)

    def render(self, value: Any, context: Mapping[str, Any], field: str) -> Any:
        """`value` with each string in it rendered, as `Environment.render_value`; `field` names it in errors.

        Raises ExpressionError.
        """
        if isinstance(value, str):
            try:
                return self._environment.render_string_value(value, context)
            except TemplateError as error:
                raise ExpressionError(f"{field}: {error.message}{_quote(error, value)}") from error
        if isinstance(value, list):
            rendered = [self.render(item, context, f"{field}[{index}]") for index, item in enumerate(value)]
            return [None if item is UNDEFINED else item for item in rendered]
        if isinstance(value, dict):
            members = {key: self.render(item, context, f"{field}.{key}") for key, item in value.items()}
            return {key: item for key, item in members.items() if item is not UNDEFINED}
        return value

    def is_true(self, value: Any) -> bool:
        """Whether a rendered `if` is true: lists by length, undefined is false, everything else as in JavaScript."""
        if value is UNDEFINED:
            return False
        return bool(value) if isinstance(value, list) else self._environment.is_truthy(value)

    def text_of(self, value: Any) -> str:
        """`String(value)` of JavaScript."""
        if value is None:
            return "null"
        return self._environment.render_text("${{ value }}", {"value": value})


def _quote(error: TemplateError, source: str) -> str:
    wrong = error.construct or source
    shown = wrong if len(wrong) <= LONGEST_QUOTE else wrong[:LONGEST_QUOTE] + "…"
    return f" in {shown}"
