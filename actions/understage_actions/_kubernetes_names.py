"""Names that Kubernetes and the platform accept: labels, namespaces, teams. Called by the actions before anything is touched."""

import re

from understage.sdk import InputError

RESERVED_NAMESPACES = frozenset(
    {
        "argo",
        "argocd",
        "backstage",
        "cert-manager",
        "crossplane",
        "default",
        "external-secrets",
        "flux",
        "gateway",
        "gitops",
        "ingress-nginx",
        "istio",
        "kyverno",
        "monitoring",
        "platform",
        "understage",
        "vault",
    }
)
RESERVED_PREFIXES = ("kube-", "openshift-")
RESERVED_SUFFIX = "-system"
LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")


def check_label(value: str, what: str, *, limit: int = 63) -> str:
    """`value`, if it is an RFC 1123 label of at most `limit` characters; InputError names `what` otherwise."""
    if len(value) > limit or not LABEL.fullmatch(value):
        raise InputError(
            f"{what} {value[:80]!r} is not allowed: use at most {limit} lower-case letters, digits and hyphens, beginning and "
            "ending with a letter or digit"
        )
    return value


def check_namespace(value: str) -> str:
    """`value`, if it may be a service's namespace; InputError for a malformed or a reserved name."""
    check_label(value, "namespace")
    if value in RESERVED_NAMESPACES or value.startswith(RESERVED_PREFIXES) or value.endswith(RESERVED_SUFFIX):
        raise InputError(
            f"namespace {value!r} is reserved for the cluster and the platform: choose another name (not kube-*, "
            f"*{RESERVED_SUFFIX}, {', '.join(sorted(RESERVED_NAMESPACES))})"
        )
    return value


def team_name(team: str) -> str:
    """The name of a team, given as such or as an entity ref: `payments` for `group:default/payments`.

    Raises InputError for a ref of another kind or another namespace, a malformed name, or `default` (which is Argo CD's
    open project). Two groups of one name in two namespaces would be one team to a cluster, hence only `default` is taken.
    """
    kind, separator, rest = team.rpartition(":")
    if separator and kind.lower() != "group":
        raise InputError(f"team {team[:80]!r} is a {kind.lower()[:80]}: choose a group")
    namespace, slash, name = rest.lower().rpartition("/")
    if slash and namespace != "default":
        raise InputError(f"team {team[:80]!r} is not in the namespace default: choose a group that is")
    check_label(name, "team")
    if name == "default":
        raise InputError("team 'default' is reserved: choose another group")
    return name
