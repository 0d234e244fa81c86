"""A git forge: Gitea with an administrator, on SQLite, over HTTP.

Gitea refuses to run as root; where we are root it runs as `nobody` from a copy that `nobody` can read. Its pages are
served without their styles (those are built by a tool chain that the bench does without). Argo CD reads repositories
from it, actions publish to it, tests look into it.
"""

import base64
import os
import pwd
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx
from tests.cluster import tools
from tests.cluster.bench.http import answers, open_client
from tests.cluster.bench.process import BenchError, Process, free_port, running, wait_for
from tests.cluster.tools import Report

START_SECONDS = 60.0
COMMAND_SECONDS = 120.0

SETTINGS = """\
APP_NAME = Gitea of the bench
RUN_MODE = prod
WORK_PATH = {folder}
[server]
PROTOCOL = http
HTTP_ADDR = 127.0.0.1
HTTP_PORT = {port}
DOMAIN = 127.0.0.1
ROOT_URL = http://127.0.0.1:{port}/
LOCAL_ROOT_URL = http://127.0.0.1:{port}/
STATIC_ROOT_PATH = {static}
DISABLE_SSH = true
OFFLINE_MODE = true
[security]
INSTALL_LOCK = true
SECRET_KEY = {secret}
MIN_PASSWORD_LENGTH = 6
[database]
DB_TYPE = sqlite3
PATH = {folder}/gitea.db
[repository]
ROOT = {folder}/repositories
DEFAULT_BRANCH = main
ENABLE_PUSH_CREATE_USER = true
ENABLE_PUSH_CREATE_ORG = true
[service]
DISABLE_REGISTRATION = true
[oauth2]
ENABLED = false
[actions]
ENABLED = false
[packages]
ENABLED = true
[mailer]
ENABLED = false
[picture]
DISABLE_GRAVATAR = true
[webhook]
ALLOWED_HOST_LIST = loopback
[session]
PROVIDER = memory
[log]
MODE = console
LEVEL = Warn
"""


