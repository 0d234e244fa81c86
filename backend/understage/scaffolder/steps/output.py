"""The output of a task: rendered once all steps are done, links and texts filtered by their `if`."""

from collections.abc import Mapping
from typing import Any

from understage.scaffolder.steps.facts import TaskFacts
from understage.scaffolder.steps.rendering import Renderer, TemplateExtensions

FILTERED = ("links", "text")


def render_output(facts: TaskFacts, outputs: Mapping[str, Any], extensions: TemplateExtensions) -> dict[str, Any]:
    """The `output` of the spec, rendered without secrets. Raises ExpressionError.

    An item of `links` or `text` is dropped if its `if` is there and false; the key itself is removed. An `if` that renders to
    undefined disappears, and its item stays (Backstage scaffolder-backend 4.2.0).
    """
    renderer = Renderer(extensions)
    output: dict[str, Any] = renderer.render(facts.spec.get("output") or {}, facts.context(outputs), "output")
    for name in FILTERED:
        items = output.get(name)
        if isinstance(items, list):
            output[name] = [_without_condition(item) for item in items if _is_shown(item, renderer)]
    return output


def _is_shown(item: Any, renderer: Renderer) -> bool:
    return not isinstance(item, dict) or "if" not in item or renderer.is_true(item["if"])


def _without_condition(item: Any) -> Any:
    return {key: value for key, value in item.items() if key != "if"} if isinstance(item, dict) else item
