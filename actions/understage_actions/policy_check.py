"""`policy:check`: the rules of the cluster asked of manifests, before anything is made."""

import asyncio
from typing import Any

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, Example, InputError, Violation, action
from understage_actions._manifests import read_manifests

MOST_SHOWN = 20


class PolicyCheckInput(ActionModel):
    """Which manifests."""

    manifests: str | dict[str, Any] | list[dict[str, Any]] = Field(
        default_factory=list, description="Objects: one, a list, or YAML text"
    )
    files: list[str] = Field(
        default_factory=list, description="Files with objects: paths, folders or globs of the workspace"
    )
    fail: bool = Field(default=True, description="Whether the step fails when a rule is broken; otherwise it warns")


class BrokenRule(ActionModel):
    """One rule that one object breaks."""

    rule: str
    kind: str
    name: str
    message: str


class PolicyCheckOutput(ActionModel):
    """What was found."""

    objects: int = Field(description="How many objects were looked at")
    violations: list[BrokenRule] = Field(description="The rules that are broken, object by object")


@action(
    "policy:check",
    description="""
    Asks the platform's rules (`understage.policies`) of manifests: those with which the cluster would refuse them, in the same
    words. Fails before anything is made, and names object, container and what to do.
    """,
    examples=[
        Example("What a chart renders", {"files": ["gitops/rendered/ledger-production.yaml"]}),
        Example("All manifests of a folder, without failing", {"files": ["deploy/manifests"], "fail": False}),
    ],
    supports_dry_run=True,
)
async def check(ctx: ActionContext, input: PolicyCheckInput) -> PolicyCheckOutput:
    """Read, ask, tell."""
    if not ctx.ports.guardrails.is_configured():
        raise InputError("There are no rules to ask: set understage.policies.rules to a file of rules")
    objects = await asyncio.to_thread(read_manifests, ctx, input.manifests, input.files)
    violations = await asyncio.to_thread(ctx.ports.guardrails.check, objects)
    ctx.log.info(f"Looked at {_count(objects, 'object')}: {_count(violations, 'broken rule')}")
    for violation in violations:
        ctx.log.warn(_describe(violation))
    if violations and input.fail:
        shown = "; ".join(_describe(violation) for violation in violations[:MOST_SHOWN])
        more = f"; and {len(violations) - MOST_SHOWN} more" if len(violations) > MOST_SHOWN else ""
        raise InputError(f"The cluster would refuse this: {shown}{more}")
    return PolicyCheckOutput(
        objects=len(objects),
        violations=[
            BrokenRule(rule=item.rule, kind=item.kind, name=item.name, message=item.message) for item in violations
        ],
    )


def _describe(violation: Violation) -> str:
    return f"{violation.kind} {violation.name}: {violation.message}"


def _count(items: list[Any], noun: str) -> str:
    return f"{len(items)} {noun}{'' if len(items) == 1 else 's'}"
