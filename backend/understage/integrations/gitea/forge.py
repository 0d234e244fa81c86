"""Gitea as a forge: repositories and pull requests by its REST API (`/api/v1`, Gitea 1.25)."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from understage.errors import ConflictError, ForeignError, InputError, NotAllowedError, NotFoundError
from understage.integrations.gitea.credentials import authorization
from understage.model.path_segment import path_segment
from understage.platform.http import Answer, HttpClient
from understage.sdk.ports import GitCredentials, PullRequest, Repository

PAGE = 50
MOST_PAGES = 100


@dataclass(frozen=True)
class GiteaForge:
    """Implements `understage.sdk.Forge`. A password without username is an access token."""

    http: HttpClient
    host: str
    base_url: str
    username: str | None = None
    password: str | None = None
    type: str = "gitea"

    @property
    def credentials(self) -> GitCredentials | None:
        """What git signs in with; Gitea takes a token for the password of any user name."""
        return GitCredentials(self.username or "git", self.password) if self.password else None

    async def get_repository(self, owner: str, name: str) -> Repository | None:
        """The repository, or None (also when it is private and our account may not see it)."""
        answer = await self._ask("GET", f"/repos/{_part(owner)}/{_part(name)}")
        if answer.status == 404:
            return None
        return self._repository(self._object(answer, f"reading {owner}/{name}"))

    async def create_repository(
        self, owner: str, name: str, *, description: str = "", private: bool = True, default_branch: str = "main"
    ) -> Repository:
        """Create an empty repository of an organization, or of the account the integration signs in as."""
        body = {
            "name": name,
            "description": description,
            "private": private,
            "default_branch": default_branch,
            "auto_init": False,
        }
        path = f"/orgs/{_part(owner)}/repos" if await self._is_organization(owner) else "/user/repos"
        answer = await self._ask("POST", path, body)
        if answer.status == 409:
            raise ConflictError(f"The repository {owner}/{name} exists on {self.host} already: choose another name")
        return self._repository(self._object(answer, f"creating the repository {owner}/{name}"))

    async def open_pull_request(
        self, owner: str, name: str, *, title: str, body: str, source_branch: str, target_branch: str
    ) -> PullRequest:
        """Open a pull request, or return the open one of the same branches."""
        pulls = f"/repos/{_part(owner)}/{_part(name)}/pulls"
        wanted = {"title": title, "body": body, "head": source_branch, "base": target_branch}
        answer = await self._ask("POST", pulls, wanted)
        if answer.status == 409:
            answer = await self._ask("GET", f"{pulls}/{_part(target_branch)}/{_part(source_branch)}")
        found = self._object(answer, f"opening a pull request of {source_branch} in {owner}/{name}")
        return PullRequest(number=int(found["number"]), url=str(found["html_url"]))

    async def branch_heads(self, owner: str, name: str) -> dict[str, str]:
        """The commit of each branch."""
        heads: dict[str, str] = {}
        for page in range(1, MOST_PAGES + 1):
            path = f"/repos/{_part(owner)}/{_part(name)}/branches?limit={PAGE}&page={page}"
            answer = await self._ask("GET", path)
            if answer.status >= 300:
                self._object(answer, f"reading the branches of {owner}/{name}")
            found = answer.json() or []
            heads |= {str(branch["name"]): str(branch["commit"]["id"]) for branch in found}
            if len(found) < PAGE:
                break
        return heads

    async def delete_repository(self, owner: str, name: str) -> None:
        """Delete it, and all that is in it."""
        answer = await self._ask("DELETE", f"/repos/{_part(owner)}/{_part(name)}")
        if answer.status >= 300:
            self._object(answer, f"deleting the repository {owner}/{name}")

    def plan_repository(self, owner: str, name: str, *, default_branch: str = "main") -> Repository:
        """The repository as it would be."""
        # Built of the configured address: Gitea's own URLs are those of its ROOT_URL, which may be another.
        web_url = f"{self.base_url}/{_part(owner)}/{_part(name)}"
        return Repository(
            owner=owner, name=name, default_branch=default_branch, clone_url=f"{web_url}.git", web_url=web_url
        )

    def contents_url(self, repository: Repository, branch: str, path: str = "") -> str:
        """The page of a file or folder; Gitea wants branches with a slash as they are."""
        return f"{repository.web_url}/src/branch/{quote(branch)}/{quote(path.lstrip('/'))}"

    async def _is_organization(self, owner: str) -> bool:
        """False for our own account. Raises NotFoundError for any other owner that is no organization."""
        if (await self._ask("GET", f"/orgs/{_part(owner)}")).status == 200:
            return True
        account = self._object(await self._ask("GET", "/user"), "asking who we are")
        if str(account.get("login", "")).lower() == owner.lower():
            return False
        raise NotFoundError(
            f"Organization {owner} does not exist on {self.host}, or {account.get('login')} may not see it: create it first"
        )

    async def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Answer:
        known = authorization(self.username, self.password)
        headers = {"Accept": "application/json", **({"Authorization": known} if known else {})}
        try:
            return await self.http.request(method, f"{self.base_url}/api/v1{path}", headers=headers, json=body)
        except ForeignError as error:
            raise ForeignError(
                f"The forge {self.host} does not answer: {error.message}. "
                "Check that it runs and that its entry under integrations.gitea names its address"
            ) from error

    def _object(self, answer: Answer, doing: str) -> dict[str, Any]:
        """The JSON object of a success. Raises the error that the status means, in Gitea's words."""
        if answer.status < 300:
            found = answer.json()
            if isinstance(found, dict):
                return found
            raise ForeignError(f"{self.host} failed at {doing}: the answer is no object")
        said = _message(answer)
        text = f"{self.host} refused {doing}: {answer.status} {said}".rstrip()
        if answer.status in (401, 403):
            raise NotAllowedError(f"{text}. Check username and password of {self.host} under integrations.gitea")
        if answer.status == 404:
            raise NotFoundError(text)
        if answer.status in (400, 422):
            raise InputError(text)
        if answer.status in (409, 423):
            raise ConflictError(text)
        raise ForeignError(text)

    def _repository(self, found: dict[str, Any]) -> Repository:
        branch = str(found.get("default_branch") or "main")
        return self.plan_repository(str(found["owner"]["login"]), str(found["name"]), default_branch=branch)


def create_gitea_forge(
    http: HttpClient,
    *,
    host: str,
    base_url: str | None = None,
    username: str | None = None,
    password: str | None = None,
) -> GiteaForge:
    """The forge of one entry of `integrations.gitea`. Raises InputError for a base URL that is no web address."""
    base = (base_url or f"https://{host}").rstrip("/")
    if urlsplit(base).scheme not in ("http", "https"):
        raise InputError(f"integrations.gitea: baseUrl of {host} must be an http or https URL")
    return GiteaForge(http, host, base, username, password)


def _part(text: str) -> str:
    """One segment of a path. Raises InputError for one that would be more."""
    return path_segment(text, "is no name of an owner, repository or branch")


def _message(answer: Answer) -> str:
    try:
        found = answer.json()
    except ForeignError:
        return ""
    return str(found.get("message", ""))[:500] if isinstance(found, dict) else ""
