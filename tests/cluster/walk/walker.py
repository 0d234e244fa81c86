"""A service of the platform, and the eyes of whoever stands outside. The chapters walk with it."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx
from tests.cluster.bench import Platform
from tests.cluster.bench.process import BenchError, wait_for
from tests.portal.service import EndedTask, guest_token, run_template

Json = dict[str, Any]
Answer = TypeVar("Answer")


class Walk:
    """`gitops` is the repository of what runs where (owner, name), `root` the Application that reads it."""

    def __init__(self, platform: Platform, url: str, gitops: tuple[str, str], root: str) -> None:
        self.platform, self.url, self.gitops, self.root = platform, url, gitops, root
        self.gitea, self.cluster, self.argocd = platform.gitea, platform.cluster, platform.argocd
        self.began = time.monotonic()
        self.refused = ""  # what Argo CD last said to `look_again`, if it did not

    def tell(self, what: str) -> None:
        print(f"{time.monotonic() - self.began:6.1f} s  {what}")

    def run(self, template: str, **values: Any) -> EndedTask:
        """Run a template to its good end."""
        ended = run_template(self.url, template, values)
        assert ended.status == "completed", ended.log
        self.tell(f"{template} completed")
        return ended

    def ask(self, path: str) -> Any:
        """An answer of the service."""
        headers = {"Authorization": f"Bearer {guest_token(self.url)}"}
        answer = httpx.get(f"{self.url}{path}", headers=headers, trust_env=False, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def command(self, *arguments: str) -> Json:
        """What the installed command tells programs, asked of the service as a guest; it must be content."""
        command = [str(Path(sys.executable).with_name("understage")), *arguments, "--url", self.url, "--json"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        told: Json = json.loads(done.stdout)
        return told

    def entity(self, kind: str, name: str) -> Json | None:
        """An entity of the catalog; None when it is not there."""
        headers = {"Authorization": f"Bearer {guest_token(self.url)}"}
        path = f"{self.url}/api/catalog/entities/by-name/{kind}/default/{name}"
        answer = httpx.get(path, headers=headers, trust_env=False, timeout=30)
        return answer.json() if answer.status_code == 200 else None

    def order(self, path: str, body: Json) -> None:
        headers = {"Authorization": f"Bearer {guest_token(self.url)}"}
        answer = httpx.post(f"{self.url}{path}", json=body, headers=headers, trust_env=False, timeout=30)
        assert answer.is_success, answer.text

    def see(self, path: str, seconds: float = 120) -> Json:
        """An object of the cluster, as soon as it is there; Argo CD is told to look, as a webhook of the forge would."""

        def look() -> Json | None:
            found = self.cluster.get(path)
            if found is None:
                self.look_again()
            return found

        return self._wait_for(path, look, seconds)

    def miss(self, path: str, seconds: float = 120) -> None:
        """Wait until an object of the cluster is gone."""

        def look() -> bool | None:
            self.look_again()
            return True if self.cluster.get(path) is None else None

        self._wait_for(f"the end of {path}", look, seconds)

    def _wait_for(self, what: str, look: Callable[[], Answer | None], seconds: float) -> Answer:
        """Wait for what Argo CD does; a BenchError has its reasons not to."""
        try:
            return wait_for(what, look, seconds)
        except BenchError as error:
            reasons = self.argocd.reasons(self.root)
            raise BenchError(f"{error}; application {self.root}: {reasons}{self.refused}") from None

    def look_again(self, name: str | None = None) -> None:
        """Tell Argo CD to look at the folder of teams, or at another Application."""
        path = f"/api/v1/applications/{name or self.root}"
        answer = self.argocd.request("GET", path, params={"refresh": "normal"})
        self.refused = f"; to look again was refused: {answer.status_code} {answer.text}" if answer.is_error else ""
        time.sleep(0.5)

    def merge(self, url: str) -> None:
        """Merge the pull request that a task's output names."""
        owner, name, _, number = url.removeprefix(f"{self.gitea.url}/").split("/")
        self.gitea.merge(owner, name, number)

    def merge_of(self, ended: EndedTask, title: str) -> None:
        self.merge(ended.link(title))

    def of_git(self, path: str) -> str:
        """A file of the GitOps repository."""
        text = self.gitea.read(*self.gitops, path)
        assert text is not None, path
        return text

    def deployment(self, namespace: str, name: str) -> Json:
        return self.see(f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}")
