"""Whose AppProject comes from Git. `kubernetes:create-namespace` and `argocd:register-app` ask before they choose a way.

What Argo CD applies from the GitOps repository it heals when somebody else changes it: a team's project that grew beside Git
would lose the new service within seconds. So what belongs to such a team is written to Git.
"""

from typing import Any

from understage.sdk import ActionContext, Cluster, NotAllowedError, NotFoundError
from understage_actions._argocd_manifests import API_VERSION

Json = dict[str, Any]
TRACKING_ANNOTATION = "argocd.argoproj.io/tracking-id"
TRACKING_LABELS = ("app.kubernetes.io/instance", "argocd.argoproj.io/instance")


async def is_from_git(ctx: ActionContext, team: str, *, instance: str | None = None, cluster: Cluster | None) -> bool:
    """Whether Argo CD applies the team's AppProject: asked of Argo CD, else of the cluster. False where there is no project."""
    argocd = ctx.ports.argocd.get(instance)
    if argocd is not None:
        return is_tracked(await argocd.get_project(team))
    if cluster is None:
        return False
    namespace = str(ctx.defaults.get("argocdNamespace") or "argocd")
    try:
        return is_tracked(await cluster.get(API_VERSION, "AppProject", team, namespace))
    except (NotFoundError, NotAllowedError):  # no Argo CD, or none that we may write to
        return False


def is_tracked(manifest: Json | None) -> bool:
    """Whether an Application made the object, by either of Argo CD's marks."""
    metadata = (manifest or {}).get("metadata") or {}
    annotations, labels = metadata.get("annotations") or {}, metadata.get("labels") or {}
    return TRACKING_ANNOTATION in annotations or any(label in labels for label in TRACKING_LABELS)
