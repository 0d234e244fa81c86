"""The template language of the scaffolder: text with `${{ … }}` and JSON contexts in, values or text out.

Stands between the template road and its actions: the task runner renders step conditions, inputs and outputs with
`Environment.render_value`, `fetch:template` renders files and file names with `Environment.render_text`. The language is that
of nunjitsu 0.7.0 (the engine of Backstage scaffolder-backend 4.2.0), a closed subset of Nunjucks with JavaScript values.

The road of a template through this package, each stage a module:

    source -> scanning (text and tags) -> lexing (tokens) -> expressions, parsing (nodes) -> compiling (closures) -> a render

A render owns a `Meter` (limits) and never touches attributes of Python objects: every property, method, filter and test is
looked up in the tables of `methods`, `filters` and `tests`, by the kind of value.

The syntax has a parser of its own: jinja2's differs from Nunjucks in the precedence of `//`, `not`, `in` and `==`, in string and
number literals and in tuples, and its nodes carry no columns for error messages.
"""

from understage.templating.errors import TemplateError, TemplateLimitError
from understage.templating.limits import Limits
from understage.templating.render import Environment, Filter, Function
from understage.templating.values import UNDEFINED, Undefined
from understage.templating.values import truthy as is_truthy

__all__ = [
    "UNDEFINED",
    "Environment",
    "Filter",
    "Function",
    "Limits",
    "TemplateError",
    "TemplateLimitError",
    "Undefined",
    "is_truthy",
]
