"""The values of `base-service` that say what a Deployment and its objects say; what they cannot say is kept as it is.

Called once a service; its result is rendered by Helm and compared. Nothing here is believed: what the values really make is
what the comparison finds. In the order of preference: a value, `podOverrides`, the object itself under `extraManifests`.
"""

from understage.adoption.container import image_values, main_container
from understage.adoption.inventory import Group
from understage.adoption.outline import Options, Proposal
from understage.adoption.pods import say_pod
from understage.adoption.reading import Json, mapping, maps, name_of, pod_template, title
from understage.adoption.surroundings import (
    STANDARD,
    clean,
    keep_others,
    monitor_values,
    say_autoscaler,
    say_budget,
    say_monitors,
)
from understage.adoption.traffic import (
    as_routes,
    ingress_values,
    is_plain_service,
    own_annotations,
    route_manifest,
    service_values,
    untranslated,
)


def propose(group: Group, options: Options) -> Proposal:
    """The proposal for one Deployment. It keeps its name, its selector and the labels of its pods."""
    template = pod_template(group.deployment)
    spec = mapping(template, "spec")
    targets = [
        port.get("targetPort", port.get("port"))
        for service in group.services
        for port in maps(service, "spec", "ports")
    ]
    container = main_container(spec, group.name, targets)
    proposal = Proposal(group.name, _identity(group, options, container), str(container.get("name")))
    extra: list[Json] = []
    _say_deployment(group.deployment, proposal)
    _say_account(group, spec, proposal, extra)
    is_plain = False if options.as_is else say_pod(group, spec, container, proposal)
    if options.as_is:
        proposal.values["podSpec"] = spec
        proposal.values["topologySpread"] = {"enabled": False}
        proposal.kept.append(("podSpec", "asked for: the pods stay as they are; `image` says the version label only"))
    service = _say_services(group, container, proposal, extra, is_plain=is_plain)
    _say_ingresses(group, options, service, proposal, extra)
    say_autoscaler(group, proposal)
    say_budget(group, proposal, extra)
    say_monitors(group, service, proposal, extra)
    keep_others(group, proposal, extra)
    if extra:
        proposal.values["extraManifests"] = [clean(item) for item in extra]
    _say_secrets(group, options, proposal)
    return proposal


def _say_secrets(group: Group, options: Options, proposal: Proposal) -> None:
    """What was held back comes from the team's store: where it is, and never what it is."""
    if not group.issued:
        return
    proposal.issued = group.issued
    proposal.secret_path = f"teams/{options.team}/{options.environment}/{group.name}"
    data = {issued.property: {"key": proposal.secret_path, "property": issued.property} for issued in group.issued}
    proposal.values["externalSecret"] = {"enabled": True, "data": data}


def _identity(group: Group, options: Options, container: Json) -> Json:
    template = mapping(pod_template(group.deployment), "metadata")
    selector = mapping(group.deployment, "spec", "selector", "matchLabels")
    labels = {
        key: value for key, value in mapping(group.deployment, "metadata", "labels").items() if key not in STANDARD
    }
    pods = {key: value for key, value in mapping(template, "labels").items() if key not in selector}
    values: Json = {
        "name": group.name,
        "image": image_values(container),
        "selectorLabels": selector,
        "labels": {**labels, "team": options.team, "environment": options.environment},
        # What is closed now stays closed, what is open stays open: a policy of its own is the next step, not this one.
        "networkPolicy": {"enabled": False},
    }
    if pods:
        values["podLabels"] = pods
    if annotations := own_annotations({"metadata": template}):
        values["podAnnotations"] = annotations
    if annotations := own_annotations(group.deployment):
        values["annotations"] = annotations
    return values


def _say_deployment(deployment: Json, proposal: Proposal) -> None:
    spec = mapping(deployment, "spec")
    proposal.values["replicas"] = spec.get("replicas", 1)
    if strategy := mapping(spec, "strategy"):
        proposal.values["strategy"] = strategy


