"""The built-in filters by name. A filter takes the render, its input and a list of arguments.

Keyword arguments reach a filter as Nunjucks hands them over: gathered in one object as the last argument, except for the two
filters that Nunjucks declares with parameter names.
"""

from collections.abc import Callable

from understage.templating.filters import attributes, html, lists, numbers, sequences, text
from understage.templating.scope import Run
from understage.templating.values import UNDEFINED, Value

BuiltInFilter = Callable[[Run, Value, list[Value]], Value]

FILTERS: dict[str, BuiltInFilter] = {
    **attributes.FILTERS,
    **html.FILTERS,
    **lists.FILTERS,
    **numbers.FILTERS,
    **sequences.FILTERS,
    **text.FILTERS,
}

_PARAMETERS = {"int": ["default", "base"], "sort": ["reverse", "case_sensitive", "attribute"]}


def lower_keywords(name: str, positional: list[Value], keyword: dict[str, Value]) -> list[Value]:
    """The arguments of a filter as one list."""
    parameters = _PARAMETERS.get(name)
    if parameters is not None:
        missing = parameters[len(positional) :]
        return positional[: len(parameters)] + [keyword.get(parameter, UNDEFINED) for parameter in missing]
    return [*positional, {**keyword, "__keywords": True}] if keyword else positional
