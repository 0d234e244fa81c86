"""The forges' sources beyond single files: who signs in with what, folders, globs, etags, failures, and every attack on each."""

import base64
import io
import json
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from understage.config.backend_settings import Reading
from understage.config.integration_settings import IntegrationSettings
from understage.errors import ForeignError, InputError, NotAllowedError, NotFoundError, UnderstageError
from understage.integrations.reader.readers import UrlReaders
from understage.integrations.sources import create_readers
from understage.platform.http import HttpClient

HASH = "0123456789012345678901234567890123456789"
FILES = {"catalog-info.yaml": b"root", "a/catalog-info.yaml": b"A", "b/catalog-info.yaml": b"B", "b/x.txt": b"x"}


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


def tar(files: Mapping[str, bytes], top: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(top + name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def zipped(files: Mapping[str, bytes], top: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(top + name, data)
    return buffer.getvalue()


@dataclass(frozen=True)
class Kind:
    """One forge: a page URL with `{}` for the path, and how it answers for a commit and an archive of the root."""

    page: str
    authorization: str
    file: str
    commit: str
    newest: object
    archive: str
    etag: str
    body: Callable[[bytes], bytes] = lambda content: content
    pack: Callable[[Mapping[str, bytes], str], bytes] = tar
    top: str = "top/"
    prefix: bytes = b""
    header: str = "authorization"
    found: str = ""
    settings: Mapping[str, object] = field(default_factory=dict)

    @property
    def host(self) -> str:
        return self.page.split("/")[2]

    def url(self, path: str) -> str:
        return self.page.replace("{}", path)

    def found_url(self, path: str) -> str:
        return (self.found or self.page).replace("{}", path)


AZURE = "https://dev.azure.com/org/project/_apis/git/repositories/repo"
BRANCH = "versionDescriptor.version=main&versionDescriptor.versionType=branch"
HARNESS = "https://harness.org/gateway/code/api/v1/repos/acc/o/p/r/+"
KINDS = {
    "azure": Kind(
        page="https://dev.azure.com/org/project/_git/repo?path=/{}&version=GBmain",
        found="https://dev.azure.com/org/project/_git/repo?path=%2F{}&version=GBmain",
        settings={"azure": [{"credentials": [{"personalAccessToken": " pat ", "organizations": ["org"]}]}]},
        authorization=basic(":pat"),
        file=f"{AZURE}/items?api-version=6.0&path=%2Fcatalog-info.yaml&{BRANCH}",
        commit=f"{AZURE}/commits?api-version=6.0&searchCriteria.itemVersion.version=main&searchCriteria.itemVersion.versionType=branch",
        newest={"value": [{"commitId": HASH}]},
        archive=f"{AZURE}/items?recursionLevel=full&download=true&api-version=6.0&{BRANCH}",
        etag=HASH,
        pack=zipped,
        top="",
    ),
    "bitbucketCloud": Kind(
        page="https://bitbucket.org/o/r/src/main/{}",
        settings={"bitbucketCloud": [{"username": "bot", "appPassword": "pw"}]},
        authorization=basic("bot:pw"),
        file="https://api.bitbucket.org/2.0/repositories/o/r/src/main/catalog-info.yaml",
        commit="https://api.bitbucket.org/2.0/repositories/o/r/commits/main",
        newest={"values": [{"hash": HASH}]},
        archive=f"https://bitbucket.org/o/r/get/{HASH[:12]}.tar.gz",
        etag=HASH[:12],
    ),
    "bitbucketServer": Kind(
        page="https://bb.org/projects/P/repos/r/browse/{}?at=main",
        settings={"bitbucketServer": [{"host": "bb.org", "token": "secret"}]},
        authorization="Bearer secret",
        file="https://bb.org/rest/api/1.0/projects/P/repos/r/raw/catalog-info.yaml?at=main",
        commit="https://bb.org/rest/api/1.0/projects/P/repos/r/commits?limit=1&until=main",
        newest={"values": [{"id": HASH}]},
        archive="https://bb.org/rest/api/1.0/projects/P/repos/r/archive?format=tgz&at=main&prefix=P-r",
        etag=HASH[:12],
        top="P-r/",
    ),
    "gerrit": Kind(
        page="https://gerrit.org/gitiles/web/p/+/refs/heads/main/{}",
        settings={
            "gerrit": [
                {
                    "host": "gerrit.org",
                    "gitilesBaseUrl": "https://gerrit.org/gitiles",
                    "username": "bot",
                    "password": "pw",
                }
            ]
        },
        authorization=basic("bot:pw"),
        file="https://gerrit.org/a/projects/web%2Fp/branches/main/files/catalog-info.yaml/content",
        commit="https://gerrit.org/a/projects/web%2Fp/branches/main",
        newest={"ref": "refs/heads/main", "revision": HASH},
        archive=f"https://gerrit.org/a/gitiles/web/p/+archive/{HASH}.tar.gz",
        etag=HASH,
        body=base64.b64encode,
        top="",
        prefix=b")]}'\n",
    ),
    "gitea": Kind(
        page="https://tea.org/o/r/src/branch/main/{}",
        settings={"gitea": [{"host": "tea.org", "password": "secret"}]},
        authorization="token secret",
        file="https://tea.org/api/v1/repos/o/r/contents/catalog-info.yaml?ref=main",
        commit="https://tea.org/api/v1/repos/o/r/git/commits/main?stat=false&files=false",
        newest={"sha": HASH},
        archive=f"https://tea.org/api/v1/repos/o/r/archive/{HASH}.tar.gz",
        etag=HASH,
        body=lambda content: json.dumps(
            {"type": "file", "encoding": "base64", "content": base64.b64encode(content).decode()}
        ).encode(),
    ),
    "github": Kind(
        page="https://github.com/o/r/blob/main/{}",
        settings={"github": [{"host": "github.com", "token": "secret"}]},
        authorization="Bearer secret",
        file="https://api.github.com/repos/o/r/contents/catalog-info.yaml?ref=main",
        commit="https://api.github.com/repos/o/r/commits/main",
        newest={"sha": HASH},
        archive=f"https://api.github.com/repos/o/r/tarball/{HASH}",
        etag=HASH,
    ),
    "gitlab": Kind(
        page="https://gitlab.com/g/p/-/blob/main/{}",
        settings={"gitlab": [{"token": "secret"}]},
        authorization="Bearer secret",
        file="https://gitlab.com/api/v4/projects/g%2Fp/repository/files/catalog-info.yaml/raw?ref=main",
        commit="https://gitlab.com/api/v4/projects/g%2Fp/repository/commits?per_page=1&ref_name=main",
        newest=[{"id": HASH}],
        archive=f"https://gitlab.com/api/v4/projects/g%2Fp/repository/archive.tar.gz?sha={HASH}",
        etag=HASH,
    ),
    "harness": Kind(
        page="https://harness.org/ng/account/acc/module/code/orgs/o/projects/p/repos/r/files/main/~/{}",
        settings={"harness": [{"host": "harness.org", "apiKey": "secret", "token": "other"}]},
        authorization="secret",
        header="x-api-key",
        file=f"{HARNESS}/raw/catalog-info.yaml?routingId=acc&git_ref=refs/heads/main",
        commit=f"{HARNESS}/content?routingId=acc&include_commit=true&git_ref=refs/heads/main",
        newest={"latest_commit": {"sha": HASH}},
        archive=f"{HARNESS}/archive/main.zip?routingId=acc",
        etag=HASH,
        pack=zipped,
        top="",
    ),
}
each_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


class Web:
    """Answers by URL, and what was asked."""

    def __init__(self, settings: Mapping[str, object]) -> None:
        self.answers: dict[str, httpx.Response] = {}
        self.asked: list[httpx.Request] = []
        self.settings = settings

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self.answers.get(str(request.url), httpx.Response(404))
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    def reader(self) -> UrlReaders:
        http = HttpClient(transport=httpx.MockTransport(self))
        return create_readers(IntegrationSettings.model_validate(self.settings), Reading(), http)


def serving(kind: Kind, files: Mapping[str, bytes] = FILES) -> Web:
    web = Web(kind.settings)
    web.answers[kind.file] = httpx.Response(200, content=kind.body(b"root"), headers={"etag": '"e1"'})
    web.answers[kind.commit] = httpx.Response(200, content=kind.prefix + json.dumps(kind.newest).encode())
    web.answers[kind.archive] = httpx.Response(200, content=kind.pack(files, kind.top))
    return web


@each_kind
async def test_a_file_is_read_with_the_configured_credentials(kind: Kind) -> None:
    web = serving(kind)
    file = await web.reader().read_url(kind.url("catalog-info.yaml"))
    assert (file.content, file.etag) == (b"root", '"e1"')
    assert [(str(request.url), request.headers.get(kind.header)) for request in web.asked] == [
        (kind.file, kind.authorization)
    ]


@each_kind
async def test_a_tree_is_unpacked(kind: Kind, tmp_path: Path) -> None:
    web = serving(kind)
    tree = await web.reader().read_tree(kind.url("").replace("path=/&", ""), tmp_path)
    assert tree.etag == kind.etag
    written = {
        path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()
    }
    assert written == FILES
    assert {request.headers.get(kind.header) for request in web.asked} == {kind.authorization}


@each_kind
async def test_globs_are_searched_in_the_tree(kind: Kind) -> None:
    web = serving(kind)
    url = kind.url("*/catalog-info.yaml")
    found = await web.reader().search(url)
    assert [(file.url, file.content) for file in found.files] == [
        (kind.found_url(name).replace("%2Fa/", "%2Fa%2F").replace("%2Fb/", "%2Fb%2F"), content)
        for name, content in (("a/catalog-info.yaml", b"A"), ("b/catalog-info.yaml", b"B"))
    ]
    assert found.etag == kind.etag
    again = await web.reader().search(url, etag=found.etag)
    assert (again.not_modified, again.files) == (True, ())


@each_kind
async def test_a_file_that_is_gone_gives_no_files_and_a_known_one_is_not_sent_again(kind: Kind) -> None:
    web = serving(kind)
    url = kind.url("catalog-info.yaml")
    assert (await web.reader().search(url)).etag == '"e1"'
    assert (await web.reader().search(url, etag='"e1"')).not_modified
    web.answers[kind.file] = httpx.Response(304)
    assert (await web.reader().search(url, etag='"e1"')).not_modified
    del web.answers[kind.file]
    assert (await web.reader().search(url)).files == ()
    with pytest.raises(NotFoundError, match="404 Not Found"):
        await web.reader().read_url(url)


@each_kind
@pytest.mark.parametrize(
    ("status", "error", "message"),
    [
        (401, NotAllowedError, "check the token"),
        (403, NotAllowedError, "check the token"),
        (429, ForeignError, "rate limit exceeded"),
        (500, ForeignError, "500 Internal Server Error"),
    ],
)
async def test_failures_say_what_was_asked_without_the_token(
    kind: Kind, status: int, error: type[UnderstageError], message: str
) -> None:
    web = serving(kind)
    web.answers[kind.file] = httpx.Response(status)
    with pytest.raises(error, match=message) as caught:
        await web.reader().read_url(kind.url("catalog-info.yaml"))
    assert kind.file in str(caught.value)
    assert kind.authorization.split()[-1] not in str(caught.value)


# C3: nothing in a page URL reaches another place of the API.
@each_kind
@pytest.mark.parametrize(
    "path", ["../../user", "..%2f..%2fuser", "%252e%252e/user", "%25252e%25252e%25252fuser", "a/./b"]
)
async def test_d8_paths_that_climb_are_refused_before_anything_is_asked(kind: Kind, path: str) -> None:
    web = serving(kind)
    with pytest.raises(InputError, match="path traversal is not allowed"):
        await web.reader().read_url(kind.url(path))
    with pytest.raises(InputError, match="path traversal is not allowed"):
        await web.reader().search(kind.url(f"{path}/*.yaml"))
    with pytest.raises(InputError):
        await web.reader().read_url(kind.url("..\\..\\user"))
    assert web.asked == []


NAMES = {
    "azure": [
        "https://dev.azure.com/..%2fevil/project/_git/repo?path=/x",
        "https://dev.azure.com/o/p/_git/..%2f..?path=/x",
    ],
    "bitbucketCloud": ["https://bitbucket.org/..%2fx/r/src/main/x", "https://bitbucket.org/o/r%3fx/src/main/x"],
    "bitbucketServer": [
        "https://bb.org/projects/..%2f..%2fadmin/repos/r/browse/x",
        "https://bb.org/projects/P/repos/r%3f/browse/x",
    ],
    "gerrit": [
        "https://gerrit.org/gitiles/..%2fconfig/+/refs/heads/main/x",
        "https://gerrit.org/gitiles/p%3fx/+/refs/heads/main/x",
    ],
    "gitea": ["https://tea.org/..%2fx/r/src/branch/main/x"],
    "github": ["https://github.com/..%2fx/r/blob/main/x", "https://github.com/o/r%3fx/blob/main/x"],
    "gitlab": ["https://gitlab.com/g/..%2fx/-/blob/main/x", "https://gitlab.com/g/p%3fx/-/blob/main/x"],
    "harness": ["https://harness.org/ng/account/..%2fx/module/code/repos/r/files/main/~/x"],
}


@pytest.mark.parametrize(("name", "url"), [(name, url) for name, urls in NAMES.items() for url in urls])
async def test_owners_and_repositories_are_plain_names(name: str, url: str) -> None:
    web = serving(KINDS[name])
    with pytest.raises(InputError, match="Invalid SCM URL"):
        await web.reader().read_url(url)
    assert web.asked == []


# C4: the token goes to the API of its own host by https, whatever the page URL and the answers say.
@each_kind
@pytest.mark.parametrize(
    "target",
    ["https://evil.org/x", "http://169.254.169.254/x", "http://[::1]/x", "https://{host}:8443/x", "file:///etc/passwd"],
)
async def test_redirects_elsewhere_are_not_followed(kind: Kind, target: str, tmp_path: Path) -> None:
    web = serving(kind)
    redirect = httpx.Response(302, headers={"location": target.replace("{host}", kind.host)})
    web.answers[kind.file] = web.answers[kind.archive] = redirect
    with pytest.raises((NotAllowedError, InputError)):
        await web.reader().read_url(kind.url("catalog-info.yaml"))
    with pytest.raises((NotAllowedError, InputError)):
        await web.reader().read_tree(kind.url("").replace("path=/&", ""), tmp_path)
    hosts = {f"{request.url.scheme}://{request.url.host}" for request in web.asked}
    assert hosts <= {f"https://{kind.host}", f"https://api.{kind.host}"}


@each_kind
async def test_tokens_never_travel_in_the_clear_or_to_another_origin(kind: Kind) -> None:
    web = serving(kind)
    await web.reader().read_url(kind.url("catalog-info.yaml").replace("https://", "http://"))
    assert [request.url.scheme for request in web.asked] == ["https"]
    web.answers[kind.file] = httpx.Response(302, headers={"location": f"https://files.{kind.host}/x"})
    web.answers[f"https://files.{kind.host}/x"] = httpx.Response(200, content=kind.body(b"root"))
    assert (await web.reader().read_url(kind.url("catalog-info.yaml"))).content == b"root"
    assert kind.header not in web.asked[-1].headers
    with pytest.raises(NotAllowedError, match="is not allowed"):
        await web.reader().read_url(kind.url("x").replace(kind.host, f"{kind.host}.evil.org"))


# C5: bodies without end, bombs, and what only calls itself an archive.
@each_kind
async def test_large_and_broken_bodies_are_refused(kind: Kind, tmp_path: Path) -> None:
    web = serving(kind)
    web.answers[kind.file] = httpx.Response(200, content=b"x" * (10 * 1024 * 1024 + 1))
    with pytest.raises(ForeignError, match="more than"):
        await web.reader().read_url(kind.url("catalog-info.yaml"))
    tree = kind.url("").replace("path=/&", "")
    web.answers[kind.archive] = httpx.Response(200, content=b"no archive at all")
    with pytest.raises(ForeignError, match="cannot be unpacked"):
        await web.reader().read_tree(tree, tmp_path)
    web.answers[kind.archive] = httpx.Response(200, content=kind.pack({"../../evil": b"x"}, kind.top))
    with pytest.raises(InputError, match="leads outside"):
        await web.reader().read_tree(tree, tmp_path)
    assert list(tmp_path.rglob("*")) == []
    assert not (tmp_path.parent / "evil").exists()


@each_kind
async def test_answers_of_another_shape_are_refused(kind: Kind, tmp_path: Path) -> None:
    for body in (b"[]", b"{}", b"null", b"nonsense", b'{"values": [null], "value": [null]}'):
        web = serving(kind)
        web.answers[kind.commit] = httpx.Response(200, content=kind.prefix + body)
        with pytest.raises((ForeignError, NotFoundError)):
            await web.reader().read_tree(kind.url("").replace("path=/&", ""), tmp_path)


async def test_the_sign_in_page_of_azure_is_no_file() -> None:
    kind = KINDS["azure"]
    web = serving(kind)
    web.answers[kind.file] = httpx.Response(203, content=b"<html>")
    with pytest.raises(NotAllowedError, match="203 Non-Authoritative Information"):
        await web.reader().read_url(kind.url("catalog-info.yaml"))


async def test_a_folder_of_azure_is_asked_for_alone(tmp_path: Path) -> None:
    kind = KINDS["azure"]
    web = serving(kind)
    url = f"{AZURE}/items?recursionLevel=full&download=true&api-version=6.0&scopePath=%2Fa%2Fb&{BRANCH}"
    web.answers[url] = httpx.Response(200, content=zipped({"c.yaml": b"C"}, "b/"))
    await web.reader().read_tree(kind.url("a/b"), tmp_path)
    assert (tmp_path / "c.yaml").read_bytes() == b"C"


async def test_artifacts_of_gitlab_jobs_are_read() -> None:
    web = Web(KINDS["gitlab"].settings)
    web.answers["https://gitlab.com/api/v4/projects/g%2Fp/jobs/artifacts/main/raw/out/api.yaml?job=build"] = (
        httpx.Response(200, content=b"api")
    )
    url = "https://gitlab.com/g/p/-/jobs/artifacts/main/raw/out/api.yaml?job=build"
    assert (await web.reader().read_url(url)).content == b"api"
    with pytest.raises(InputError, match="names no job"):
        await web.reader().read_url(url.partition("?")[0])


async def test_bitbucket_cloud_signs_in_once_as_an_oauth_consumer() -> None:
    kind = KINDS["bitbucketCloud"]
    web = serving(kind)
    web.settings = {"bitbucketCloud": [{"clientId": "id", "clientSecret": "sec"}]}
    token_url = "https://bitbucket.org/site/oauth2/access_token"
    web.answers[token_url] = httpx.Response(200, json={"access_token": "leased", "expires_in": 7200})
    reader = web.reader()
    for _ in range(2):
        await reader.read_url(kind.url("catalog-info.yaml"))
    assert [(str(request.url), request.headers["authorization"]) for request in web.asked] == [
        (token_url, basic("id:sec")),
        (kind.file, "Bearer leased"),
        (kind.file, "Bearer leased"),
    ]
    assert web.asked[0].content == b"grant_type=client_credentials"
    web.answers[token_url] = httpx.Response(400, content=b"sec is wrong")
    with pytest.raises(ForeignError, match="Bitbucket Cloud gave no token: it answered 400") as caught:
        await web.reader().read_url(kind.url("catalog-info.yaml"))
    assert "sec is" not in str(caught.value)


@pytest.mark.parametrize(
    ("credential", "asked"),
    [
        (
            {"clientId": "id", "clientSecret": "sec", "tenantId": "ten"},
            ["https://login.microsoftonline.com/ten/oauth2/v2.0/token"],
        ),
        (
            {"clientId": "id"},
            [
                "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01"
                "&resource=499b84ac-1321-427f-aa17-267ca6975798&client_id=id"
            ],
        ),
        (
            {"clientId": "id", "managedIdentityClientId": "system-assigned", "tenantId": "ten"},
            [
                "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01"
                "&resource=api%3A%2F%2FAzureADTokenExchange",
                "https://login.microsoftonline.com/ten/oauth2/v2.0/token",
            ],
        ),
    ],
)
async def test_azure_signs_in_by_entra_id(
    credential: Mapping[str, str], asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("IDENTITY_ENDPOINT", raising=False)
    kind = KINDS["azure"]
    web = serving(kind)
    web.settings = {"azure": [{"credentials": [credential]}]}
    for url in asked:
        web.answers[url] = httpx.Response(200, json={"access_token": "leased", "expires_in": "3600"})
    await web.reader().read_url(kind.url("catalog-info.yaml"))
    assert [str(request.url) for request in web.asked] == [*asked, kind.file]
    assert web.asked[-1].headers["authorization"] == "Bearer leased"


async def test_each_organization_of_azure_gets_its_own_token() -> None:
    credentials = [
        {"personalAccessToken": "one", "organizations": ["One"]},
        {"personalAccessToken": "rest"},
    ]
    web = Web({"azure": [{"credentials": credentials}, {"host": "devops.org", "credentials": []}]})
    for organization, expected in (("one", basic(":one")), ("two", basic(":rest"))):
        url = f"https://dev.azure.com/{organization}/p/_git/r?path=/x"
        assert (await web.reader().search(url)).files == ()
        assert web.asked[-1].headers["authorization"] == expected
    assert (await web.reader().search("https://devops.org/tfs/c/p/_git/r?path=/x")).files == ()
    assert (
        str(web.asked[-1].url) == "https://devops.org/tfs/c/p/_apis/git/repositories/r/items?api-version=6.0&path=%2Fx"
    )
    assert "authorization" not in web.asked[-1].headers


async def test_unauthenticated_bitbucket_and_azure_are_read_without_an_entry() -> None:
    web = Web({})
    web.answers["https://api.bitbucket.org/2.0/repositories/o/r/src/main/x"] = httpx.Response(200, content=b"x")
    assert (await web.reader().read_url("https://bitbucket.org/o/r/src/main/x")).content == b"x"
    assert "authorization" not in web.asked[0].headers
    url = "https://dev.azure.com/o/p/_apis/git/repositories/r/items?api-version=6.0&path=%2Fx"
    web.answers[url] = httpx.Response(200, content=b"y")
    assert (await web.reader().read_url("https://dev.azure.com/o/p/_git/r?path=/x")).content == b"y"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("https://dev.azure.com/o/p", "must point to a git repository"),
        ("https://dev.azure.com/o/p/_git/r?path=/x&version=GCabc", "must point to a git branch or git tag"),
        ("https://bitbucket.org/o/r/commits/x", "names no file or folder"),
        ("https://bb.org/scm/P/r.git", "Invalid Bitbucket Server URL"),
        ("https://gerrit.org/gitiles/p", "Unable to parse gitiles url"),
        ("https://gerrit.org/gitiles/p/+/HEAD/x", "Unsupported gitiles ref type: head"),
        ("https://gerrit.org/gitiles/p/+/refs/tags/v1/x", "Unsupported gitiles ref type: tag"),
        ("https://harness.org/ng/account/acc/x", "names no account and repository"),
    ],
)
async def test_urls_that_name_nothing_are_refused(url: str, message: str) -> None:
    web = Web({name: value for kind in KINDS.values() for name, value in kind.settings.items()})
    with pytest.raises(InputError, match=message):
        await web.reader().read_url(url)
    assert web.asked == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"azure": [{"token": "x"}]}, "token is no longer read, use credentials instead"),
        (
            {"azure": [{"credentials": [{"personalAccessToken": "x", "clientId": "y"}]}]},
            "expected a personalAccessToken alone",
        ),
        ({"azure": [{"credentials": [{"clientId": "y", "clientSecret": "z"}]}]}, "expected a tenantId"),
        ({"azure": [{"credentials": [{}]}]}, "expected a personalAccessToken or a clientId"),
        (
            {"azure": [{"host": "devops.org", "credentials": [{"clientId": "y"}]}]},
            "expected personal access tokens only",
        ),
        ({"azure": [{"credentials": [{"clientId": "y"}, {"clientId": "z"}]}]}, "one credential without organizations"),
        ({"bitbucketCloud": [{"clientId": "x"}]}, "expected both clientId and clientSecret"),
        ({"bitbucketCloud": [{"username": "x"}]}, "expected a token or an appPassword"),
    ],
)
def test_credentials_that_cannot_work_stop_the_start(settings: Mapping[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        IntegrationSettings.model_validate(settings)


def test_gerrit_with_a_password_needs_gitiles_below_it() -> None:
    entry = {"host": "gerrit.org", "gitilesBaseUrl": "https://other.org/g", "password": "p"}
    with pytest.raises(InputError, match="gitilesBaseUrl must begin with baseUrl"):
        Web({"gerrit": [entry]}).reader()
