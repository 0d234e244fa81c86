"""The url reader: which API each page URL is read by, globs, relative URLs, refusals; the local server's with real git."""

import base64
import io
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from understage.config.backend_settings import Reading
from understage.config.integration_settings import IntegrationSettings
from understage.errors import ForeignError, InputError, NotAllowedError, NotFoundError, UnderstageError
from understage.integrations.git.remotes import GitRemotes
from understage.integrations.local.forge import LocalForge
from understage.integrations.local.repositories import LocalRepositories
from understage.integrations.local.source import LocalSource
from understage.integrations.reader.readers import UrlReaders
from understage.integrations.sources import create_policy, create_readers
from understage.platform.http import HttpClient, parse_url
from understage.sdk import GitAuthor

INTEGRATIONS = IntegrationSettings.model_validate(
    {
        "github": [
            {"host": "github.com", "token": "gh-token"},
            {"host": "ghe.org", "apiBaseUrl": "https://ghe.org/api/v3"},
        ],
        "gitlab": [{"host": "git.lab", "baseUrl": "https://git.lab/sub", "token": "gl-token"}],
        "gitea": [{"host": "tea.org:3000", "baseUrl": "http://tea.org:3000", "username": "bot", "password": "pw"}],
    }
)
READING = Reading.model_validate({"allow": [{"host": "plain.org", "paths": ["/ok"]}]})


