"""The facade: deep values, undefined, errors with a place, host functions."""

import pytest

from understage.errors import InputError
from understage.templating import UNDEFINED, Environment, TemplateError, is_truthy

ENVIRONMENT = Environment()


def test_values_are_rendered_deep_and_undefined_members_disappear() -> None:
    template = {
        "${{ k }}": "${{ n }}",
        "gone": "${{ missing }}",
        "list": ["${{ missing }}", 1, None, "a ${{ n }}"],
        "b": True,
    }
    assert ENVIRONMENT.render_value(template, {"n": 5}) == {"${{ k }}": 5, "list": [None, 1, None, "a 5"], "b": True}


def test_results_are_not_rendered_again() -> None:
    assert ENVIRONMENT.render_value("${{ x }}", {"x": "${{ y }}", "y": 1}) == "${{ y }}"


def test_a_sole_undefined_expression_is_undefined() -> None:
    assert ENVIRONMENT.render_value("${{ missing.deep }}", {}) is UNDEFINED


def test_an_error_says_where_and_what() -> None:
    with pytest.raises(TemplateError) as raised:
        ENVIRONMENT.render_text("one\ntwo ${{ a | nothing }}\n", {})
    error = raised.value
    assert isinstance(error, InputError)
    assert (error.line, error.column, error.construct) == (2, 13, "${{ a | nothing }}")
    assert str(error) == 'Template error at line 2, column 13: Unknown template filter "nothing"'


def test_functions_of_the_caller_are_called_and_their_calls_can_be_seen() -> None:
    called = []

    def always() -> bool:
        called.append("always")
        return True

    environment = Environment(functions={"always": always})
    assert environment.render_value("${{ always() and 1 == 1 }}", {}) is True
    assert called == ["always"]
    environment.render_value("${{ 'always()' }}", {})
    assert called == ["always"]


def test_text_rendering_keeps_text_text() -> None:
    assert ENVIRONMENT.render_text("${{ l }}", {"l": [1, 2]}) == "1,2"
    assert ENVIRONMENT.render_text("{{ l[0] }}${{ x }}", {"l": [1]}, variable_delimiters=("{{", "}}")) == "1$"


def test_truth_is_javascripts() -> None:
    assert [is_truthy(value) for value in (0, "", None, UNDEFINED, float("nan"), [], {}, "false", -1)] == [
        *[False] * 5,
        *[True] * 4,
    ]
