"""`understage catalog status`, the command itself, against a catalog that listens."""

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn
from fastapi import Request
from tests.store.catalog_bench import component, location, running
from tests.store.catalog_web import Policy, catalog_app
from tests.store.service_bench import closed_port

from understage.errors import AuthenticationError
from understage.identity.credentials import Credentials
from understage.platform.database import Database

TOKEN = "for-this-test"
TOP = [{"type": "file", "target": "top.yaml"}]


@asynccontextmanager
async def listening(database: Database, folder: Path, *, with_guests: bool = False) -> AsyncIterator[str]:
    """The address of a catalog over the folder's top.yaml, which takes one token; guests are given it."""

    async def authenticate(request: Request) -> Credentials:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            raise AuthenticationError("Illegal token")
        return Credentials.user("user:default/ada", TOKEN)

    async with running(database, folder, locations=TOP) as bench:
        web = catalog_app(bench.database, bench.engine, Policy(), authenticate)
        if with_guests:

            @web.get("/api/auth/guest/refresh")
            async def sign_in() -> dict[str, dict[str, str]]:
                return {"backstageIdentity": {"token": TOKEN}}

        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            server = uvicorn.Server(uvicorn.Config(web, log_level="error", lifespan="off"))
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
            server.should_exit = True
            await serving


async def status(*arguments: str, token: str | None = TOKEN) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of the command."""
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("understage"),
        "catalog",
        "status",
        *arguments,
        env={} if token is None else {"UNDERSTAGE_TOKEN": token},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_what_is_wrong_is_printed_with_its_line_and_ends_with_exit_code_1(
    sqlite_database: Database, tmp_path: Path
) -> None:
    (tmp_path / "top.yaml").write_text(location("top", "./a.yaml") + "\n---\n" + location("below", "./b.yaml"))
    (tmp_path / "a.yaml").write_text(component("good") + "\n---\n" + component("bad", lifecycle="", owner="team-b"))
    (tmp_path / "b.yaml").write_text(component("good"))
    async with listening(sqlite_database, tmp_path) as url:
        code, out, _ = await status("--url", url)
        assert code == 1
        lines = " ".join(out.split())
        assert out.startswith("OUTCOME")
        assert "never-admitted component:default/bad 20" in lines
        assert f"    file:{tmp_path}/a.yaml:16:" in out
        assert '\n        lifecycle: ""\n' in out
        assert "component:default/good is claimed twice" in lines
        assert out.rstrip().endswith("Something is wrong with 2 entities.")

        code, out, _ = await status("--url", url, "--format", "json", "--owner", "team-b")
        assert code == 1
        [report] = json.loads(out)["items"]
        assert report["entityRef"] == "component:default/bad"
        assert (report["errors"][0]["line"], report["errors"][0]["text"].strip()) == (16, 'lifecycle: ""')

        code, out, _ = await status("--url", url, "--owner", "team-a", "--all")
        assert code == 0
        assert "component:default/good" in out
        assert out.rstrip().endswith("Nothing is wrong.")


async def test_all_is_well(sqlite_database: Database, tmp_path: Path) -> None:
    (tmp_path / "top.yaml").write_text(component("good"))
    async with listening(sqlite_database, tmp_path) as url:
        assert await status("--url", url) == (0, "Nothing is wrong.\n", "")
        code, out, _ = await status("--url", url, "--all", "--format", "json")
        assert code == 0
        assert "component:default/good" in [item["entityRef"] for item in json.loads(out)["items"]]


async def test_without_a_token_the_command_signs_in_as_a_guest_where_it_may(
    sqlite_database: Database, tmp_path: Path
) -> None:
    (tmp_path / "top.yaml").write_text(component("good"))
    async with listening(sqlite_database, tmp_path, with_guests=True) as url:
        assert await status("--url", url, token=None) == (0, "Nothing is wrong.\n", "")


async def test_a_catalog_that_refuses_or_does_not_answer_is_exit_code_2(
    sqlite_database: Database, tmp_path: Path
) -> None:
    (tmp_path / "top.yaml").write_text(component("good"))
    async with listening(sqlite_database, tmp_path) as url:
        code, _, err = await status("--url", url, token="another")
        assert code == 2
        assert "401 AuthenticationError: Illegal token" in err
        code, _, err = await status("--url", url, token=None)
        assert code == 2
        assert "401 AuthenticationError" in err
        code, _, err = await status("--url", f"{url}/nowhere")
        assert code == 2
        assert "does not answer with reports" in err
    code, _, err = await status("--url", f"http://127.0.0.1:{closed_port()}")
    assert code == 2
    assert "ConnectError" in err


async def test_texts_of_files_are_printed_as_they_are(sqlite_database: Database, tmp_path: Path) -> None:
    (tmp_path / "top.yaml").write_text(component("bad", lifecycle=["[red]x[/red]\x1b[2J"]))
    async with listening(sqlite_database, tmp_path) as url:
        code, out, _ = await status("--url", url)
    assert code == 1
    assert "[red]x[/red]" in out
    assert "\x1b" not in out
