"""The facade: an Environment renders templates with the filters and functions of its caller.

Called by the task runner for values, by `fetch:template` and its kin for files. Compiled templates are kept in one bounded cache
for the process: they depend on the source and the syntax alone.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from understage.templating.errors import Fault, TemplateLimitError, explain
from understage.templating.export import clone, to_json
from understage.templating.limits import ACTIVE, DEFAULT_LIMITS, Limits
from understage.templating.parsing import parse_template
from understage.templating.scanning import Syntax
from understage.templating.scope import Run
from understage.templating.statements import Template
from understage.templating.values import UNDEFINED, Value, truthy

Filter = Callable[..., Any]
"""filter(input, *arguments) on JSON values, UNDEFINED for undefined; what it raises becomes a TemplateError."""

Function = Callable[..., Any]
"""function(*arguments), as a Filter."""

_VALUE_SYNTAX = Syntax()
_LARGEST_CACHED = 64 * 1024


class Environment:
    """What templates can use besides their context.

    `filters` and `functions` are called by name, `values` are names that the context does not bind. Nothing else of the Python
    process is within reach of a template. An environment may be used by several threads at once.
    """

    def __init__(
        self,
        filters: Mapping[str, Filter] = MappingProxyType({}),
        functions: Mapping[str, Function] = MappingProxyType({}),
        values: Mapping[str, Value] = MappingProxyType({}),
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self._filters = dict(filters)
        self._functions = dict(functions)
        self._values = dict(values)
        self._limits = limits

    def render_value(self, template: Value, context: Mapping[str, Value]) -> Value:
        """`template` (any JSON value) with each string in it rendered; keys of objects are left alone.

        A string that is one expression gives the value of that expression, with its type. What is undefined disappears from an
        object and is None in a list; UNDEFINED is returned when `template` itself is undefined. Raises TemplateError.
        """
        if isinstance(template, str):
            return self.render_string_value(template, context)
        if isinstance(template, list):
            rendered = (self.render_value(item, context) for item in template)
            return [None if item is UNDEFINED else item for item in rendered]
        if isinstance(template, dict):
            members = ((key, self.render_value(item, context)) for key, item in template.items())
            return {key: item for key, item in members if item is not UNDEFINED}
        return template

    def render_string_value(self, text: str, context: Mapping[str, Value]) -> Value:
        """The value of one string: that of its sole expression, else its text; UNDEFINED for an undefined expression.

        Raises TemplateError with line, column and construct.
        """
        if "{" not in text and "#}" not in text:
            return text  # no tag can begin here; a string of a subclass of str stays what it is
        return self._render(text, _VALUE_SYNTAX, context)

    def render_text(
        self,
        text: str,
        context: Mapping[str, Value],
        *,
        variable_delimiters: tuple[str, str] = ("${{", "}}"),
        trim_blocks: bool = False,
        lstrip_blocks: bool = False,
    ) -> str:
        """`text` with its tags rendered, as a file is.

        Delimiters ("{{", "}}") also switch on what cookiecutter's templates need: True, False, None, `jsonify` and the methods of
        Python's lists and dicts. Raises TemplateError.
        """
        if variable_delimiters not in (("${{", "}}"), ("{{", "}}")):
            raise ValueError("variable_delimiters must be ('${{', '}}') or ('{{', '}}')")
        syntax = Syntax(variable_delimiters[0], trim_blocks=trim_blocks, lstrip_blocks=lstrip_blocks)
        return str(self._render(text, syntax, context, as_text=True))

    def is_truthy(self, value: Value) -> bool:
        """Whether a template takes `value` for true."""
        return truthy(value)

    def _render(self, source: str, syntax: Syntax, context: Mapping[str, Value], *, as_text: bool = False) -> Value:
        try:
            template = _compile(source, syntax, self._limits)
            run = Run(
                self._limits,
                self._filters,
                self._functions,
                self._values,
                compatible=syntax.variable_start == "{{",
            )
            names = dict(context)
            if template.changes_values:
                names = clone(names, {})
                run.values = clone(self._values, {})
            token = ACTIVE.set(run.meter)
            try:
                value = template.run(run, names, as_text=as_text)
                return UNDEFINED if value is UNDEFINED else to_json(value, run.meter)
            finally:
                ACTIVE.reset(token)
        except Fault as fault:
            raise explain(fault, source) from fault.__cause__
        except RecursionError:
            raise TemplateLimitError("The template exceeded its limit of nesting", limit="nesting") from None


def _compile(source: str, syntax: Syntax, limits: Limits) -> Template:
    if len(source) > _LARGEST_CACHED:
        return Template(parse_template(source, syntax, limits))
    return _compile_cached(source, syntax, limits)


@lru_cache(maxsize=2048)
def _compile_cached(source: str, syntax: Syntax, limits: Limits) -> Template:
    return Template(parse_template(source, syntax, limits))
