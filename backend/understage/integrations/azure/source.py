"""Reading files from Azure DevOps by its git items API. Its URLs name path and ref in the query."""

from collections.abc import Sequence
from posixpath import normpath
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urljoin, urlsplit

from understage.config.integration_settings import AzureCredential
from understage.errors import ForeignError, InputError, NotFoundError
from understage.integrations.azure.identity import AzureIdentity
from understage.integrations.reader.archive import unpack_zip
from understage.integrations.reader.authorization import basic
from understage.integrations.reader.forge_source import Archive, ForgeSource, PageUrl, Request, text_at
from understage.integrations.reader.leased_token import LeasedToken
from understage.integrations.reader.path import check_file_path
from understage.platform.http import Answer, HttpClient

DEVOPS_SCOPE = "499b84ac-1321-427f-aa17-267ca6975798"
"""The resource that Azure DevOps is to Entra ID."""
_VERSIONS = {"GB": "branch", "GT": "tag"}


class AzureSource(ForgeSource):
    """One host of `integrations.azure`; requests go over https only, so that no token travels in the clear."""

    def __init__(
        self, http: HttpClient, *, host: str = "dev.azure.com", credentials: Sequence[AzureCredential] = ()
    ) -> None:
        super().__init__(http, host, f"https://{host}")
        self._credentials: dict[str | None, AzureCredential] = {}
        for credential in credentials:
            for organization in credential.organizations or (None,):
                self._credentials.setdefault(organization and organization.lower(), credential)
        self._leases: dict[int, LeasedToken] = {}

    def parse(self, url: str) -> PageUrl:
        """`https://host/[tfs/]org/project/_git/repo?path=/x&version=GB<branch>`; the project may be left out.

        `project` of the result is `<owner>/<project>/<repo>`, without the owner on visualstudio.com hosts.
        """
        parts = urlsplit(url)
        segments = [check_file_path(segment) for segment in parts.path.split("/") if segment]
        place = segments.index("_git") if "_git" in segments else 0
        if place < 1 or place > 3 or len(segments) != place + 2 or not all(segments):
            raise InputError(f"Azure URL must point to a git repository: {url}")
        before, repository = segments[:place], segments[place + 1]
        if not parts.hostname or not parts.hostname.endswith(".visualstudio.com"):
            before = [*before, repository] if len(before) == 1 else before
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        version = query.get("version") or None
        if version is not None and version[:2] not in _VERSIONS:
            raise InputError("Azure URL version must point to a git branch or git tag")
        path = check_file_path(quote(query.get("path", "")))
        return PageUrl("/".join([*before, repository]), version, path, parts._replace(query="").geturl())

    async def sign_in(self, page: PageUrl) -> str | None:
        """A token of Entra ID for the organization, where its credential is no personal access token."""
        credential = self._credential(page)
        if credential is None or credential.personal_access_token:
            return None
        lease = self._leases.get(id(credential))
        if lease is None:
            identity = AzureIdentity(
                self.http,
                tenant_id=credential.tenant_id,
                client_id=credential.client_id,
                client_secret=credential.client_secret,
                managed_identity_client_id=credential.managed_identity_client_id,
            )
            lease = self._leases[id(credential)] = LeasedToken(lambda: identity.fetch_token(DEVOPS_SCOPE))
        return await lease.get()

    def file_request(self, page: PageUrl, token: str | None) -> Request:
        """The items API."""
        query = [("api-version", "6.0"), ("path", f"/{page.path}"), *_version(page, "versionDescriptor")]
        return Request(f"{self._repository(page)}/items?{_encode(query)}", self._headers(page, token))

    def commit_request(self, page: PageUrl, token: str | None) -> Request:
        """The newest commits of the ref."""
        query = [("api-version", "6.0"), *_version(page, "searchCriteria.itemVersion")]
        return Request(f"{self._repository(page)}/commits?{_encode(query)}", self._headers(page, token))

    def commit(self, answer: Answer) -> str:
        """The first one's `commitId`."""
        content = answer.json()
        if isinstance(content, dict) and content.get("value") == []:
            raise NotFoundError("the repository has no such ref, or no commits")
        found = text_at(content, "value", 0, "commitId")
        if found is None:
            raise ForeignError(f"{self.host} answered without commits")
        return found

    def archive(self, page: PageUrl, commit: str, below: str, token: str | None) -> Archive:
        """A zip of the folder; its names begin with the folder's own, if it is not the root."""
        query = [("recursionLevel", "full"), ("download", "true"), ("api-version", "6.0")]
        query += [("scopePath", f"/{below}")] if below else []
        query += _version(page, "versionDescriptor")
        headers = {**self._headers(page, token), "Accept": "application/zip"}
        request = Request(f"{self._repository(page)}/items?{_encode(query)}", headers)
        return Archive(request, "", strip=1 if below else 0, unpack=unpack_zip)

    def has_failed(self, answer: Answer) -> bool:
        """203 is the page to sign in at."""
        return answer.status >= 400 or answer.status == 203

    def file_url(self, page: PageUrl, name: str) -> str:
        """The page with another path."""
        return f"{page.head}?{_encode([('path', f'/{name}'), *([('version', page.ref)] if page.ref else [])])}"

    def resolve_url(self, url: str, base: str) -> str:
        """Inside of the path in the query."""
        try:
            page = self.parse(base)
        except InputError:
            return urljoin(base, url)
        path = unquote(urljoin(f"https://a/{quote(page.path)}", url).removeprefix("https://a").partition("?")[0])
        resolved = normpath("/" + path.lstrip("/")) + ("/" if path.endswith("/") and path != "/" else "")
        return _with_query(base, "path", resolved)

    def edit_url(self, url: str) -> str | None:
        """The page in its edit mode."""
        try:
            page = self.parse(url)
        except InputError:
            return url
        return _with_query(url, "_a", "edit") if page.path else url

    def _repository(self, page: PageUrl) -> str:
        *before, repository = page.project.split("/")
        base = "/".join([self.api_base_url, *(quote(part, safe="") for part in before)])
        return f"{base}/_apis/git/repositories/{quote(repository, safe='')}"

    def _headers(self, page: PageUrl, token: str | None) -> dict[str, str]:
        if token:
            return {"Authorization": f"Bearer {token}"}
        credential = self._credential(page)
        known = credential.personal_access_token if credential else None
        return {"Authorization": basic("", known)} if known else {}

    def _credential(self, page: PageUrl) -> AzureCredential | None:
        first, *others = page.project.split("/")
        organization = others[0] if first == "tfs" and others else first
        return self._credentials.get(organization.lower()) or self._credentials.get(None)


def _version(page: PageUrl, prefix: str) -> list[tuple[str, str]]:
    if page.ref is None:
        return []
    return [(f"{prefix}.version", page.ref[2:]), (f"{prefix}.versionType", _VERSIONS[page.ref[:2]])]


def _encode(query: Sequence[tuple[str, str]]) -> str:
    return "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in query)


def _with_query(url: str, name: str, value: str) -> str:
    """The URL with one parameter set, where it stands or at the end."""
    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    changed = [(key, value if key == name else old) for key, old in query]
    if all(key != name for key, _ in query):
        changed.append((name, value))
    return parts._replace(query=_encode(changed)).geturl()
