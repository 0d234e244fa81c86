"""The repository of requests of the guide, and its CI job: the shell commands of `docs/guides/cli.md`, one after the other."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.cluster.bench import Gitea
from tests.docs.markdown import ROOT, Page

from understage.sdk.yaml import dump

EXAMPLE = ROOT / "docs/examples/by-git"
CHECK, RUN, POLICIES = (
    block.text.strip() for block in Page(ROOT / "docs/guides/cli.md").blocks if block.language == "shell"
)
AUTHOR = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
OPTIONAL = ("CATALOG_URL", "CATALOG_TOKEN", "ARGOCD_URL", "ARGOCD_TOKEN", "KUBECONFIG")
Done = subprocess.CompletedProcess[str]


class Requests:
    """A clone of the repository of requests; `environment` is what the job is given, here for the forge alone."""

    def __init__(self, folder: Path, gitea: Gitea, helm: Path) -> None:
        self.folder = folder
        shutil.copytree(EXAMPLE, folder)
        (folder / "platform").mkdir()
        (folder / "platform" / "skeletons").symlink_to(ROOT / "skeletons")
        self.git("init", "-q", "-b", "main")
        self.git("add", ".", ":!requests")
        self.git(*AUTHOR, "commit", "-qm", "Begin")
        self.environment = {
            **{name: value for name, value in os.environ.items() if name not in OPTIONAL},
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), str(helm.parent), os.environ["PATH"]]),
            "BASE": "HEAD~1",
            "FORGE_HOST": gitea.host,
            "FORGE_URL": gitea.url,
            "FORGE_USER": gitea.username,
            "FORGE_TOKEN": gitea.password,
        }

    def git(self, *arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=self.folder, check=True, capture_output=True)

    def commit(self, message: str) -> None:
        self.git("add", ".")
        self.git(*AUTHOR, "commit", "-qm", message)

    def ask(self, template: str, name: str, values: Mapping[str, Any]) -> None:
        """Write a request, to be committed."""
        file = self.folder / "requests" / template / f"{name}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dump(values))

    def run(self, command: str, **environment: str) -> Done:
        """What CI does; all that is told stands in its `stdout`."""
        return subprocess.run(
            ["sh", "-c", command],
            cwd=self.folder,
            env={**self.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=240,
        )
