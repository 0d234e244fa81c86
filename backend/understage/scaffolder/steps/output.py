"""The output of a task: rendered once all steps are done, links and texts filtered by their `if`.

A link that a browser would run as a script is left out: the stock page refuses to draw it, and everything else with it.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from understage.model.ref import is_script_url
from understage.scaffolder.steps.facts import TaskFacts
from understage.scaffolder.steps.redaction import MASK, map_texts
from understage.scaffolder.steps.rendering import Renderer, TemplateExtensions
from understage.scaffolder.steps.tainting import Taint, masked

FILTERED = ("links", "text")


def render_output(
    facts: TaskFacts,
    outputs: Mapping[str, Any],
    extensions: TemplateExtensions,
    taint: Taint,
    warn: Callable[[str], None],
) -> dict[str, Any]:
    """The `output` of the spec, rendered without secrets and with none that came by the output of a step. Raises ExpressionError.

    `warn` is told of each link that is left out.
    An item of `links` or `text` is dropped if its `if` is there and false; the key itself is removed. An `if` that renders to
    undefined disappears, and its item stays (Backstage scaffolder-backend 4.2.0).
    """
    renderer = Renderer(extensions)
    opened, closed = facts.context(outputs), facts.context(masked(outputs))

    def hide(value: Any, without: Any) -> Any:
        # Masked where it stands, if that is all there is of it; else nothing of the text can be trusted.
        shown = taint.redactor.redact_value(value)
        return shown if shown == without else map_texts(value, lambda _: MASK)

    rendered = taint.render(renderer, facts.spec.get("output") or {}, opened, closed, "output", hide)
    output: dict[str, Any] = taint.redactor.redact_value(rendered)
    for name in FILTERED:
        items = output.get(name)
        if isinstance(items, list):
            output[name] = [_without_condition(item) for item in items if _is_shown(item, renderer)]
    if isinstance(output.get("links"), list):
        output["links"] = [link for link in output["links"] if not _is_script(link, warn)]
    return output


def _is_script(link: Any, warn: Callable[[str], None]) -> bool:
    if not isinstance(link, dict) or not isinstance(link.get("url"), str) or not is_script_url(link["url"]):
        return False
    warn(
        f"The link {link.get('title')!r} of the output is a script and is left out; give it an address that begins with https://"
    )
    return True


def conditional_items(output: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The items of an unrendered output that have an `if` to be rendered, each by its place: `output.links[0].if`."""
    for name in FILTERED:
        items = (output or {}).get(name)
        for index, item in enumerate(items if isinstance(items, list) else ()):
            if isinstance(item, dict) and isinstance(item.get("if"), str):
                yield f"output.{name}[{index}].if", item


def _is_shown(item: Any, renderer: Renderer) -> bool:
    return not isinstance(item, dict) or "if" not in item or renderer.is_true(item["if"])


def _without_condition(item: Any) -> Any:
    return {key: value for key, value in item.items() if key != "if"} if isinstance(item, dict) else item
