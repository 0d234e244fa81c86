"""`environment:clone`: a service, or all services of a system, once more, for a while, in a namespace of their own."""

from datetime import timedelta
from pathlib import Path

from understage.sdk import ActionContext, ConflictError, Example, InputError, action
from understage_actions._clone_input import LONGEST_NAME, CloneInput, CloneOutput
from understage_actions._clone_manifests import CloneSpec, application_name
from understage_actions._clone_output import write_clone
from understage_actions._clone_plan import plan_clone
from understage_actions._clone_sources import Clones, fetch_source, find_deployment, find_services
from understage_actions._gitops_layout import TEAMS
from understage_actions._gitops_repository import choose_target, clone
from understage_actions._kubernetes_names import check_label, team_name
from understage_actions._time_to_live import check_owner_ref, expiry_after, parse_ttl
from understage_actions.kubernetes_create_namespace import check_owner

LONGEST = timedelta(days=30)


@action(
    "environment:clone",
    description="""
    Writes a clone of a service, or of all services of a system, as files for the GitOps repository: a namespace with quota, owner
    and time to live, an AppProject that reaches nothing else, an Application for each service, empty databases. Secrets are
    issued anew. Refuses whatever would bring secrets or data of the cloned environment along, or lead back to it. Tells first
    what will be made.
    """,
    examples=[
        Example(
            "A service for three days",
            {
                "source": "component:default/ledger",
                "from": "staging",
                "name": "refunds",
                "team": "group:default/payments",
                "targetPath": "gitops",
            },
        ),
        Example(
            "A whole system as it is in production, with a payment provider's sandbox",
            {
                "source": "system:default/checkout",
                "from": "production",
                "name": "load-test",
                "team": "payments",
                "ttl": "8h",
                "values": {"ledger": {"env": {"PROVIDER_URL": "https://sandbox.provider.example"}}},
                "storedSecrets": ["PROVIDER_TOKEN"],
                "sharedHosts": ["sandbox.provider.example"],
                "targetPath": "gitops",
            },
        ),
    ],
    supports_dry_run=True,
)
async def clone_environment(ctx: ActionContext, input: CloneInput) -> CloneOutput:
    """Look at everything, then write. InputError names all that must not come along."""
    team, name = team_name(input.team), check_label(input.name, "name", limit=LONGEST_NAME)
    origin = check_label(input.from_, "from")
    length = parse_ttl(input.ttl, longest=LONGEST)
    owner = check_owner_ref(input.owner or ctx.user.ref or f"group:default/{team}")
    if not ctx.ports.helm.is_available():
        raise InputError("Helm is not installed: without it nobody can tell what a clone would be made of")
    services = await find_services(ctx, input.source, team)
    gitops = await _gitops(ctx)
    _check_free(gitops, team, name)
    argocd_namespace = str(ctx.defaults.get("argocdNamespace") or "argocd")
    spec = CloneSpec(name, team, owner, await expiry_after(ctx, length), argocd_namespace)
    if (cluster := ctx.ports.clusters.get(input.cluster)) is not None:
        await check_owner(cluster, spec.namespace, team)
    for service in services:
        check_label(application_name(spec, service), "the application's name")
    clones: Clones = {}
    sources = [
        await fetch_source(
            ctx,
            await find_deployment(ctx, service, origin, gitops, argocd=input.argocd, cluster=input.cluster),
            clones,
        )
        for service in services
    ]
    plan = await plan_clone(ctx, input, spec, sources, gitops, origin)
    return write_clone(ctx, input, plan, services)


async def _gitops(ctx: ActionContext) -> Path | None:
    """A clone of the GitOps repository, where there is one."""
    if not ctx.defaults.get("gitopsRepository"):
        return None
    target = choose_target(ctx)
    repository = await target.find()
    return await clone(ctx, target, repository) if repository is not None else None


def _check_free(gitops: Path | None, team: str, name: str) -> None:
    for folder in sorted(gitops.glob(f"{TEAMS}/*/clones/{name}")) if gitops is not None else ():
        if (other := folder.parent.parent.name) != team:
            raise ConflictError(f"Environment {name} belongs to team {other}: choose another name")
