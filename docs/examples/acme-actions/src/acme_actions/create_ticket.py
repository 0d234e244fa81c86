"""`acme:create-ticket`: a ticket in the tracker, for what people still have to do."""

import json

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, Example, ForeignError, NotAllowedError, action


class CreateTicketInput(ActionModel):
    """The ticket."""

    tracker_url: str = Field(description="Address of the tracker, without a slash at the end")
    title: str = Field(min_length=1, max_length=120, description="What has to be done")
    team: str = Field(description="Who has to do it")
    token: str = Field(description="Token of the tracker, best `${{ environment.secrets.TRACKER_TOKEN }}`")


class CreateTicketOutput(ActionModel):
    """Where it is."""

    ticket_id: str
    ticket_url: str = Field(description="Its page")


@action(
    "acme:create-ticket",
    description="Creates a ticket in the tracker. A task that is continued after a crash does not create a second one.",
    examples=[
        Example(
            "Ask for a load balancer",
            {
                "trackerUrl": "https://tracker.acme.example",
                "title": "Load balancer for ledger",
                "team": "network",
                "token": "${{ environment.secrets.TRACKER_TOKEN }}",
            },
        )
    ],
    supports_dry_run=True,
)
async def create_ticket(ctx: ActionContext, input: CreateTicketInput) -> CreateTicketOutput:
    """Ask the tracker, once."""
    if ctx.is_dry_run:
        ctx.log.info(f"Would create a ticket for {input.team}: {input.title}")
        return CreateTicketOutput(ticket_id="0", ticket_url=input.tracker_url)

    async def create() -> str:
        body = json.dumps({"title": input.title, "team": input.team}).encode()
        headers = {"Authorization": f"Bearer {input.token}", "Content-Type": "application/json"}
        answer = await ctx.ports.http.request("POST", f"{input.tracker_url}/tickets", headers=headers, content=body)
        if answer.status in (401, 403):
            raise NotAllowedError("The tracker refuses the token: renew TRACKER_TOKEN")
        if answer.status != 201:
            raise ForeignError(f"The tracker answered {answer.status}, a ticket was not created")
        return str(json.loads(answer.body)["id"])

    ticket_id = await ctx.checkpoint("ticket", create)
    ctx.log.info(f"Ticket {ticket_id} waits for {input.team}")
    return CreateTicketOutput(ticket_id=ticket_id, ticket_url=f"{input.tracker_url}/tickets/{ticket_id}")
