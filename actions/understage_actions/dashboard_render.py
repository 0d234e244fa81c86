"""`dashboard:render`: a Grafana dashboard of a service or a team, as an object for the GitOps repository."""

import re
from pathlib import PurePosixPath
from typing import Any, Literal

from pydantic import Field

from understage.sdk import ActionContext, ActionModel, Example, InputError, action
from understage.sdk.deployed import dashboard_url
from understage.sdk.yaml import dump
from understage_actions._dashboard import DashboardSpec, config_map, dashboard, grafana_dashboard
from understage_actions._dashboard_queries import Queries
from understage_actions._gitops_layout import dashboard_file
from understage_actions._kubernetes_names import check_label, team_name
from understage_actions._tree import write_file

METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
MATCHER = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*(=|!=|=~|!~)\"[^\"\\{}$\n]*\"")
CURRENCY = re.compile(r"[A-Z]{3}")
MOST_SERVICES = 200


class DashboardRenderInput(ActionModel):
    """Whose dashboard, of what, and as which object."""

    team: str = Field(description="Who owns it: the name or the entity ref of a group")
    service: str | None = Field(default=None, description="The service; without one it is the dashboard of the team")
    services: list[str] = Field(
        default_factory=list, description="For a team's dashboard: its services; default: those it owns in the catalog"
    )
    environments: list[str] = Field(
        default=["development", "staging", "production"],
        min_length=1,
        description="Where its services run: in namespaces named <service>-<environment>",
    )
    namespaces: list[str] = Field(default_factory=list, description="Where they run, when that is elsewhere")
    format: Literal["configmap", "grafana"] = Field(
        default="configmap",
        description='A ConfigMap labelled grafana_dashboard: "1" for Grafana\'s sidecar, or a GrafanaDashboard for its operator',
    )
    namespace: str | None = Field(
        default=None, description="Namespace of that object; default: the first of those above"
    )
    instance_selector: dict[str, str] = Field(
        default={"dashboards": "grafana"}, description="Labels of the Grafana that a GrafanaDashboard is for"
    )
    metric: str | None = Field(
        default="http_server_request_duration_seconds",
        description="Histogram of requests in seconds, without _count or _bucket; null for what counts none, such as a job",
    )
    errors: str = Field(default='http_response_status_code=~"5.."', description="Matcher of the requests that failed")
    objective: float = Field(default=99.9, ge=50, lt=100, description="Percentage of requests that must not fail")
    currency: str | None = Field(
        default=None, description="Currency of OpenCost's prices; default: understage.costs.currency"
    )
    target_path: str = Field(default=".", description="Root of the GitOps files in the workspace")


class DashboardRenderOutput(ActionModel):
    """What was written."""

    path: str = Field(description="The file, relative to the workspace")
    uid: str = Field(description="Id in Grafana")
    title: str
    tags: list[str]
    selector: str = Field(description="For the annotation grafana/dashboard-selector of the entity")
    url: str | None = Field(description="Address of the dashboard, where grafana.domain is configured")
    dashboard: dict[str, Any] = Field(description="The dashboard itself")


@action(
    "dashboard:render",
    description="""
    Writes a Grafana dashboard of a service, or of a team with its services: requests, errors, latency, saturation, error budget,
    restarts, cost. As a ConfigMap or a GrafanaDashboard below `infrastructure/teams/<team>/dashboards/`. The same input gives the
    same file.
    """,
    examples=[
        Example("Of a service", {"team": "group:default/payments", "service": "ledger", "targetPath": "gitops"}),
        Example("Of a team, with all services that it owns", {"team": "payments", "targetPath": "gitops"}),
        Example(
            "Of some services of a team, for Grafana's operator",
            {
                "team": "payments",
                "services": ["ledger", "invoices"],
                "environments": ["production"],
                "format": "grafana",
            },
        ),
    ],
    supports_dry_run=True,
)
async def render(ctx: ActionContext, input: DashboardRenderInput) -> DashboardRenderOutput:
    """Check, make, write. InputError for names that are none and for what would be another query."""
    services = input.services
    if input.service is None and not services:
        services = await _owned_services(ctx, team_name(input.team))
    spec = _specify(input, services, str((ctx.defaults.get("costs") or {}).get("currency") or "USD"))
    namespace = check_label(input.namespace or spec.namespaces[0], "namespace")
    made = (
        config_map(spec, namespace)
        if input.format == "configmap"
        else grafana_dashboard(spec, namespace, input.instance_selector)
    )
    relative = str(PurePosixPath(input.target_path, dashboard_file(spec.team, input.service)))
    write_file(ctx.workspace, relative, dump(made))
    ctx.log.info(f"Wrote the dashboard {spec.title!r} to {relative}")
    return DashboardRenderOutput(
        path=relative,
        uid=spec.uid,
        title=spec.title,
        tags=spec.tags,
        selector=f"tags @> '{spec.tags[0]}'",
        url=dashboard_url(ctx.defaults.get("grafanaUrl"), spec.uid),
        dashboard=dashboard(spec),
    )


async def _owned_services(ctx: ActionContext, team: str) -> list[str]:
    """Names of the components of type service that the team owns, as far as the task's initiator may read them."""
    (group,) = await ctx.ports.catalog.get_entities([f"group:default/{team}"])
    relations = (group or {}).get("relations") or []
    owned = sorted({item["targetRef"] for item in relations if item["type"] == "ownerOf"})
    refs = [ref for ref in owned if ref.startswith("component:default/")]
    found = await ctx.ports.catalog.get_entities(refs) if refs else []
    names = [item["metadata"]["name"] for item in found if item is not None and item["spec"].get("type") == "service"]
    if not names:
        raise InputError(f"Team {team} owns no service in the catalog: make one first, or name `services`")
    return names


def _specify(input: DashboardRenderInput, of_team: list[str], currency: str) -> DashboardSpec:
    team = team_name(input.team)
    if input.service is not None and input.services:
        raise InputError("Name a `service` or `services`: a dashboard is of one service or of a team")
    services = [input.service] if input.service is not None else of_team
    if len(services) > MOST_SERVICES:
        raise InputError(f"{len(services)} services are more than the {MOST_SERVICES} of one dashboard")
    for service in services:
        check_label(service, "service")
    for environment in input.environments:
        check_label(environment, "environment")
    namespaces = input.namespaces or [f"{name}-{place}" for name in services for place in input.environments]
    for namespace in namespaces:
        check_label(namespace, "namespace")
    if input.metric is not None:
        _check(METRIC, input.metric, "metric", "the name of a metric, such as http_server_request_duration_seconds")
    _check(MATCHER, input.errors, "errors", 'one matcher of a label, such as code=~"5.."')
    _check(CURRENCY, input.currency or currency, "currency", "a code of three letters, such as EUR")
    return DashboardSpec(
        scope="team" if input.service is None else "service",
        name=input.service or team,
        team=team,
        services=services,
        namespaces=namespaces,
        queries=Queries(
            services="|".join(services),
            by="namespace" if input.service is not None else "service",
            metric=input.metric or "",
            errors=input.errors,
            objective=input.objective,
        ),
        currency=input.currency or currency,
        counts_requests=input.metric is not None,
    )


def _check(pattern: re.Pattern[str], text: str, name: str, wanted: str) -> None:
    if not pattern.fullmatch(text):
        raise InputError(f"{name} {text[:80]!r} must be {wanted}")
