"""Whether a step runs: its `if`, and what a failure before it changes. Words of Backstage scaffolder-backend 4.2.0."""

from collections.abc import Mapping
from typing import Any

from understage.scaffolder.steps.rendering import ExpressionError, Renderer


def survives_failure(step: Mapping[str, Any], context: Mapping[str, Any], renderer: Renderer) -> bool:
    """Whether, after a failure, the step is considered at all: its `if` calls `always()` or `failure()`.

    A condition that breaks before it calls one of them is not considered either.
    """
    condition = step.get("if")
    if not isinstance(condition, str):
        return False
    renderer.called.clear()
    try:
        renderer.render(condition, context, "if")
    except ExpressionError:
        return bool(renderer.called)
    return bool(renderer.called)


def is_wanted(step: Mapping[str, Any], context: Mapping[str, Any], renderer: Renderer) -> bool:
    """Whether the `if` of a step says yes; in a loop every iteration asks for itself. Raises ExpressionError."""
    condition = step.get("if")
    if condition is False:
        return False
    if not isinstance(condition, str) or step.get("each") is not None:
        return True
    return renderer.is_true(renderer.render(condition, context, f"Step {step['id']}, if"))
