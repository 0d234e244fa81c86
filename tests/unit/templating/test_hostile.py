"""Templates that try to reach Python, or to use up the machine."""

import re
import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.contract.nunjitsu.cases import load_context
from tests.contract.nunjitsu.expressions import TEMPLATES

from understage.templating import UNDEFINED, Environment, Limits, TemplateError, TemplateLimitError

ENVIRONMENT = Environment(limits=Limits(seconds=5))
PYTHON_OBJECT = re.compile(r" object at 0x|<(class|function|built-in|bound method|module) |Traceback \(most recent")


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
def test_a_bomb_is_defused_in_time_and_memory(bomb: str) -> None:
    context = {"lines": "a\n" * 20_000, "bait": "a" * 60}
    started = time.monotonic()
    tracemalloc.start()
    try:
        with pytest.raises(TemplateError):
            ENVIRONMENT.render_value(BOMBS[bomb], context)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert time.monotonic() - started < 20
    assert most < 100 * 1024 * 1024


# Each takes exponential or polynomial time in an engine that backtracks without a bound.
CATASTROPHES = (
    "r/^(a+)+$/.test(bait)",
    "r/^(a|a)*$/.test(bait)",
    "r/^(a|aa)+$/.test(bait)",
    "r/^a*a*a*a*a*a*a*a*$/.test(bait)",
    "r/(.*)*x/.test(bait)",
    "r/^(?=(a+)+$)/.test(bait)",
    r"r/(a*)\1*\1*\1*b$/.test(bait)",
    r"r/(\w+\s?)*$/.test(bait)",
    r"r/^([a-z0-9]+\.?)+@/.test(bait)",
    "r/^(a{1,30}){1,30}b$/.test(bait)",
    "bait.replace(r/(a+)+$/g, 'x')",
    "bait.split(r/(a|a)+!/)",
    "bait | replace(r/(a|a)+!/, 'x')",
)


@pytest.mark.timeout(60)  # without a bound each takes years
@pytest.mark.parametrize("expression", CATASTROPHES)
def test_a_catastrophic_pattern_answers_or_fails_in_its_second(expression: str) -> None:
    context = {"bait": "a" * 60 + "?"}
    limit = None
    try:
        result = ENVIRONMENT.render_value(f"${{{{ {expression} }}}}", context)
    except TemplateLimitError as error:
        result, limit = None, error.limit
    assert limit == "regex_seconds" or result is not None


def test_patterns_one_after_the_other_share_the_time_of_the_render() -> None:
    environment = Environment(limits=Limits(seconds=0.5, regex_seconds=0.2))
    with pytest.raises(TemplateLimitError, match="seconds"):
        environment.render_value(
            "{% for i in range(99) %}${{ r/^(a{1,30}){1,30}b$/.test(bait.slice(i)) }}{% endfor %}", {"bait": "a" * 200}
        )


PYTHON_NAMES = st.sampled_from(
    (
        "__class__",
        "__globals__",
        "__mro__",
        "__init__",
        "format",
        "mro",
        "f_back",
        "gi_frame",
        "func_globals",
        "_Environment",
    )
)
PLAIN = (str, int, float, bool, type(None), type(UNDEFINED))


@settings(max_examples=300, deadline=None)
@given(TEMPLATES, st.lists(PYTHON_NAMES, max_size=3))
def test_only_plain_values_come_out_and_no_python_shows(template: str, names: list[str]) -> None:
    """Whatever a template does to the names of Python, what comes out is JSON, and speaks of no object of Python."""
    inside = template.removeprefix("${{").removesuffix("}}")
    reach = "".join(f"[{name!r}]" for name in names)
    for source in (template, f"${{{{ ({inside}){reach} }}}}"):
        try:
            result = ENVIRONMENT.render_value(source, load_context())
        except TemplateError as error:
            result = str(error)
        pending = [result]
        while pending:
            value = pending.pop()
            if isinstance(value, list):
                pending += value
            elif isinstance(value, dict):
                pending += [*value, *value.values()]
            else:
                assert type(value) in PLAIN
                assert not isinstance(value, str) or not PYTHON_OBJECT.search(value)


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