def archive(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(f"top/{name}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


class Web:
    """Answers by URL, and what was asked with which Authorization."""

    def __init__(self, **_: str) -> None:
        self.answers: dict[str, httpx.Response] = {}
        self.asked: list[tuple[str, str | None]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append((str(request.url), request.headers.get("authorization")))
        answer = self.answers.get(str(request.url), httpx.Response(404))
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    def reader(self) -> UrlReaders:
        return create_readers(INTEGRATIONS, READING, HttpClient(transport=httpx.MockTransport(self)))


@pytest.mark.parametrize(
    ("url", "asked", "authorization"),
    [
        (
            "https://github.com/o/r/blob/main/a%20b/c.yaml",
            "https://api.github.com/repos/o/r/contents/a%20b/c.yaml?ref=main",
            "Bearer gh-token",
        ),
        (
            "https://github.com/o/r/blob/main/my file.yaml",
            "https://api.github.com/repos/o/r/contents/my%20file.yaml?ref=main",
            "Bearer gh-token",
        ),
        ("https://ghe.org/o/r/tree/v1/c.yaml", "https://ghe.org/api/v3/repos/o/r/contents/c.yaml?ref=v1", None),
        (
            "https://git.lab/sub/g/s/p/-/blob/main/d/c.yaml",
            "https://git.lab/sub/api/v4/projects/g%2Fs%2Fp/repository/files/d%2Fc.yaml/raw?ref=main",
            "Bearer gl-token",
        ),
        (
            "https://gitlab.com/g/p/blob/main/c.yaml",
            "https://gitlab.com/api/v4/projects/g%2Fp/repository/files/c.yaml/raw?ref=main",
            None,
        ),
        ("https://plain.org/ok/c.yaml", "https://plain.org/ok/c.yaml", None),
    ],
)
async def test_a_file_is_read_by_the_hosts_api(url: str, asked: str, authorization: str | None) -> None:
    web = Web()
    web.answers[asked] = httpx.Response(200, content=b"kind: X", headers={"etag": '"e1"'})
    file = await web.reader().read_url(url)
    assert (file.url, file.content, file.etag) == (url, b"kind: X", '"e1"')
    assert web.asked == [(asked, authorization)]


async def test_gitea_contents_are_decoded() -> None:
    web = Web()
    asked = "http://tea.org:3000/api/v1/repos/o/r/contents/c.yaml?ref=main"
    encoded = base64.b64encode(b"kind: X").decode()
    web.answers[asked] = httpx.Response(200, json={"type": "file", "content": encoded})
    file = await web.reader().read_url("http://tea.org:3000/o/r/src/branch/main/c.yaml")
    assert file.content == b"kind: X"
    assert web.asked == [(asked, "basic " + base64.b64encode(b"bot:pw").decode())]


async def test_public_github_files_come_from_the_raw_host() -> None:
    web = Web()
    web.answers["https://raw.githubusercontent.com/o/r/main/c.yaml"] = httpx.Response(200, content=b"x")
    http = HttpClient(transport=httpx.MockTransport(web))
    reader = create_readers(IntegrationSettings(), Reading(), http)
    assert (await reader.read_url("https://github.com/o/r/blob/main/c.yaml")).content == b"x"


@pytest.mark.parametrize(
    ("url", "error", "message"),
    [
        ("https://other.org/x", NotAllowedError, "Reading from 'https://other.org/x' is not allowed"),
        ("https://plain.org/no", NotAllowedError, "is not allowed"),
        ("http://plain.org:8080/ok", NotAllowedError, "is not allowed"),
        ("https://tea.org/o/r/src/branch/main/x", NotAllowedError, "is not allowed"),
        ("file:///etc/passwd", InputError, "Invalid URL"),
        ("https://github.com@evil.org/o/r/blob/main/x", InputError, "Invalid URL"),
        ("https://github.com/o/r/blob/main/../../../user", InputError, "path traversal"),
        ("https://github.com/o/r/blob/main/..%2f..%2fuser", InputError, "path traversal"),
        ("https://github.com/o/r/blob/main/%252e%252e/user", InputError, "path traversal"),
        ("https://github.com/..%2f..%2fuser/r/blob/main/x", InputError, "path traversal"),
        ("https://github.com/o%2fx/r/blob/main/x", InputError, "no name of an owner"),
        ("https://github.com/o/r/blob/main/..\\x", InputError, "Invalid URL"),
        ("https://github.com/o/r/issues/1", InputError, "names no file or folder"),
        ("https://github.com/o", InputError, "names no repository"),
        ("https://[::1]/x", NotAllowedError, "is not allowed"),
        ("https://[bad/x", InputError, "Invalid URL"),
        ("https:///x", InputError, "Invalid URL"),
        ("mailto:a@b", InputError, "Invalid URL"),
        ("https://github.com/o/r", InputError, "not a file in it"),
        ("https://github.com/o/r/tree/main/", InputError, "not a file in it"),
        ("https://git.lab/sub/g/%2e%2e/p/-/blob/main/x", InputError, "path traversal"),
        ("https://github.com/o/r/blob/main/absent", NotFoundError, "404 Not Found"),
    ],
)
async def test_refusals(url: str, error: type[UnderstageError], message: str) -> None:
    with pytest.raises(error, match=message):
        await Web().reader().read_url(url)


@pytest.mark.parametrize(
    ("status", "headers", "error", "message"),
    [
        (401, {}, NotAllowedError, "check the token"),
        (403, {"x-ratelimit-remaining": "0"}, ForeignError, "rate limit exceeded"),
        (500, {}, ForeignError, "500 Internal Server Error"),
    ],
)
async def test_failures_say_why(
    status: int, headers: dict[str, str], error: type[UnderstageError], message: str
) -> None:
    web = Web()
    web.answers["https://api.github.com/repos/o/r/contents/c?ref=m"] = httpx.Response(status, headers=headers)
    with pytest.raises(error, match=message) as caught:
        await web.reader().read_url("https://github.com/o/r/blob/m/c")
    assert "gh-token" not in str(caught.value)


def github_tree(web: Web, files: Mapping[str, bytes]) -> None:
    web.answers["https://api.github.com/repos/o/r/commits/main"] = httpx.Response(200, json={"sha": "abc"})
    web.answers["https://api.github.com/repos/o/r/tarball/abc"] = httpx.Response(
        302, headers={"location": "https://codeload.github.com/o/r/legacy.tar.gz/abc"}
    )
    web.answers["https://codeload.github.com/o/r/legacy.tar.gz/abc"] = httpx.Response(200, content=archive(files))


TREES = "https://api.github.com/repos/o/r/git/trees/abc?recursive=true"
CONTENTS = "https://api.github.com/repos/o/r/contents"


def listed(names: Iterable[str], **more: Any) -> httpx.Response:
    tree = [{"path": name, "type": "blob", "size": 7} for name in names]
    return httpx.Response(200, json={"sha": "abc", "tree": [*tree, {"path": "a", "type": "tree"}], **more})


async def test_a_few_files_of_a_tree_are_asked_for_one_by_one() -> None:
    web = Web()
    github_tree(web, {})
    web.answers[TREES] = listed(["a/catalog-info.yaml", "b/c/catalog-info.yaml", "README.md"])
    for name in ("a", "b/c"):
        web.answers[f"{CONTENTS}/{name}/catalog-info.yaml?ref=abc"] = httpx.Response(200, text=f"name: {name}")
    found = await web.reader().search("https://github.com/o/r/blob/main/**/catalog-info.yaml")
    assert found.etag == "abc"
    assert [(file.url, file.content) for file in found.files] == [
        ("https://github.com/o/r/blob/main/a/catalog-info.yaml", b"name: a"),
        ("https://github.com/o/r/blob/main/b/c/catalog-info.yaml", b"name: b/c"),
    ]
    assert not any("tarball" in url for url, _ in web.asked)
    again = await web.reader().search("https://github.com/o/r/blob/main/**/catalog-info.yaml", etag="abc")
    assert again.not_modified


@pytest.mark.parametrize(
    "said",
    [
        listed([], truncated=True),
        listed([f"{number}/catalog-info.yaml" for number in range(21)]),
        httpx.Response(404),
        httpx.Response(200, json={"tree": None}),
    ],
)
async def test_many_files_or_no_whole_list_come_by_the_archive(said: httpx.Response) -> None:
    web = Web()
    github_tree(web, {"a/catalog-info.yaml": b"A"})
    web.answers[TREES] = said
    found = await web.reader().search("https://github.com/o/r/blob/main/*/catalog-info.yaml")
    assert [(file.url, file.content) for file in found.files] == [
        ("https://github.com/o/r/blob/main/a/catalog-info.yaml", b"A")
    ]


async def test_a_huge_file_of_a_list_is_refused_before_it_is_asked_for() -> None:
    web = Web()
    github_tree(web, {})
    web.answers[TREES] = httpx.Response(
        200, json={"tree": [{"path": "a/catalog-info.yaml", "type": "blob", "size": 11 << 20}]}
    )
    with pytest.raises(InputError, match=r"a/catalog-info\.yaml is larger than 10 MiB"):
        await web.reader().search("https://github.com/o/r/blob/main/*/catalog-info.yaml")


async def test_a_tree_is_unpacked_and_the_token_stays_at_the_api(tmp_path: Path) -> None:
    web = Web()
    github_tree(web, {"skeleton/README.md": b"hi", "other/x": b""})
    tree = await web.reader().read_tree("https://github.com/o/r/tree/main/skeleton", tmp_path)
    assert (tree.etag, (tmp_path / "README.md").read_bytes()) == ("abc", b"hi")
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]
    assert web.asked[-1] == ("https://codeload.github.com/o/r/legacy.tar.gz/abc", None)
    with pytest.raises(NotFoundError, match="names no folder"):
        await web.reader().read_tree("https://github.com/o/r/tree/main/absent", tmp_path)


@pytest.mark.parametrize("target", ["http://169.254.169.254/x", "https://evil.org/x", "http://codeload.github.com/x"])
async def test_an_archive_elsewhere_is_not_followed(tmp_path: Path, target: str) -> None:
    web = Web()
    github_tree(web, {})
    web.answers["https://api.github.com/repos/o/r/tarball/abc"] = httpx.Response(302, headers={"location": target})
    with pytest.raises(NotAllowedError, match="not allowed"):
        await web.reader().read_tree("https://github.com/o/r/tree/main", tmp_path)
    assert [url for url, _ in web.asked if url == target] == []


async def test_globs_are_searched_in_the_tree() -> None:
    web = Web()
    github_tree(web, {"a/catalog-info.yaml": b"A", "b/catalog-info.yaml": b"B", "b/x": b"", "catalog-info.yaml": b"C"})
    url = "https://github.com/o/r/blob/main/*/catalog-info.yaml"
    found = await web.reader().search(url)
    assert [(file.url, file.content) for file in found.files] == [
        ("https://github.com/o/r/blob/main/a/catalog-info.yaml", b"A"),
        ("https://github.com/o/r/blob/main/b/catalog-info.yaml", b"B"),
    ]
    either = await web.reader().search("https://github.com/o/r/blob/main/{a,b}/[c]atalog-info.yaml")
    assert either.files == found.files
    again = await web.reader().search(url, etag=found.etag)
    assert (again.not_modified, again.files) == (True, ())


async def test_search_of_a_file() -> None:
    web = Web()
    asked = "https://api.github.com/repos/o/r/contents/c.yaml?ref=main"
    url = "https://github.com/o/r/blob/main/c.yaml"
    assert (await web.reader().search(url)).files == ()
    web.answers[asked] = httpx.Response(200, content=b"x", headers={"etag": '"1"'})
    found = await web.reader().search(url)
    assert (found.files[0].content, found.etag) == (b"x", '"1"')
    assert (await web.reader().search(url, etag='"1"')).not_modified
    web.answers[asked] = httpx.Response(304)
    assert (await web.reader().search(url, etag='"1"')).not_modified
    with pytest.raises(InputError, match="Unsupported search pattern"):
        await web.reader().search("https://plain.org/ok/*.yaml")


@pytest.mark.parametrize(
    ("base", "url", "resolved"),
    [
        ("https://github.com/o/r/blob/main/a/t.yaml", "./skeleton", "https://github.com/o/r/tree/main/a/skeleton"),
        ("https://github.com/o/r/blob/main/a/t.yaml", "/root/x", "https://github.com/o/r/tree/main/root/x"),
        ("https://github.com/o/r/blob/main/a/t.yaml", "https://x.org/y", "https://x.org/y"),
        ("https://git.lab/sub/g/p/-/blob/main/a/t.yaml", "/x", "https://git.lab/sub/g/p/-/blob/main/x"),
        ("http://tea.org:3000/o/r/src/branch/main/a/t.yaml", "../x", "http://tea.org:3000/o/r/src/branch/main/x"),
        ("http://tea.org:3000/o/r/src/branch/main/a/t.yaml", "/x", "http://tea.org:3000/o/r/src/branch/main/x"),
        ("https://plain.org/ok/t.yaml?v=1", "x", "https://plain.org/ok/x"),
    ],
)
def test_relative_urls(base: str, url: str, resolved: str) -> None:
    assert Web().reader().resolve_url(url, base) == resolved


def test_a_file_base_resolves_nothing() -> None:
    with pytest.raises(InputError, match="cannot be resolved"):
        Web().reader().resolve_url("x", "file:///etc/t.yaml")


@pytest.mark.parametrize(
    ("url", "edit"),
    [
        ("https://github.com/o/r/blob/main/c.yaml", "https://github.com/o/r/edit/main/c.yaml"),
        ("https://gitlab.com/g/p/-/blob/main/c.yaml", "https://gitlab.com/g/p/-/edit/main/c.yaml"),
        ("http://tea.org:3000/o/r/src/branch/main/c.yaml", "http://tea.org:3000/o/r/_edit/main/c.yaml"),
        ("https://plain.org/ok/c.yaml", None),
        ("file:///x", None),
        ("https://[bad/x", None),
        ("https://github.com/o/r/blob/main/a\\b", None),
    ],
)
def test_edit_urls(url: str, edit: str | None) -> None:
    assert Web().reader().edit_url(url) == edit


def test_actions_may_ask_the_configured_hosts() -> None:
    policy = create_policy(INTEGRATIONS, READING, HttpClient())
    allowed = ["https://api.github.com/x", "http://tea.org:3000/api/v1", "https://plain.org/ok/x", "https://git.lab/x"]
    refused = ["https://plain.org/x", "http://localhost:7007/", "http://api.github.com/", "http://169.254.169.254/"]
    assert [policy.allows(parse_url(url)) for url in allowed + refused] == [True] * 4 + [False] * 4


@pytest.fixture
async def local(tmp_path: Path) -> LocalSource:
    repositories = LocalRepositories(tmp_path / "git", "http://localhost:7007")
    source = tmp_path / "src"
    (source / "a").mkdir(parents=True)
    (source / "a" / "catalog-info.yaml").write_text("kind: A")
    (source / "catalog-info.yaml").write_text("kind: C")
    (source / "li*k").symlink_to("/etc/passwd")
    repository = await LocalForge(repositories).create_repository("team", "web")
    git = GitRemotes(tmp_path / "state", locate=repositories.locate)
    await git.publish(source, repository.clone_url, branch="feature/x", message="m", author=GitAuthor("A", "a@x.org"))
    (source / "li*k").unlink()
    await git.publish(source, repository.clone_url, branch="main", message="m", author=GitAuthor("A", "a@x.org"))
    return LocalSource(repositories)


ROOT = "http://localhost:7007/git/team/web/src/branch/main"


async def test_the_local_servers_files_are_read_from_the_repository(local: LocalSource, tmp_path: Path) -> None:
    http = HttpClient(transport=httpx.MockTransport(Web()))
    reader = create_readers(INTEGRATIONS, READING, http, local)
    file = await reader.read_url(f"{ROOT}/a/catalog-info.yaml")
    assert file.content == b"kind: A"
    found = await reader.search(f"{ROOT}/**/catalog-info.yaml")
    assert [file.url for file in found.files] == [f"{ROOT}/a/catalog-info.yaml", f"{ROOT}/catalog-info.yaml"]
    assert (await reader.search(f"{ROOT}/**/catalog-info.yaml", etag=found.etag)).not_modified
    assert (await reader.search(f"{ROOT}/absent.yaml")).files == ()
    out = tmp_path / "out"
    out.mkdir()
    await reader.read_tree(f"{ROOT}/a", out)
    assert (out / "catalog-info.yaml").read_text() == "kind: A"
    assert reader.resolve_url("/x", f"{ROOT}/a/t.yaml") == f"{ROOT}/x"
    other = ROOT.replace("/main", "/feature%2Fx")
    assert (await reader.read_url(f"{other}/catalog-info.yaml")).content == b"kind: C"


@pytest.mark.parametrize(
    ("url", "error"),
    [
        (f"{ROOT}/absent", NotFoundError),
        (f"{ROOT}/a", NotFoundError),
        (ROOT.replace("/main", "/feature%2Fx") + "/li*k", NotFoundError),
        (f"{ROOT}/..%2f..%2fx", InputError),
        (ROOT.replace("/main", "/--output=x") + "/a", InputError),
        (ROOT.replace("/web/", "/nope/") + "/a", NotFoundError),
        ("http://localhost:7007/git/..%2f/x/src/branch/main/a", InputError),
        ("http://localhost:7007/git/team/web/blame/branch/main/a", InputError),
    ],
)
async def test_the_local_server_refuses(local: LocalSource, url: str, error: type[UnderstageError]) -> None:
    with pytest.raises(error):
        await local.read_url(url)
