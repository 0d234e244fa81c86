"""Which requests page URLs become, what relative URLs mean beside them, and where people edit: as the stock packages say."""

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.contract.installation import Installation

from understage.config.backend_settings import Reading
from understage.config.integration_settings import IntegrationSettings
from understage.errors import UnderstageError
from understage.integrations.sources import create_readers
from understage.platform.http import HttpClient

SCRIPT = Path(__file__).with_name("url_rewriting.cjs")
HASH = "0123456789012345678901234567890123456789"
CONFIG = {
    "integrations": {
        "github": [{"host": "github.com", "token": "t"}, {"host": "ghe.org", "apiBaseUrl": "https://ghe.org/api/v3"}],
        "gitlab": [{"host": "git.lab", "apiBaseUrl": "https://git.lab/sub/api/v4", "baseUrl": "https://git.lab/sub"}],
        "gitea": [{"host": "tea.org"}],
        "bitbucketServer": [{"host": "bb.org"}],
        "azure": [{"host": "devops.org"}],
        "gerrit": [
            {
                "host": "gerrit.org",
                "baseUrl": "https://gerrit.org",
                "gitilesBaseUrl": "https://gerrit.org/gitiles",
                "username": "u",
                "password": "p",
            }
        ],
        "harness": [{"host": "harness.org"}],
    }
}
RELATIVE = ["./", "./x/y.yaml", "../x", "/top/x.yaml", "https://other.org/x"]
HARNESS = "https://harness.org/ng/account/acc/module/code"
URLS = [
    "https://github.com/o/r/blob/main/dir/c.yaml",
    "https://github.com/o/r/tree/main/dir/c.yaml",
    "https://ghe.org/o/r/blob/v1/dir/c.yaml",
    "https://gitlab.com/g/p/-/blob/main/dir/c.yaml",
    "https://gitlab.com/g/s/p/blob/main/dir/c.yaml",
    "https://git.lab/sub/g/s/p/-/blob/main/dir/c.yaml",
    "https://tea.org/o/r/src/branch/main/dir/c.yaml",
    "https://bitbucket.org/o/r/src/main/dir/c.yaml",
    "https://bitbucket.org/o/r/raw/main/dir/c.yaml",
    "https://bb.org/projects/P/repos/r/browse/dir/c.yaml?at=main",
    "https://bb.org/projects/P/repos/r/browse/dir/c.yaml?at=feature%2Fx",
    "https://bb.org/projects/P/repos/r/raw/dir/c.yaml?at=refs%2Fheads%2Fmain",
    "https://bb.org/users/joe/repos/r/browse/dir/c.yaml?at=main",
    "https://dev.azure.com/org/project/_git/repo?path=/dir/c.yaml&version=GBmain",
    "https://dev.azure.com/org/project/_git/repo?path=%2Fdir%2Fc.yaml",
    "https://dev.azure.com/org/a%20b/_git/repo?path=%2Fdir%2Fc.yaml&version=GTv1",
    "https://dev.azure.com/org/_git/repo?path=%2Fdir%2Fc.yaml",
    "https://devops.org/coll/project/_git/repo?path=%2Fdir%2Fc.yaml",
    "https://gerrit.org/gitiles/web/project/+/refs/heads/master/dir/c.yaml",
    f"https://gerrit.org/gitiles/project/+/{HASH}/dir/c.yaml",
    f"{HARNESS}/orgs/o/projects/p/repos/r/files/main/~/dir/c.yaml",
    f"{HARNESS}/repos/r/files/feature/x/~/dir/c.yaml",
]
# The stock resolver appends to the file, or drops the branch: nothing can be read by what it gives.
UNUSABLE = {(url, "/top/x.yaml") for url in URLS if url.startswith((HARNESS, "https://tea.org"))}


def ours(url: str) -> dict[str, Any]:
    requests: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(str(request.url))
        return httpx.Response(404)

    http = HttpClient(transport=httpx.MockTransport(answer))
    reader = create_readers(IntegrationSettings.model_validate(CONFIG["integrations"]), Reading(), http)

    async def read() -> None:
        with pytest.raises(UnderstageError):
            await reader.read_url(url)

    asyncio.run(read())
    [asked] = requests
    return {
        "file": asked,
        "edit": reader.edit_url(url),
        "resolved": {each: reader.resolve_url(each, url) for each in RELATIVE},
    }


@pytest.fixture(scope="module")
def stock(stock_installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("rewriting")
    stock_installation.compose(folder / "node")
    script = folder / "node" / SCRIPT.name
    script.write_text(SCRIPT.read_text())
    cases = [{"url": url, "relative": RELATIVE} for url in URLS]
    done = subprocess.run(
        [str(stock_installation.node), str(script)],
        input=json.dumps({"config": CONFIG, "cases": cases}),
        capture_output=True,
        text=True,
        timeout=120,
        cwd=folder / "node",
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(URLS, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize("url", URLS)
def test_urls_are_rewritten_as_by_the_stock_packages(url: str, stock: dict[str, Any]) -> None:
    expected, found = stock[url], ours(url)
    assert found["file"] == expected["file"]
    assert found["edit"] == expected["edit"]
    for each in RELATIVE:
        if (url, each) not in UNUSABLE:
            assert found["resolved"][each] == expected["resolved"][each], each
