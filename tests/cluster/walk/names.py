"""Who and what the chapters are about."""

from typing import Any

Json = dict[str, Any]
TEAM, SERVICE, ADOPTED, CLONE = "pathfinders", "compass", "sextant", "atlas"
OWNER, COMPONENT = f"group:default/{TEAM}", f"component:default/{SERVICE}"
GITOPS = ("cartographers", "gitops")
ROOT = "cartography"
FOLDER = f"infrastructure/teams/{TEAM}"
HERE, THERE, CLONED, LIVE = f"{SERVICE}-development", f"{SERVICE}-production", f"clone-{CLONE}", f"{ADOPTED}-live"
CLAIM = "/apis/database.understage.io/v1alpha1/namespaces/{}/postgresqlinstances/compass-db"
PRIVILEGED: Json = {
    "name": "debug",
    "image": "registry.example.com/pathfinders/debug:1.0.0",
    "securityContext": {"privileged": True},
}
