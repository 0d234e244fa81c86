"""`notification:send`: a notification to everybody, or to users and groups."""

import json
from typing import Literal

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, Example, ForeignError, InputError, UnderstageError, action


class SendInput(ActionModel):
    """What to tell, to whom."""

    recipients: Literal["broadcast", "entity"] = Field(
        description="Everybody (broadcast), or those of entityRefs (entity)"
    )
    entity_refs: list[str] | None = Field(default=None, description="Users and groups, for recipients of entity")
    title: str = Field(description="Title of the notification")
    info: str | None = Field(default=None, description="Text of the notification")
    link: str | None = Field(default=None, description="Where it leads to")
    severity: Literal["low", "normal", "high", "critical"] | None = Field(default=None, description="How urgent it is")
    scope: str | None = Field(default=None, description="A notification of the same scope replaces the one before")
    topic: str | None = Field(default=None, description="What it is about, for filters")
    optional: bool | None = Field(default=None, description="Go on although it could not be sent")


@action(
    "notification:send",
    description="Sends a notification by the notifications backend of this Backstage",
    examples=[
        Example("Tell everybody", {"recipients": "broadcast", "title": "A new service", "severity": "low"}),
        Example(
            "Tell a team, and go on where that fails",
            {
                "recipients": "entity",
                "entityRefs": ["group:default/payments"],
                "title": "Your service is there",
                "info": "It is in the catalog.",
                "link": "/catalog/default/component/ledger",
                "optional": True,
            },
        ),
    ],
    supports_dry_run=True,
)
async def send(ctx: ActionContext, input: SendInput) -> None:
    """Send once. With `optional` a failure is logged only."""
    ctx.log.info(f"Sending notification to {input.recipients}")
    if input.recipients == "entity" and input.entity_refs is None:
        if not input.optional:
            raise InputError("Entity references must be provided")
        return
    recipients = {"type": "broadcast"} if input.recipients == "broadcast" else {
        "type": "entity", "entityRef": input.entity_refs,
    }  # fmt: skip
    told = {
        "title": input.title,
        "description": input.info,
        "link": input.link,
        "severity": input.severity,
        "topic": input.topic,
        "scope": input.scope,
    }
    payload = {name: value for name, value in told.items() if value is not None}
    if ctx.is_dry_run:
        ctx.log.info(f"Would send the notification {input.title!r}")
        return
    content = json.dumps({"recipients": recipients, "payload": payload}).encode()

    async def post() -> None:
        headers = {"content-type": "application/json", "accept": "application/json"}
        answer = await ctx.ports.backstage.request(
            "POST", "notifications", headers=headers, content=content, as_service=True
        )
        if answer.status >= 400:
            raise ForeignError(f"Failed to send notifications: Request failed with status {answer.status}")

    try:
        await ctx.checkpoint(f"send.notification.{input.title}", post)
    except UnderstageError as error:
        ctx.log.error(f"Failed to send notification: {error.message}")
        if not input.optional:
            raise
