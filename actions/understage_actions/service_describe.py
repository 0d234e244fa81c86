"""`service:describe`: what the entity of a service says of where it is deployed, for the plugins of a portal and for people."""

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, Example, action
from understage.sdk.deployed import Deployed
from understage_actions._kubernetes_names import check_label, team_name


class Link(ActionModel):
    """A link of an entity."""

    title: str = Field(description="For people")
    url: str = Field(description="Where it leads")
    icon: str = Field(default="web", description="Key of one of the portal's icons")


class DescribeInput(ActionModel):
    """Which service, of whom."""

    service: str = Field(description="Name of the component, and of what is deployed for it")
    team: str = Field(description="Who owns it: the name or the entity ref of a group")
    argocd: str | None = Field(default=None, description="Name of the configured Argo CD; default: the first one")
    links: list[Link] = Field(default_factory=list, description="Links that it has besides, shown first")


class DescribeOutput(ActionModel):
    """For the metadata of its entity."""

    annotations: dict[str, str] = Field(description="What the plugins for Argo CD, Kubernetes and Grafana read")
    links: list[Link] = Field(
        description="To its Applications, and to its dashboard, where their addresses are configured"
    )


@action(
    "service:describe",
    description="""
    Says where a service is deployed, in the annotations that the stock plugins for Argo CD, Kubernetes and Grafana read, and as
    links for people. By labels, not by names, so that every environment is found, those to come too. Reads the configuration.
    """,
    examples=[
        Example("A service of a team", {"service": "ledger", "team": "group:default/payments"}),
        Example(
            "A website, with a link to it",
            {
                "service": "shop",
                "team": "web",
                "links": [{"title": "Website", "url": "https://shop.example.com"}],
            },
        ),
    ],
    supports_dry_run=True,
)
async def describe(ctx: ActionContext, input: DescribeInput) -> DescribeOutput:
    """Check the names, and say it."""
    argocd = ctx.ports.argocd.get(input.argocd)
    deployed = Deployed(
        service=check_label(input.service, "service"),
        team=team_name(input.team),
        argocd_url=argocd.url if argocd is not None else None,
        grafana_url=ctx.defaults.get("grafanaUrl"),
    )
    links = [*input.links, *(Link(**link) for link in deployed.links())]
    return DescribeOutput(annotations=deployed.annotations(), links=links)
