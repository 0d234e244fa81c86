"""The platform's own Application over the folder of teams, for the bench's repository, cluster and project."""

from pathlib import Path
from typing import Any

import yaml
from tests.cluster.bench.platform import Platform

FILE = Path(__file__).parents[3] / "skeletons" / "new-team" / "root-application.yaml"


def root_application(platform: Platform, repository: tuple[str, str], *, name: str) -> dict[str, Any]:
    """The one that platforms begin with, called `name`, over the GitOps `repository` (owner, name)."""
    found: dict[str, Any] = yaml.load(FILE.read_bytes(), Loader=yaml.CSafeLoader)
    found["metadata"]["name"] = name
    found["spec"]["source"]["repoURL"] = platform.gitea.clone_url(*repository)
    found["spec"]["destination"]["server"] = platform.argocd.destination
    found["spec"]["project"] = "default"
    return found
