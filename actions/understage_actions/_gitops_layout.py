"""Where things stand in the GitOps repository. The actions that write files and those that look for conflicts share it.

    infrastructure/teams/<team>/project.yaml                    AppProject of the team
    infrastructure/teams/<team>/namespace.yaml                  The team's own namespace
    infrastructure/teams/<team>/application-set.yaml            ApplicationSet over the folders below applications/
    infrastructure/teams/<team>/catalog-info.yaml               Group and Users, for the catalog
    infrastructure/teams/<team>/secrets/external-secret.yaml    Which of Vault's secrets the team's namespace has
    infrastructure/teams/<team>/namespaces/<namespace>.yaml     Namespace with its guardrails
    infrastructure/teams/<team>/applications/<name>.yaml        Application
    infrastructure/teams/<team>/dashboards/<name>.yaml          Dashboard of a service; _team.yaml is the team's own
    infrastructure/teams/<team>/databases/<namespace>.<name>.yaml  a database, its backups and who may call it
    infrastructure/teams/<team>/clones/<name>/                  an environment that expires: all of it

All names were checked to be RFC 1123 labels, so no path leads elsewhere.
"""

TEAMS = "infrastructure/teams"
CLONE_ENVIRONMENT_FILE = "environment.yaml"
"""In a clone's folder: its Namespace, which says when it ends."""


def project_file(team: str) -> str:
    """Path of the team's AppProject."""
    return f"{TEAMS}/{team}/project.yaml"


def team_file(team: str, name: str) -> str:
    """Path of a file of the team itself: `namespace.yaml`, `application-set.yaml`, `catalog-info.yaml`."""
    return f"{TEAMS}/{team}/{name}"


def applications_folder(team: str) -> str:
    """The folder of the team's applications."""
    return f"{TEAMS}/{team}/applications"


def namespaces_folder(team: str) -> str:
    """The folder of the team's namespaces."""
    return f"{TEAMS}/{team}/namespaces"


def namespace_file(team: str, namespace: str) -> str:
    """Path of a namespace."""
    return f"{TEAMS}/{team}/namespaces/{namespace}.yaml"


def application_file(team: str, name: str) -> str:
    """Path of an application."""
    return f"{TEAMS}/{team}/applications/{name}.yaml"


def dashboard_file(team: str, service: str | None) -> str:
    """Path of a service's dashboard, or of the team's: no service has a name that begins with an underscore."""
    return f"{TEAMS}/{team}/dashboards/{service or '_team'}.yaml"


def database_file(team: str, namespace: str, name: str) -> str:
    """Path of a database; the name holds the namespace, since two services may call theirs the same."""
    return f"{TEAMS}/{team}/databases/{namespace}.{name}.yaml"


def clone_folder(team: str, name: str) -> str:
    """Path of everything that is an environment's."""
    return f"{TEAMS}/{team}/clones/{name}"


def clone_namespace(name: str) -> str:
    """The namespace of an environment."""
    return f"clone-{name}"