@dataclass(frozen=True)
class Gitea:
    """A running Gitea. The administrator reaches every repository, with password or token."""

    url: str
    username: str
    password: str
    token: str
    folder: Path
    http: httpx.Client = field(repr=False, kw_only=True)
    prepared: "_Prepared" = field(repr=False, kw_only=True)
    processes: list[Process] = field(default_factory=list)

    @classmethod
    @contextmanager
    def running(cls, folder: Path, report: Report = print) -> Iterator[Self]:
        """Start a Gitea that keeps its data and log in `folder`, end it on leaving. BenchError when it fails.

        Every folder above `folder` must be open to `nobody` when we are root.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        report("gitea: starting")
        port = free_port()
        url, username, password = f"http://127.0.0.1:{port}", "bench", secrets.token_hex(12)
        prepared = _prepare(folder, port)
        prepared.run("migrate")
        prepared.run(
            "admin", "user", "create", "--admin", "--must-change-password=false",
            "--username", username, "--password", password, "--email", f"{username}@example.com",
        )  # fmt: skip
        web = running(
            "gitea",
            [prepared.binary, "web", "-c", prepared.settings],
            folder,
            environment=prepared.environment,
            user=prepared.user,
        )
        with open_client() as http, web as process:
            process.wait_until(lambda: answers(http, f"{url}/api/healthz"), START_SECONDS)
            token = _create_token(http, url, username, password)
            report(f"gitea: ready at {url}")
            yield cls(url, username, password, token, folder, http=http, prepared=prepared, processes=[process])

    @property
    def api(self) -> str:
        """The base URL of the REST API."""
        return f"{self.url}/api/v1"

    @property
    def host(self) -> str:
        """Host and port, as `integrations.gitea` names it."""
        return self.url.removeprefix("http://")

    def request(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """Send a request to the REST API as the administrator; `path` begins with / below `/api/v1`.

        `arguments` are httpx's; `headers` may carry another `Authorization`. Raises for nothing.
        """
        headers = {"Authorization": f"token {self.token}", **(arguments.pop("headers", None) or {})}
        return self.http.request(method, self.api + path, headers=headers, **arguments)

    def create_user(self, name: str, password: str = "password") -> None:
        """Create a user without rights, who signs in with this password."""
        body = {"username": name, "password": password, "email": f"{name}@example.com", "must_change_password": False}
        self._create("/admin/users", body)

    def create_organization(self, name: str) -> None:
        """Create an organization, owned by the administrator."""
        self._create("/orgs", {"username": name})

    def create_repository(self, owner: str, name: str, *, private: bool = True) -> None:
        """Create an empty repository of a user or an organization, with the default branch `main`."""
        body = {"name": name, "private": private, "default_branch": "main"}
        of_organization = self.request("GET", f"/orgs/{owner}").is_success
        self._create(f"/orgs/{owner}/repos" if of_organization else f"/admin/users/{owner}/repos", body)

    def commit(self, owner: str, name: str, files: Mapping[str, str], message: str, *, branch: str = "main") -> None:
        """Commit files (path -> text), new or changed, to a branch of a repository."""
        changes = []
        for path, text in files.items():
            known = self.request("GET", f"/repos/{owner}/{name}/contents/{path}", params={"ref": branch})
            change = {"operation": "create", "path": path, "content": base64.b64encode(text.encode()).decode()}
            if known.is_success:
                change |= {"operation": "update", "sha": known.json()["sha"]}
            changes.append(change)
        self._create(f"/repos/{owner}/{name}/contents", {"branch": branch, "message": message, "files": changes})

    def read(self, owner: str, name: str, path: str, *, branch: str = "main") -> str | None:
        """The text of a file in a repository; None when the file or the repository is not there."""
        file = f"/repos/{owner}/{name}/raw/{path}"
        answer = self.request("GET", file, params={"ref": branch})
        if not answer.is_success:
            self.settle()
            answer = self.request("GET", file, params={"ref": branch})
        return answer.text if answer.is_success else None

    def tree(self, owner: str, name: str, *, branch: str = "main") -> set[str]:
        """The paths of all files of a branch."""
        answer = self.request("GET", f"/repos/{owner}/{name}/git/trees/{branch}", params={"recursive": "true"})
        return {item["path"] for item in answer.json()["tree"] if item["type"] == "blob"}

    def merge(self, owner: str, name: str, number: int | str, *, seconds: float = 60) -> None:
        """Merge a pull request, as soon as it has been looked at. BenchError when it cannot be merged."""
        path = f"/repos/{owner}/{name}/pulls/{number}/merge"

        def merged() -> bool | None:
            return self.request("POST", path, json={"Do": "merge"}).is_success or None

        wait_for(f"the merge of {owner}/{name}#{number}", merged, seconds)

    def settle(self) -> None:
        """Wait until it has worked through the pushes it took: before that it calls a repository empty that is not."""
        self.prepared.run("manager", "flush-queues")

    def clone_url(self, owner: str, name: str, *, with_credentials: bool = False) -> str:
        """The URL to clone from and push to; with the administrator's token in it when asked."""
        identity = f"{self.username}:{self.token}@" if with_credentials else ""
        return f"http://{identity}{self.host}/{owner}/{name}.git"

    def _create(self, path: str, body: Mapping[str, Any]) -> None:
        answer = self.request("POST", path, json=body)
        if answer.is_error:
            raise BenchError(f"gitea refused POST {path}: {answer.status_code} {answer.text}")


@dataclass(frozen=True)
class _Prepared:
    """What is needed to run Gitea's commands."""

    binary: Path
    settings: Path
    folder: Path
    environment: dict[str, str]
    user: tuple[int, int] | None

    def run(self, *arguments: str) -> None:
        ran = subprocess.run(
            [str(self.binary), *arguments, "-c", str(self.settings)],
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "HOME": str(self.folder), **self.environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
            user=self.user[0] if self.user else None,
            group=self.user[1] if self.user else None,
            extra_groups=[] if self.user else None,
        )
        if ran.returncode:
            raise BenchError(f"gitea {arguments[0]} failed with exit code {ran.returncode}\n{ran.stdout}{ran.stderr}")


def _prepare(folder: Path, port: int) -> _Prepared:
    """Write the settings; where we are root, copy what `nobody` could not read and give it the folder."""
    binary, static = tools.binary("gitea"), tools.data("gitea", "")
    user = None
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        user = (nobody.pw_uid, nobody.pw_gid)
        static = shutil.copytree(static, folder / "static")
        binary = Path(shutil.copy(binary, folder / "gitea"))
    settings = folder / "app.ini"
    settings.write_text(SETTINGS.format(folder=folder, port=port, static=static, secret=secrets.token_hex(32)))
    if user:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, *user)
    return _Prepared(binary, settings, folder, {"GITEA_WORK_DIR": str(folder)}, user)


def _create_token(http: httpx.Client, url: str, username: str, password: str) -> str:
    answer = http.post(
        f"{url}/api/v1/users/{username}/tokens", json={"name": "bench", "scopes": ["all"]}, auth=(username, password)
    )
    if answer.is_error:
        raise BenchError(f"gitea gave no token: {answer.status_code} {answer.text}")
    return str(answer.json()["sha1"])
