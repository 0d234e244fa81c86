"""What is there before the walk begins, and what is taken away after it."""

from pathlib import Path

from tests.cluster.bench import Platform
from tests.cluster.walk.names import ADOPTED, CLONED, GITOPS, HERE, LIVE, ROOT, SERVICE, TEAM, THERE

from understage.sdk.yaml import dump


def write_config(platform: Platform, folder: Path) -> Path:
    """What connects the service to the bench; what it does now and then, it does often."""
    config = platform.app_config()
    config["understage"] |= {
        "gitops": {"repoUrl": f"{platform.gitea.host}?owner={GITOPS[0]}&repo={GITOPS[1]}"},
        "vault": {"server": "https://vault.example.com:8200"},
        "environments": {"expireEvery": {"seconds": 3}},
        "measures": {"frequency": {"seconds": 1}},
    }
    file = folder / "platform.yaml"
    file.write_text(dump(config))
    return file


def leave(platform: Platform) -> None:
    """Take away what would go on looking at this test's repositories."""
    cluster = platform.cluster
    objects = f"/apis/argoproj.io/v1alpha1/namespaces/{platform.argocd.namespace}"
    cluster.delete(f"{objects}/applications/{ROOT}")
    cluster.delete(f"{objects}/applicationsets/{TEAM}")
    for name in (HERE, THERE, f"{SERVICE}-{CLONED}", f"{ADOPTED}-production"):
        cluster.delete(f"{objects}/applications/{name}", seconds=90)
    for name in (TEAM, HERE, THERE, CLONED, LIVE):
        cluster.request("DELETE", f"/api/v1/namespaces/{name}")
