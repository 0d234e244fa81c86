"""Where things stand in the GitOps repository. The actions that write files and those that look for conflicts share it.

    infrastructure/teams/<team>/project.yaml                    AppProject of the team
    infrastructure/teams/<team>/namespaces/<namespace>.yaml     Namespace with its guardrails
    infrastructure/teams/<team>/applications/<name>.yaml        Application

All names were checked to be RFC 1123 labels, so no path leads elsewhere.
"""

TEAMS = "infrastructure/teams"


def project_file(team: str) -> str:
    """Path of the team's AppProject."""
    return f"{TEAMS}/{team}/project.yaml"


def namespace_file(team: str, namespace: str) -> str:
    """Path of a namespace."""
    return f"{TEAMS}/{team}/namespaces/{namespace}.yaml"


def application_file(team: str, name: str) -> str:
    """Path of an application."""
    return f"{TEAMS}/{team}/applications/{name}.yaml"
