"""Templates that try to reach Python, or to use up the machine."""

import time

import pytest

from understage.templating import UNDEFINED, Environment, Limits, TemplateError, TemplateLimitError

ENVIRONMENT = Environment(limits=Limits(seconds=5))


class Secret(str):
    pass


class Holder:
    password = "hunter2"


@pytest.mark.parametrize(
    "expression",
    [
        "x.__class__",
        "x['__class__']",
        "x.__init__",
        "o.__dict__",
        "f.__globals__",
        "x.format",
        "l.__len__",
        "o.password",
    ],
)
def test_no_attribute_of_a_python_object_is_reachable(expression: str) -> None:
    context = {"x": "text", "o": Holder(), "f": len, "l": [1]}
    assert ENVIRONMENT.render_value(f"${{{{ {expression} }}}}", context) is UNDEFINED


@pytest.mark.parametrize("template", ["${{ o }}", "a ${{ o }}", "${{ [o] }}", "${{ o + 1 }}", "${{ o() }}"])
def test_a_python_object_in_the_context_is_no_value(template: str) -> None:
    with pytest.raises(TemplateError) as raised:
        ENVIRONMENT.render_value(template, {"o": Holder()})
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("name", ["constructor", "prototype", "__proto__"])
def test_the_ways_into_prototypes_are_refused(name: str) -> None:
    with pytest.raises(TemplateError, match="reserved"):
        ENVIRONMENT.render_value(f"${{{{ x.{name} }}}}", {"x": {}})
    assert ENVIRONMENT.render_value("${{ x[k] }}", {"x": {name: 1}, "k": name}) is UNDEFINED


BOMBS = {
    "a long range": "${{ range(1e9) }}",
    "a range without end": "${{ range(1000000000) }}",
    "text that doubles": "{% set s = 'x' * 1 ~ 'xxxxxxxx' %}{% for i in range(99) %}{% set s = s ~ s %}{% endfor %}",
    "lists that double": "{% set a = [1] %}{% for i in range(99) %}{% set a = [a, a] %}{% endfor %}${{ a }}",
    "lists that double, as a value": "{% set a = [1] %}{% for i in range(40) %}{% set a = [a, a] %}{% endfor %}${{ a | dump }}",
    "loops in loops": "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
    "a macro that calls itself": "{% macro m() %}${{ m() }}{% endmacro %}${{ m() }}",
    "deep brackets": "${{ " + "[" * 5000 + "]" * 5000 + " }}",
    "deep tags": "{% if 1 %}" * 5000 + "{% endif %}" * 5000,
    "a long chain": "${{ 1" + " + 1" * 5000 + " }}",
    "wide spaces": "${{ 'a' | center(999999999) }}",
    "indentation": "${{ lines | indent(9999999) }}",
    "replacement": "${{ lines.replace(r/./g, lines) }}${{ lines | replace('', lines) | replace('a', lines) }}",
    "a catastrophic pattern": "${{ r/^(a|aa)+[bc]$/.test(bait) }}",
    "a catastrophic replacement": "${{ bait | replace(r/^(a|aa)+[bc]$/g, '') }}",
    "an array-like": "${{ {length: 4000000000} | reverse }}",
    "big text as elements": "${{ lines.split('') | join(lines) | list }}",
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_defused_in_time(bomb: str) -> None:
    context = {"lines": "a\n" * 20_000, "bait": "a" * 60}
    started = time.monotonic()
    with pytest.raises(TemplateError):
        ENVIRONMENT.render_value(BOMBS[bomb], context)
    assert time.monotonic() - started < 20


def test_a_limit_names_itself_and_the_place() -> None:
    with pytest.raises(TemplateLimitError) as raised:
        ENVIRONMENT.render_value("ok\n${{ range(200000) }}", {})
    assert (raised.value.limit, raised.value.line, raised.value.construct) == ("entries", 2, "${{ range(200000) }}")


def test_output_and_calls_are_bounded() -> None:
    small = Environment(functions={"f": lambda: 1}, limits=Limits(output=10, calls=3))
    with pytest.raises(TemplateLimitError, match="output"):
        small.render_value("${{ x }}${{ x }}", {"x": "123456"})
    with pytest.raises(TemplateLimitError, match="calls"):
        small.render_value("${{ f() + f() + f() + f() }}", {})


def test_a_template_changes_nothing_outside() -> None:
    context = {"l": [1], "o": {"l": [2]}}
    assert ENVIRONMENT.render_value("${{ l.push(9) }}${{ o.l.reverse() }}${{ l }}", context) == "221,9"
    result = ENVIRONMENT.render_value("${{ o }}", context)
    result["l"].append(3)
    assert context == {"l": [1], "o": {"l": [2]}}


def test_a_string_of_a_subclass_passes_through() -> None:
    secret = Secret("s3cret")
    assert ENVIRONMENT.render_value("${{ secrets.token }}", {"secrets": {"token": secret}}) is secret
    assert ENVIRONMENT.render_value({"a": ["${{ x }}"]}, {"x": {"y": secret}})["a"][0]["y"] is secret
