"""What `new-website` writes: installed, tested and built as its Dockerfile says, served by nginx, and looked at by Chromium."""

import asyncio
import json
import os
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect
from tests.unit.skeletons.samples import free_port, need, run_tool, started
from tests.unit.skeletons.test_new_website import write

HEADERS = {
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "strict-origin-when-cross-origin",
    "x-content-type-options": "nosniff",
}


@pytest.fixture(scope="module")
def website(helm_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A website whose own tests passed, with `dist` as the first stage of its Dockerfile builds it."""
    npm = need("npm", "build the website")
    folder = asyncio.run(write(tmp_path_factory.mktemp("website"), helm_binary))
    built = re.findall(r"^RUN npm (.+)$", (folder / "Dockerfile").read_text(), re.MULTILINE)
    assert built == ["ci", "run build"]
    for command in ("ci", "test", "run build"):
        run_tool(npm, *shlex.split(command), folder=folder)
    return folder


def entrypoint(folder: Path, site: Path) -> list[str]:
    """The command of the container, for a site that is elsewhere."""
    (line,) = re.findall(r"^ENTRYPOINT (.+)$", (folder / "Dockerfile").read_text(), re.MULTILINE)
    command: list[str] = json.loads(line)
    # Debian has it where only root looks by itself. Root's nginx would give requests to a user who may not read here.
    command[0] = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") or need("nginx", "serve the website")
    command = [part.replace("/site/", f"{site}/") for part in command]
    return [*command[:-1], command[-1] + " user root;"] if os.geteuid() == 0 else command


@pytest.fixture
def served(website: Path, tmp_path: Path) -> Iterator[str]:
    """Its address, served by nginx from a folder laid out as that of the image."""
    site = tmp_path / "site"
    (tmp_path / "etc").mkdir()
    (tmp_path / "tmp").mkdir()
    shutil.copytree(website / "dist", site / "dist")
    port = free_port()
    told = {
        "listen 8080;": f"listen 127.0.0.1:{port};",
        " /tmp/": f" {tmp_path}/tmp/",
        "/etc/service;": f"{tmp_path}/etc;",
    }
    text = (website / "nginx.conf").read_text()
    for written, here in told.items():
        assert written in text
        text = text.replace(written, here)
    (site / "nginx.conf").write_text(text)
    before = sorted(site.rglob("*"))
    with started(entrypoint(website, site), tmp_path, PORT=str(port)) as url:
        yield url
    assert sorted(site.rglob("*")) == before, "it writes to a file system that is read-only in the cluster"


def assert_headers(answer: httpx.Response) -> None:
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
    policy = answer.headers.get_list("content-security-policy")
    assert len(policy) == 1
    assert "default-src 'self'" in policy[0]
    assert "frame-ancestors 'none'" in policy[0]
    assert "unsafe" not in policy[0]
    # No version to look up weaknesses of.
    assert answer.headers["server"] == "nginx"


def test_each_answer_has_its_headers_and_files_are_kept_as_long_as_they_stay_the_same(served: str) -> None:
    page = httpx.get(served)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert page.headers["cache-control"] == "no-cache"
    assert_headers(page)
    named = re.findall(r'(?:src|href)="(/assets/[^"]+)"', page.text)
    assert {Path(name).suffix for name in named} == {".js", ".css"}
    for name in named:
        file = httpx.get(f"{served}{name}")
        assert file.status_code == 200
        assert file.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert_headers(file)
        again = httpx.get(f"{served}{name}", headers={"if-none-match": file.headers["etag"]})
        assert (again.status_code, again.headers["cache-control"]) == (304, file.headers["cache-control"])
    script = next(name for name in named if name.endswith(".js"))
    assert httpx.get(f"{served}{script}").headers["content-encoding"] == "gzip"


@pytest.mark.parametrize("path", ["/assets/none-12345678.js", "/none.txt", "/.env", "/nginx.conf", "/../nginx.conf"])
def test_a_file_that_is_not_there_is_no_page_and_is_not_kept(path: str, served: str) -> None:
    answer = httpx.get(f"{served}{path}")
    assert (answer.status_code, answer.headers["cache-control"]) == (404, "no-cache")
    assert_headers(answer)


def test_paths_of_pages_lead_to_the_page(served: str) -> None:
    assert httpx.get(f"{served}/orders/7").text == httpx.get(served).text
    assert httpx.post(served).status_code == 405


def test_it_is_healthy_and_logs_neither_that_nor_what_may_be_about_people(served: str, tmp_path: Path) -> None:
    answer = httpx.get(f"{served}/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert answer.headers["content-type"].startswith("application/json")
    httpx.get(f"{served}/orders?email=ada@example.com")
    lines = [json.loads(line) for line in (tmp_path / "sample.log").read_text().splitlines()]
    assert [(line["method"], line["path"], line["status"]) for line in lines] == [("GET", "/index.html", 200)]
    assert "ada" not in json.dumps(lines)
    assert "127.0.0.1" not in json.dumps(lines)


def test_the_page_is_that_of_its_environment_and_keeps_to_its_own_policy(
    served: str, page: Page, tmp_path: Path
) -> None:
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(f"{served}/orders/7")
    expect(page.get_by_role("heading")).to_have_text("shop")
    expect(page.get_by_role("paragraph")).to_have_text("Environment: laptop")
    # As the chart mounts it; the page is the same.
    (tmp_path / "etc" / "config.json").write_text('{ "environment": "production" }\n')
    page.reload()
    expect(page.get_by_role("paragraph")).to_have_text("Environment: production")
    # A violation of the policy would be among them.
    assert said == []
    refused: Any = page.evaluate("fetch('http://127.0.0.2:9/').then(() => 'sent', error => error.name)")
    assert refused == "TypeError"
    assert "Content Security Policy" in " ".join(said)