def _say_account(group: Group, spec: Json, proposal: Proposal, extra: list[Json]) -> None:
    name = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if not name or name == "default":
        return
    account = next(iter(group.accounts), None)
    plain = account is not None and set(account) <= {"apiVersion", "kind", "metadata", "automountServiceAccountToken"}
    values: Json = {"create": False, "name": name}
    if account is not None and plain and name == group.name:
        values = {"create": True}
        if annotations := own_annotations(account):
            values["annotations"] = annotations
    elif account is not None:
        extra.append(account)
        proposal.kept.append(
            (title(account), "the chart's account has the service's name and no more than annotations")
        )
    proposal.values["serviceAccount"] = values


def _say_services(
    group: Group, container: Json, proposal: Proposal, extra: list[Json], *, is_plain: bool
) -> Json | None:
    """The Service that values say, which is called like the Deployment; others stay as they are."""
    monitored = any(monitor_values(each, group, proposal.name) is None for each in group.monitors)
    said: Json | None = None
    for service in group.services:
        if name_of(service) == group.name and is_plain_service(service) and not monitored:
            said = service
            proposal.values["service"] = service_values(service, container, port_is_http=is_plain)
            continue
        reason = "a ServiceMonitor finds it by labels and ports that the chart's would not have" if monitored else None
        if name_of(service) != group.name:
            reason = f"the chart's Service is called {group.name}"
        proposal.kept.append((title(service), reason or "it is more than ports of the pods inside of the cluster"))
        extra.append(_retargeted(service, container) if is_plain else service)
    if said is None:
        proposal.values["service"] = {"enabled": False}
    return said


def _retargeted(service: Json, container: Json) -> Json:
    """The Service with the chart's name for the container's port, where it names the port."""
    name = maps(container, "ports")[0].get("name")
    ports = [
        {**port, "targetPort": "http"} if name and port.get("targetPort") == name else port
        for port in maps(service, "spec", "ports")
    ]
    return {**service, "spec": {**mapping(service, "spec"), "ports": ports}}


def _say_ingresses(group: Group, options: Options, service: Json | None, proposal: Proposal, extra: list[Json]) -> None:
    for number, ingress in enumerate(group.ingresses):
        lost = untranslated(ingress)
        proposal.untranslated += [(title(ingress), what, advice) for what, advice in lost]
        if options.gateway is not None:
            _say_routes(ingress, group, options.gateway, proposal, extra, number)
            continue
        values = ingress_values(ingress, group.name, service) if "ingress" not in proposal.values else None
        if values is not None:
            proposal.values["ingress"] = values
        else:
            extra.append(ingress)
            proposal.kept.append(
                (title(ingress), "`ingress` says one path of hosts that lead to the service's own Service")
            )


def _say_routes(
    ingress: Json, group: Group, gateway: tuple[str, str], proposal: Proposal, extra: list[Json], number: int
) -> None:
    parent = {"namespace": gateway[0], "name": gateway[1]}
    routes = as_routes(ingress, group.services)
    port = mapping(proposal.values, "service").get("port")
    for index, route in enumerate(routes):
        match = route.rules[0]["matches"][0]["path"] if len(route.rules) == 1 else {}
        own = match.get("type") == "PathPrefix" and route.rules[0]["backendRefs"] == [
            {"name": group.name, "port": port}
        ]
        if own and "route" not in proposal.values and route.hostnames:
            proposal.values["route"] = {
                "enabled": True,
                "parentRefs": [parent],
                "hostnames": route.hostnames,
                "path": match["value"],
            }
        else:
            suffix = f"-{number + 1}-{index + 1}"
            extra.append(route_manifest(f"{group.name[: 63 - len(suffix)]}{suffix}", route, parent))
    proposal.replaced[title(ingress)] = "HTTPRoute"
